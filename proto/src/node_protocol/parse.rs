//! Requests as they come in.

use super::ALIVE;
use super::words::Word;
use crate::message::Outgoing;
use crate::message::{Message, Wire, without};
use crate::reason::abridged;
use crate::text::latin1;
use crate::value::{IntoIter, Values};
use crate::{PortId, PortName, Reason, Text, Value};

/// A request with its arguments.
#[derive(Debug)]
pub enum Request {
    /// Is ignored: the empty request, and one of those that need a port or a number and have none.
    Nothing,
    /// `mon1 NAME`: the sender watches a port of ours.
    Watch(PortName),
    /// `mon0 NAME`: it takes that back.
    Unwatch(PortName),
    /// `kil0 NAME REASON`: a port of the sender has died.
    Died(PortName, Reason),
    /// `kil1 NAME REASON`: a port of ours is to die.
    Kill(PortName, Reason),
    /// `snd PORTID elements`: a message is to be passed on.
    Relay(PortId, Elements),
    /// `can NAME PORTID elements`: whether that request or function is known here.
    Can(Text, Option<Reply>),
    /// `time PORTID elements`: what time it is.
    Time {
        /// Where the answer goes.
        reply: Option<Reply>,
        /// The sender asks for a sign of life.
        is_probe: bool,
    },
    /// `eval SOURCE PORTID elements`: the result of that source.
    Eval(Text, Option<Reply>),
    /// `AnyEvent::MP::_spawn NAME INIT arguments`: a port is to be started.
    Spawn {
        /// The port's name.
        port: PortName,
        /// The function that starts it.
        function: Text,
        /// The function's arguments.
        arguments: Elements,
    },
    /// The answer to our question of this number; see [`ALIVE`].
    Alive(u64),
    /// A request of the directory, of this name.
    Directory(Text, IntoIter),
    /// Any other: a call of the function of this name.
    Call(Text, Elements),
}

/// Why a request cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// `snd` names no port.
    #[error("a relay request without a port ID")]
    Relay,
    /// `AnyEvent::MP::_spawn` lacks an argument.
    #[error("a spawn request without name or function")]
    Spawn,
    /// `kil1` names the node port. Killing that would deafen an AnyEvent::MP node.
    #[error("refused to kill the node port")]
    KillsNode,
}

/// Elements of a message.
#[derive(Debug)]
pub struct Elements {
    values: Values,
    /// The same as a Perl node has sent them, if one has: types that are read from that get what the node means.
    wire: Option<Wire>,
}

/// Where the answer to a question goes: a port, and the elements in front of the answer.
#[derive(Debug)]
pub struct Reply {
    to: PortId,
    elements: Values,
}

impl Request {
    /// Parses a request: its elements, and the same as a Perl node has sent them if one has.
    ///
    /// # Errors
    /// Where an argument is missing that the request cannot do without.
    pub fn parse(values: Values, wire: Option<Wire>) -> Result<Self, Malformed> {
        let is_probe = matches!(&values[..], [_, _, word, _] if word.as_str() == Some(ALIVE));
        let mut arguments = Arguments {
            values: values.into_iter(),
            taken: 0,
            wire,
        };
        // A message without elements has no request: ignored like the empty one.
        let name = arguments.text().unwrap_or_default();
        let Some(word) = Word::named(&name) else {
            return Ok(match name.starts_with("g_") {
                true => Self::Directory(name, arguments.values),
                false => Self::Call(name, arguments.rest()),
            });
        };
        Ok(match word {
            Word::Nothing => Self::Nothing,
            Word::Watch => arguments.port().map_or(Self::Nothing, Self::Watch),
            Word::Unwatch => arguments.port().map_or(Self::Nothing, Self::Unwatch),
            Word::Died => match arguments.port() {
                Some(port) => Self::Died(port, arguments.reason()),
                None => Self::Nothing,
            },
            Word::Kill => match arguments.port() {
                Some(port) if !port.is_node_port() => Self::Kill(port, arguments.reason()),
                _ => return Err(Malformed::KillsNode),
            },
            Word::Relay => {
                let to = arguments.port_id().ok_or(Malformed::Relay)?;
                Self::Relay(to, arguments.rest())
            }
            Word::Can => {
                let name = arguments.text().unwrap_or_default();
                Self::Can(name, arguments.reply())
            }
            Word::Time => Self::Time {
                reply: arguments.reply(),
                is_probe,
            },
            Word::Eval => {
                let source = arguments.text().unwrap_or_default();
                Self::Eval(source, arguments.reply())
            }
            Word::Spawn => Self::Spawn {
                port: arguments.port().ok_or(Malformed::Spawn)?,
                function: arguments.text().ok_or(Malformed::Spawn)?,
                arguments: arguments.rest(),
            },
            Word::Alive => arguments.number().map_or(Self::Nothing, Self::Alive),
        })
    }
}

