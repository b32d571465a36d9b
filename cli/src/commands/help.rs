//! `help [COMMAND]` and `--help`.

use std::fmt::Write;

use aemp::profile::Key;

use super::{Command, Description, TABLE, Takes, find, nearest, set};
use crate::arguments::text;
use crate::failure::{Failure, meant};
use crate::{options, pager};

pub(super) const HELP: Description = Description {
    name: "help",
    arguments: "[COMMAND]",
    about: "Explain a command, or list them all",
    examples: &["help", "help showconfig"],
    takes: Takes::AtMost(1),
    prepare: |_, arguments| {
        let word = match arguments.is_empty() {
            true => None,
            false => Some(text(&arguments, 0, "a command's name")?.to_string()),
        };
        Ok(Some(Box::new(move |_| show(word.as_slice()))))
    },
};

/// What a chain is, and the codes it ends with.
pub(super) const AFTER: &str = "\
Commands stand one behind the other on one line, and each takes the words that it
needs. The whole line is checked before anything is done. A word that begins with
[, { or \" is JSON; a first word that begins with [ is the whole line. Lists have
commas between their elements.

Examples:
  aemp gensecret seeds 192.0.2.1:4040
  aemp profile seed nodeid seed binds '*:4040'
  aemp profile worker parent common services app::hello
  aemp showconfig seed

The configuration is the file that AEMP_RC names, else the one that
PERL_ANYEVENT_MP_RC names, else ~/.perl-anyevent-mp.

Exit codes: 0 done; 1 a command failed; 2 the line is wrong, and nothing was done;
3 the configuration file is broken, or cannot be read or rewritten;
4 the network could not be joined, or did not answer.
";

/// Explains the last of `words` that is a command, or everything.
pub(crate) fn show(words: &[String]) -> Result<(), Failure> {
    let Some(word) = words.last() else {
        return pager::page(&everything());
    };
    let known = words
        .iter()
        .rev()
        .find_map(|word| Some((word, find(word)?)));
    let (name, command) = known.ok_or_else(|| {
        let nearest = meant(nearest(word));
        Failure::Usage(format!("there is no command {word:?}{nearest}"))
    })?;
    pager::page(&one(name, command))
}

fn everything() -> String {
    let mut help = options::command().render_help().to_string();
    help.push_str("\nCommands:\n");
    for command in TABLE {
        let usage = format!("{} {}", command.name, command.arguments);
        row(&mut help, &usage, command.about);
    }
    help.push_str("\nKeys, each with the commands setKEY or KEY alone, and delKEY:\n");
    for key in Key::ALL {
        let usage = format!("{} {}", key.name(), set::arguments(key));
        row(&mut help, &usage, set::about(key));
    }
    help.push('\n');
    help.push_str(AFTER);
    help
}

fn row(help: &mut String, usage: &str, about: &str) {
    let usage = usage.trim_end();
    // Writing to a string does not fail.
    let _ = writeln!(help, "  {usage:33} {about}");
}

fn one(name: &str, command: Command) -> String {
    let arguments = command.arguments();
    let usage = format!("aemp {name} {arguments}").trim_end().to_owned();
    let (about, examples) = match command {
        Command::Described(command) => {
            let lines = command
                .examples
                .iter()
                .map(|line| format!("  aemp {line}\n"));
            (command.about.to_owned(), lines.collect::<String>())
        }
        Command::Set(key) if set::takes_secret(key) => (
            format!(
                "{}.\n\nWithout SECRET, which lists of processes show, it is taken from\n--secret-file, else from \
                 AEMP_SECRET, else asked for, else read from the standard input.",
                match key {
                    Key::Secret => "Set the secret that all nodes of the network share",
                    _ =>
                        "Set the further secret that the node accepts, while the secret of the\nnetwork is exchanged",
                }
            ),
            format!(
                "  aemp set{0}\n  aemp --secret-file FILE set{0}\n",
                key.name()
            ),
        ),
        Command::Set(key) => (
            format!("Set {}: {}.", key.name(), set::about(key)),
            format!("  aemp set{} {}\n", key.name(), set::example(key)),
        ),
        Command::Delete(key) => (
            format!(
                "Take {} away, so that what is inherited or built in holds.",
                key.name()
            ),
            format!("  aemp del{0}\n  aemp profile seed del{0}\n", key.name()),
        ),
    };
    format!("{about}\n\nUsage: {usage}\n\nExamples:\n{examples}")
}
