//! What the shell prints: answers and what happens meanwhile, in diagnostic notation; or with `--json` an object in a line
//! for each, whose first key says what it is.

use aemp::directory::Change;
use aemp::{Map, PortId, Reason, Text, Value};

use crate::show;

/// What happens without being asked for at that moment.
#[derive(Debug)]
pub(super) enum Event {
    /// A message to the shell's own port.
    Message(Vec<Value>),
    /// A monitor has fired.
    Gone(PortId, Reason),
    /// A watched family has changed.
    Changed(Text, Change),
}

pub(super) struct Say {
    pub(super) json: bool,
}

/// What a command has to say.
pub(super) enum Answer {
    Nothing,
    Short(String),
    /// What may be longer than the screen.
    Long(String),
    /// Nothing more: the shell ends.
    Last,
}

impl Say {
    /// A line, or an object with that key.
    pub(super) fn short(&self, key: &str, json: impl Into<Value>, text: &str) -> Answer {
        Answer::Short(match self.json {
            true => object([(key, json.into())]),
            false => format!("{text}\n"),
        })
    }

    /// Lines, or an object with that key.
    pub(super) fn long(&self, key: &str, json: impl Into<Value>, text: String) -> Answer {
        match self.json {
            true => Answer::Short(object([(key, json.into())])),
            false => Answer::Long(text),
        }
    }

    /// What has happened.
    pub(super) fn event(&self, event: &Event) -> String {
        match event {
            Event::Message(elements) if self.json => {
                object([("message", elements.to_vec().into())])
            }
            Event::Message(elements) => format!("message {}\n", show::notation(elements)),
            Event::Gone(port, reason) if self.json => object([
                ("gone", port.into()),
                ("reason", reason.values().to_vec().into()),
            ]),
            Event::Gone(port, reason) => {
                format!("{port} is gone: {}\n", show::notation(reason.values()))
            }
            Event::Changed(family, change) => self.change(family, change),
        }
    }

    fn change(&self, family: &Text, change: &Change) -> String {
        if self.json {
            let deleted = change.deleted.iter().cloned().map(Value::from);
            return object([
                ("family", family.clone().into()),
                (
                    "set",
                    change.set.clone().into_iter().collect::<Map>().into(),
                ),
                ("deleted", deleted.collect::<Vec<_>>().into()),
            ]);
        }
        let gone = change.deleted.iter();
        let gone = gone.map(|key| format!("{family} - {key}\n"));
        let set = change.set.iter();
        let set = set.map(|(key, value)| format!("{family} + {key}  {value}\n"));
        gone.chain(set).collect()
    }
}

fn object<const N: usize>(pairs: [(&str, Value); N]) -> String {
    format!("{}\n", show::json(&Map::from_iter(pairs).into(), false))
}
