//! The commands of the shell, and a line as one of them.

use aemp::profile::nearest;
use aemp::{NodeId, PortId, Text, Value};

use super::words::{Word, words, wrong};
use crate::arguments;
use crate::failure::{Failure, meant};

/// What a line says to do.
#[derive(Debug, PartialEq)]
pub(super) enum Command {
    Send(PortId, Vec<Value>),
    Call(PortId, Vec<Value>),
    Monitor(PortId),
    Spawn(NodeId, Text, Vec<Value>),
    Watch(Text),
    Unwatch(Text),
    Own,
    Nodes,
    Families,
    Family(Text),
    Ports(NodeId),
    Help,
    Quit,
}

/// What an argument is, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    Port,
    Node,
    Function,
    Family,
    Watched,
}

/// A command for people.
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// What AnyEvent::MP calls it, or the command line, or other shells.
    pub(super) alias: Option<&'static str>,
    pub(super) arguments: &'static str,
    pub(super) about: &'static str,
    /// What its first arguments are.
    pub(super) expects: &'static [Expects],
    read: fn(&mut Arguments<'_>) -> Result<Command, Failure>,
}

/// All of them, in the order of the help.
pub(super) const TABLE: &[Entry] = &[
    Entry {
        name: "send",
        alias: Some("snd"),
        arguments: "PORT [VALUE]...",
        about: "Send a message, and wait until the port's node has it",
        expects: &[Expects::Port],
        read: |words| Ok(Command::Send(words.port()?, words.values())),
    },
    Entry {
        name: "call",
        alias: Some("cal"),
        arguments: "PORT [VALUE]...",
        about: "Send a message with a place for the answer, and print that",
        expects: &[Expects::Port],
        read: |words| Ok(Command::Call(words.port()?, words.values())),
    },
    Entry {
        name: "monitor",
        alias: Some("mon"),
        arguments: "PORT",
        about: "Tell when a port is gone, and why",
        expects: &[Expects::Port],
        read: |words| Ok(Command::Monitor(words.port()?)),
    },
    Entry {
        name: "spawn",
        alias: None,
        arguments: "NODE FUNCTION [VALUE]...",
        about: "Run a function that a node offers as a new port there, print its ID, and tell when it is gone",
        expects: &[Expects::Node, Expects::Function],
        read: |words| {
            let (node, function) = (words.node()?, words.text("a function's name")?);
            Ok(Command::Spawn(node, function, words.values()))
        },
    },
    Entry {
        name: "watch",
        alias: None,
        arguments: "FAMILY",
        about: "Print what is in a family of the directory, and how it changes",
        expects: &[Expects::Family],
        read: |words| Ok(Command::Watch(words.text("a family")?)),
    },
    Entry {
        name: "unwatch",
        alias: None,
        arguments: "FAMILY",
        about: "Watch a family no longer",
        expects: &[Expects::Watched],
        read: |words| Ok(Command::Unwatch(words.text("a family")?)),
    },
    Entry {
        name: "self",
        alias: None,
        arguments: "",
        about: "Print the ID of the shell's own port; messages to it are printed as they come",
        expects: &[],
        read: |_| Ok(Command::Own),
    },
    Entry {
        name: "nodes",
        alias: None,
        arguments: "",
        about: "Print the nodes that are known, where they listen, and which of them are connected",
        expects: &[],
        read: |_| Ok(Command::Nodes),
    },
    Entry {
        name: "directory",
        alias: Some("families"),
        arguments: "[FAMILY]",
        about: "Print what is in a family; without FAMILY which families there are",
        expects: &[Expects::Family],
        read: |words| match words.left.is_empty() {
            true => Ok(Command::Families),
            false => Ok(Command::Family(words.text("a family")?)),
        },
    },
    Entry {
        name: "ports",
        alias: Some("ps"),
        arguments: "NODE",
        about: "Print the ports of a node",
        expects: &[Expects::Node],
        read: |words| Ok(Command::Ports(words.node()?)),
    },
    Entry {
        name: "help",
        alias: None,
        arguments: "",
        about: "List the commands",
        expects: &[],
        read: |_| Ok(Command::Help),
    },
    Entry {
        name: "quit",
        alias: Some("exit"),
        arguments: "",
        about: "Leave, as Ctrl-D does",
        expects: &[],
        read: |_| Ok(Command::Quit),
    },
];

/// The command of that name or alias.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    TABLE
        .iter()
        .find(|entry| entry.name == name || entry.alias == Some(name))
}

/// All names and aliases.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .flat_map(|entry| [Some(entry.name), entry.alias])
        .flatten()
}

/// What a line says to do; `None` for an empty one and for a comment, which begins with `# ` or is `#`. In a shell about the node `here`, `.` is that node and `#NAME` a port of
/// it.
pub(super) fn parse(line: &str, here: Option<&NodeId>) -> Result<Option<Command>, Failure> {
    if matches!(line.split_whitespace().next(), Some("#")) {
        return Ok(None);
    }
    let mut words = words(line)?.into_iter();
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let name = first.value.as_str().unwrap_or_default();
    let entry = find(name).ok_or_else(|| {
        let nearest = meant(nearest(name, names()));
        wrong(
            first.column,
            &format!("there is no command {name:?}{nearest}; \"help\" lists them"),
        )
    })?;
    let mut arguments = Arguments {
        left: words.collect(),
        end: line.trim_end().chars().count() + 1,
        entry,
        here,
    };
    let command = (entry.read)(&mut arguments)?;
    match arguments.left.first() {
        Some(word) => Err(wrong(
            word.column,
            &format!("{name} takes no more than {}", entry.usage()),
        )),
        None => Ok(Some(command)),
    }
}

