//! `completions SHELL`: what a shell needs to complete command lines.

use std::fmt::Write;

use aemp::profile::Key;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap_complete::Shell;

use super::{Description, TABLE, Takes, set};
use crate::arguments::text;
use crate::failure::{Failure, meant};
use crate::{options, output};

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
        Ok(Some(Box::new(move |_| output::write(&script(shell)))))
    },
};

fn script(shell: Shell) -> String {
    // Any word may begin a command, so the names are those of words, not of subcommands.
    let words = names().map(|(name, about)| PossibleValue::new(name).help(about));
    let words = PossibleValuesParser::new(words.collect::<Vec<_>>());
    let mut command = options::command().mut_arg("words", |arg| arg.value_parser(words));
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "aemp", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Fish {
        // For this one clap_complete leaves words out.
        for (name, about) in names() {
            let about = about.replace('\\', r"\\").replace('\'', r"\'");
            // Writing to a string does not fail.
            let _ = writeln!(script, "complete -c aemp -a {name} -d '{about}'");
        }
    }
    script
}

/// All commands, and what each is about.
fn names() -> impl Iterator<Item = (&'static str, String)> {
    let table = TABLE
        .iter()
        .map(|command| (command.name, command.about.to_owned()));
    let keys = Key::ALL.into_iter().flat_map(|key| {
        let about = set::about(key).to_owned();
        [
            (set::set_name(key), about.clone()),
            (key.name(), about),
            (set::delete_name(key), format!("Take {} away", key.name())),
        ]
    });
    table.chain(keys)
}