impl Elements {
    /// Elements that no Perl node has sent.
    pub fn of(values: Values) -> Self {
        Self { values, wire: None }
    }

    /// The elements as values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The elements as a message to be encoded.
    pub fn outgoing(&self) -> Outgoing<'_> {
        match &self.wire {
            Some(wire) => Outgoing::Wire(wire),
            None => Outgoing::Values(&self.values),
        }
    }

    /// The elements as the message that a port or a function gets.
    pub fn into_message(self) -> Message {
        match self.wire {
            Some(wire) => wire.into(),
            None => self.values.into(),
        }
    }
}

impl Reply {
    /// The port that the answer goes to, and the message with `answer`.
    pub fn with(self, answer: impl IntoIterator<Item = Value>) -> (PortId, Values) {
        let mut elements = self.elements;
        elements.extend(answer);
        (self.to, elements)
    }
}

/// The arguments of a request, taken from the front.
struct Arguments {
    values: IntoIter,
    /// How many elements of the message were taken.
    taken: usize,
    wire: Option<Wire>,
}

impl Arguments {
    fn next(&mut self) -> Option<Value> {
        self.taken += 1;
        self.values.next()
    }

    /// The next one as a text. Numbers count, and bytes of a Perl node: AnyEvent::MP makes no difference.
    fn text(&mut self) -> Option<Text> {
        match self.next()? {
            Value::Text(text) => Some(text),
            Value::Integer(n) => Some(n.to_string().into()),
            Value::Bytes(bytes) if self.wire.is_some() => Some(latin1(&bytes).into()),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.next()?.as_u64()
    }

    fn port(&mut self) -> Option<PortName> {
        self.text().map(PortName::from)
    }

    fn port_id(&mut self) -> Option<PortId> {
        self.text()?.parse().ok()
    }

    /// All that is left.
    fn rest(self) -> Elements {
        let wire = self.wire.and_then(|wire| without(wire, self.taken).ok());
        let values = self.values.collect();
        Elements { values, wire }
    }

    /// All that is left as a place for an answer. Without a port ID nobody wants it.
    fn reply(mut self) -> Option<Reply> {
        let to = self.port_id()?;
        let elements = self.values.collect();
        Some(Reply { to, elements })
    }

    /// All that is left as a reason, which is told to all who watch the port: no more of it than this node would say
    /// itself. People read it, so bytes of a Perl node are text.
    fn reason(self) -> Reason {
        let is_perl = self.wire.is_some();
        let text = |value| match value {
            Value::Bytes(bytes) if is_perl => Value::from(latin1(&bytes)),
            other => other,
        };
        abridged(&self.values.map(text).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<const N: usize>(elements: [Value; N]) -> Result<Request, Malformed> {
        Request::parse(elements.into_iter().collect(), None)
    }

    #[test]
    fn what_needs_a_port_and_has_none_is_ignored_or_refused() {
        for word in ["", "devnull", "mon1", "mon0", "kil0", ALIVE] {
            assert!(
                matches!(parse([word.into()]), Ok(Request::Nothing)),
                "{word}"
            );
        }
        assert!(matches!(parse([]), Ok(Request::Nothing)));
        assert_eq!(parse(["snd".into()]).unwrap_err(), Malformed::Relay);
        let kill = parse(["kil1".into(), "".into(), "die".into()]);
        assert_eq!(kill.unwrap_err(), Malformed::KillsNode);
        let spawn = parse(["AnyEvent::MP::_spawn".into(), "p".into()]);
        assert_eq!(spawn.unwrap_err(), Malformed::Spawn);
    }

    #[test]
    fn what_is_written_is_parsed() {
        let port = PortName::from("p");
        let reason = Reason::die("of it");
        let parsed = |values| Request::parse(values, None).unwrap();
        assert!(matches!(parsed(super::super::mon1(&port)), Request::Watch(p) if p == port));
        assert!(matches!(parsed(super::super::mon0(&port)), Request::Unwatch(p) if p == port));
        let died = parsed(super::super::kil0(&port, &reason));
        assert!(matches!(died, Request::Died(p, r) if p == port && r == reason));
        let kill = parsed(super::super::kil1(&port, &reason));
        assert!(matches!(kill, Request::Kill(p, r) if p == port && r == reason));
        let us = "us".parse().unwrap();
        let Request::Time { reply, is_probe } = parsed(super::super::time(&us, 7)) else {
            panic!("it asks for the time");
        };
        let (to, answer) = reply.unwrap().with([Value::from(1.5)]);
        assert!(is_probe && to == PortId::from(us));
        assert!(matches!(parsed(answer), Request::Alive(7)));
    }

    #[test]
    fn a_number_is_a_text_as_in_perl() {
        assert!(
            matches!(parse(["mon1".into(), 5.into()]), Ok(Request::Watch(p)) if p.as_str() == "5")
        );
        assert!(matches!(parse([5.into()]), Ok(Request::Call(name, _)) if name == "5"));
    }
}