impl Entry {
    fn usage(&self) -> &'static str {
        match self.arguments {
            "" => "its name",
            arguments => arguments,
        }
    }
}

/// The words behind a command's name, from the front.
struct Arguments<'a> {
    left: Vec<Word>,
    /// The column behind the line.
    end: usize,
    entry: &'static Entry,
    here: Option<&'a NodeId>,
}

impl Arguments<'_> {
    fn next(&mut self) -> Result<Word, Failure> {
        if self.left.is_empty() {
            let Entry {
                name, arguments, ..
            } = self.entry;
            return Err(wrong(
                self.end,
                &format!("{name} takes {arguments}, and the line ends before that"),
            ));
        }
        Ok(self.left.remove(0))
    }

    /// The next word as what `read` finds in a value.
    fn one<T>(&mut self, read: impl FnOnce(&[Value]) -> Result<T, Failure>) -> Result<T, Failure> {
        let word = self.next()?;
        read(&[word.value]).map_err(|error| wrong(word.column, &error.to_string()))
    }

    fn port(&mut self) -> Result<PortId, Failure> {
        let here = self.here;
        self.one(|values| match (values[0].as_str(), here) {
            (Some("."), Some(here)) => Ok(here.clone().into()),
            (Some("#"), Some(_)) => Err(Failure::Usage(
                "a port has a name behind its #; the node itself is \".\"".into(),
            )),
            (Some(name), Some(here)) if name.starts_with('#') => Ok(here.port(&name[1..])),
            _ => arguments::port(values),
        })
    }

    fn node(&mut self) -> Result<NodeId, Failure> {
        let here = self.here;
        self.one(|values| match (values[0].as_str(), here) {
            (Some("."), Some(here)) => Ok(here.clone()),
            _ => arguments::node(values),
        })
    }

    fn text(&mut self, what: &str) -> Result<Text, Failure> {
        self.one(|values| arguments::text(values, 0, what))
    }

    fn values(&mut self) -> Vec<Value> {
        let all = self.left.drain(..);
        all.map(|word| word.value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        parse(line, None).unwrap_err().to_string()
    }

    #[test]
    fn a_line_is_a_command_under_either_name() {
        let port: PortId = "worker#echo".parse().unwrap();
        for name in ["call", "cal"] {
            assert_eq!(
                parse(&format!("{name} worker#echo hi 7"), None).unwrap(),
                Some(Command::Call(port.clone(), vec!["hi".into(), 7.into()]))
            );
        }
        let node: NodeId = "worker".parse().unwrap();
        assert_eq!(
            parse("mon worker", None).unwrap(),
            Some(Command::Monitor(node.clone().into()))
        );
        assert_eq!(
            parse("spawn worker my::port {}", None).unwrap(),
            Some(Command::Spawn(
                node,
                "my::port".into(),
                vec![aemp::Map::new().into()]
            ))
        );
        for name in ["quit", "exit"] {
            assert_eq!(parse(name, None).unwrap(), Some(Command::Quit));
        }
        assert_eq!(parse("families", None).unwrap(), Some(Command::Families));
        assert_eq!(
            parse("directory 'l", None).unwrap(),
            Some(Command::Family("'l".into()))
        );
        for empty in ["  ", "# a comment", "#"] {
            assert_eq!(parse(empty, None).unwrap(), None);
        }
    }

    #[test]
    fn a_shell_about_a_node_knows_it_by_a_dot() {
        let here: NodeId = "worker".parse().unwrap();
        let parse = |line| parse(line, Some(&here)).unwrap().unwrap();
        assert_eq!(parse("ports ."), Command::Ports(here.clone()));
        assert_eq!(parse("ps seed"), Command::Ports("seed".parse().unwrap()));
        assert_eq!(parse("mon ."), Command::Monitor(here.clone().into()));
        let echo = "worker#echo".parse().unwrap();
        assert_eq!(parse("call #echo ."), Command::Call(echo, vec![".".into()]));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_with_its_column() {
        assert_eq!(
            error("  moniter x"),
            "column 3: there is no command \"moniter\"; did you mean \"monitor\"?; \"help\" lists them"
        );
        assert_eq!(
            error("call "),
            "column 5: call takes PORT [VALUE]..., and the line ends before that"
        );
        assert_eq!(
            error("call \"no port\" 1"),
            "column 6: \"no port\" is no port ID, which is NODE#PORT"
        );
        assert_eq!(
            error("call 7"),
            "column 6: a port ID is a text, and 7 is none"
        );
        assert_eq!(
            error("watch a b"),
            "column 9: watch takes no more than FAMILY"
        );
        for name in ["quit", "exit"] {
            assert_eq!(
                error(&format!("{name} now")),
                format!("column 6: {name} takes no more than its name")
            );
        }
    }
}
