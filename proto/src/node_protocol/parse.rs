//! Parsing requests.

use super::words::Word;
use super::{ALIVE, TraceContext};
use crate::message::Outgoing;
use crate::message::{Message, RawMessage, skip_elements};
use crate::reason::abridged;
use crate::text::latin1;
use crate::value::{IntoIter, Values};
use crate::{PortId, PortName, Reason, Text, Value};

/// A request with its arguments.
#[derive(Debug)]
pub enum Request {
    /// A request without effect: the empty request, `devnull`, or a request that lacks its port or number.
    Nothing,
    /// `mon1 NAME`: watch a port of ours for the sender.
    Watch(PortName),
    /// `mon0 NAME`: end a watch.
    Unwatch(PortName),
    /// `kil0 NAME REASON`: a port of the sender has died.
    Died(PortName, Reason),
    /// `kil1 NAME REASON`: kill a port of ours.
    Kill(PortName, Reason),
    /// `snd PORTID elements`: relay a message.
    Relay(PortId, Elements),
    /// `can NAME PORTID elements`: answer whether this node knows a request or function.
    Can(Text, Option<Reply>),
    /// `time PORTID elements`: answer with the time.
    Time {
        /// Where the answer goes.
        reply: Option<Reply>,
        /// Whether the request is a liveness probe of a node of this project.
        is_probe: bool,
    },
    /// `eval SOURCE PORTID elements`: answer with the result of the source.
    Eval(Text, Option<Reply>),
    /// `AnyEvent::MP::_spawn NAME INIT arguments`: start a port.
    Spawn {
        /// The port's name.
        port: PortName,
        /// The function that starts the port.
        function: Text,
        /// The function's arguments.
        arguments: Elements,
    },
    /// The answer to our probe with this number; see [`ALIVE`].
    Alive(u64),
    /// The trace of the next message of this connection; see [`TRACE`](super::TRACE).
    Trace(Box<TraceContext>),
    /// A request of the directory, with its name.
    Directory(Text, IntoIter),
    /// Any other request: a call of the function with this name.
    Call(Text, Elements),
}

/// Why a request cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// `snd` has no port ID.
    #[error("a relay request without a port ID")]
    Relay,
    /// `AnyEvent::MP::_spawn` lacks an argument.
    #[error("a spawn request without name or function")]
    Spawn,
    /// `kil1` names the node port. An AnyEvent::MP node without its node port handles no more requests.
    #[error("refused to kill the node port")]
    KillsNode,
    /// The arguments of [`TRACE`](super::TRACE) are not a `traceparent` and a `tracestate`.
    #[error("a trace context that is not one")]
    Trace,
}

/// Elements that are taken from a request.
#[derive(Debug)]
pub struct Elements {
    values: Values,
    /// The received form, if the sender is a Perl node: types that are parsed from it get the conversions for such
    /// nodes.
    wire: Option<RawMessage>,
}

/// Where the answer to a request goes: a port, and the elements that precede the answer.
#[derive(Debug)]
pub struct Reply {
    to: PortId,
    elements: Values,
}

impl Request {
    /// Parses a request from its elements. `wire` is the received form, if the sender is a Perl node.
    ///
    /// # Errors
    /// If a required argument is missing.
    pub fn parse(values: Values, wire: Option<RawMessage>) -> Result<Self, Malformed> {
        let is_probe = matches!(&values[..], [_, _, word, _] if word.as_str() == Some(ALIVE));
        let mut arguments = Arguments {
            values: values.into_iter(),
            taken: 0,
            wire,
        };
        // A message without elements counts as the empty request.
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
                Some(port) if !port.is_node_port() || faulty!(NodePortKilled) => {
                    Self::Kill(port, arguments.reason())
                }
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
            Word::Trace => Self::Trace(Box::new(arguments.context().ok_or(Malformed::Trace)?)),
        })
    }
}

impl Elements {
    /// Elements without a received form.
    pub fn of(values: Values) -> Self {
        Self { values, wire: None }
    }

    /// The elements as values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The elements to be encoded.
    pub fn outgoing(&self) -> Outgoing<'_> {
        match &self.wire {
            Some(wire) => Outgoing::Wire(wire),
            None => Outgoing::Values(&self.values),
        }
    }

    /// The elements as a message for a port or a function.
    pub fn into_message(self) -> Message {
        match self.wire {
            Some(wire) => wire.into(),
            None => self.values.into(),
        }
    }
}

impl Reply {
    /// The port that gets the answer, and the message with `answer`.
    pub fn with(self, answer: impl IntoIterator<Item = Value>) -> (PortId, Values) {
        let mut elements = self.elements;
        elements.extend(answer);
        (self.to, elements)
    }
}

/// The arguments of a request, which are taken one by one.
struct Arguments {
    values: IntoIter,
    /// The number of elements that are taken.
    taken: usize,
    wire: Option<RawMessage>,
}

impl Arguments {
    fn next(&mut self) -> Option<Value> {
        self.taken += 1;
        self.values.next()
    }

    /// The next argument as a text. Numbers, and bytes of a Perl node, are converted, as AnyEvent::MP does not
    /// distinguish them.
    fn text(&mut self) -> Option<Text> {
        match self.next()? {
            Value::Text(text) => Some(text),
            Value::Integer(n) => Some(n.to_string().into()),
            Value::Bytes(bytes) if self.wire.is_some() => Some(latin1(&bytes).into()),
            _ => None,
        }
    }

    /// A `traceparent`, and a `tracestate` if there is more.
    fn context(mut self) -> Option<TraceContext> {
        let parent = self.text()?;
        let state = match self.values.len() {
            0 => Text::default(),
            1 => self.text()?,
            _ => return None,
        };
        TraceContext::parse(&parent, &state)
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

    /// The remaining arguments.
    fn rest(self) -> Elements {
        let wire = self
            .wire
            .and_then(|wire| skip_elements(wire, self.taken).ok());
        let values = self.values.collect();
        Elements { values, wire }
    }

    /// The remaining arguments as the target of an answer. Without a port ID the sender wants no answer.
    fn reply(mut self) -> Option<Reply> {
        let to = self.port_id()?;
        let elements = self.values.collect();
        Some(Reply { to, elements })
    }

    /// The remaining arguments as a reason, shortened like our own reasons, because it is sent to all watchers of the
    /// port. Bytes of a Perl node become text, because people read reasons.
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
