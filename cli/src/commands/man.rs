//! `man`: the manual page.

use std::io::{self, Write};

use aemp::profile::Key;

use super::help::AFTER;
use super::{Description, TABLE, Takes, set};
use crate::{options, output};

pub(super) const MAN: Description = Description {
    name: "man",
    arguments: "",
    about: "Print the manual page in roff",
    examples: &["man > aemp.1"],
    takes: Takes::Exactly(0),
    prepare: |_, _| {
        Ok(Some(Box::new(|_| {
            let mut page = Vec::new();
            write(&mut page)?;
            output::write(&String::from_utf8_lossy(&page))
        })))
    },
};

fn write(page: &mut Vec<u8>) -> io::Result<()> {
    let options = clap_mangen::Man::new(options::command());
    options.render_title(page)?;
    options.render_name_section(page)?;
    options.render_synopsis_section(page)?;
    options.render_description_section(page)?;
    options.render_options_section(page)?;
    writeln!(page, ".SH COMMANDS")?;
    for command in TABLE {
        entry(page, command.name, command.arguments, command.about)?;
        for example in command.examples {
            writeln!(page, ".br\n{}", plain(&format!("aemp {example}")))?;
        }
    }
    writeln!(page, ".SH KEYS")?;
    writeln!(
        page,
        "Each has the commands setKEY, or KEY alone, and delKEY."
    )?;
    for key in Key::ALL {
        entry(page, key.name(), set::arguments(key), set::about(key))?;
    }
    writeln!(page, ".SH CHAINS, FILES AND EXIT CODES\n.nf")?;
    for line in AFTER.lines() {
        writeln!(page, "{}", plain(line))?;
    }
    writeln!(page, ".fi")
}

fn entry(page: &mut Vec<u8>, name: &str, arguments: &str, about: &str) -> io::Result<()> {
    let (name, arguments, about) = (plain(name), plain(arguments), plain(about));
    writeln!(page, ".TP\n\\fB{name}\\fR {arguments}\n{about}")
}

/// `text` so that roff takes none of it for a request of its own.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    // A line that begins with one of these would be a request.
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}
