//! `man`: the manual page.

use super::{Description, Takes, help};
use crate::output;

pub(super) const MAN: Description = Description {
    name: "man",
    arguments: "",
    about: "Print the manual page in roff",
    examples: &["man > aemp.1"],
    takes: Takes::Exactly(0),
    prepare: |_, _| {
        Ok(Some(Box::new(|_| {
            let mut page = Vec::new();
            clap_mangen::Man::new(help::described()).render(&mut page)?;
            output::write(&String::from_utf8_lossy(&page))
        })))
    },
};
