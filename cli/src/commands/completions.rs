//! `completions SHELL`: what a shell needs to complete command lines.

use clap_complete::Shell;

use super::{Description, Takes, help, text};
use crate::failure::{Failure, meant};
use crate::output;

pub(super) const COMPLETIONS: Description = Description {
    name: "completions",
    arguments: "SHELL",
    about: "Print completions for bash, zsh, fish, elvish or powershell",
    examples: &["completions bash > ~/.local/share/bash-completion/completions/aemp"],
    takes: Takes::Exactly(1),
    prepare: |_, arguments| {
        let name = text(&arguments, 0, "a shell's name")?;
        let shell: Shell = name.parse().map_err(|_| {
            let shells = ["bash", "zsh", "fish", "elvish", "powershell"];
            let nearest = meant(aemp::profile::nearest(&name, shells));
            Failure::Usage(format!("there are no completions for {name:?}{nearest}"))
        })?;
        Ok(Some(Box::new(move |_| {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut help::described(), "aemp", &mut script);
            output::write(&String::from_utf8_lossy(&script))
        })))
    },
};
