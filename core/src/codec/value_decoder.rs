//! `ValueDecoder`: finds the messages of a [`ValueFormat`] in a stream by their heads, and checks the limits.

use std::sync::Arc;

use aemp_proto::codec::MAX_SCAN_DEPTH;

use super::{
    Begins, DecodeError, Decoder, Envelope, Found, Head, Limits, Position, Scanned, Scanner, Step,
    Tokenizer, ValueFormat,
};
use crate::message::Values;
use crate::{Message, PortName, Text, Value, guard};

/// The decoder of [`ValueCodec`](super::ValueCodec).
pub(super) struct ValueDecoder {
    heads: FormatHeads,
    scanner: Scanner<FormatHeads>,
    /// The length of the current message, if the format has a length prefix.
    message_len: Option<usize>,
    limits: Limits,
    codec: Text,
    /// The message that was found last, until it is taken.
    received: Option<Envelope>,
}

impl ValueDecoder {
    pub(super) fn new(format: Arc<dyn ValueFormat>, codec: Text, limits: &Limits) -> Self {
        let heads = FormatHeads(format);
        let mut limits = limits.clone();
        limits.depth = limits.depth.min(MAX_SCAN_DEPTH);
        Self {
            scanner: Scanner::new(heads.clone(), &limits, &codec),
            heads,
            message_len: None,
            limits,
            codec,
            received: None,
        }
    }

    /// Reads the message at the beginning of `src`, if it is complete. The format's functions may panic.
    fn first(&mut self, src: &[u8]) -> Result<Scanned, DecodeError> {
        self.received = None;
        let scanned = self.end(src)?;
        if let Scanned::Message(len) = scanned {
            self.received = self.read(&src[..len])?;
        }
        Ok(scanned)
    }

    /// Finds the end of the message at the beginning of `src`.
    fn end(&mut self, src: &[u8]) -> Result<Scanned, DecodeError> {
        if self.message_len.is_none() && !self.scanner.is_inside() {
            let head = self.heads.first(src).map_err(|what| self.malformed(what))?;
            match head {
                None | Some(Head::Array(..)) => {}
                Some(Head::Message(len)) if len <= self.limits.message_size => {
                    self.message_len = Some(len);
                }
                Some(Head::Message(_)) => {
                    return Err(DecodeError::too_large(&self.limits));
                }
                // Refused by its head, since its end may be far away.
                Some(_) => return Err(self.malformed("a message is an array".into())),
            }
        }
        let Some(len) = self.message_len else {
            return self.scanner.scan(src);
        };
        if src.len() < len {
            return Ok(Scanned::Need(len - src.len()));
        }
        self.message_len = None;
        Ok(Scanned::Message(len))
    }

    /// The port and the elements of a message; `None` for an empty array, a keepalive.
    fn read(&self, bytes: &[u8]) -> Result<Option<Envelope>, DecodeError> {
        let message = self.heads.0.read(bytes);
        let message = message.map_err(|error| self.malformed(error.to_string()))?;
        let Value::Array(elements) = message else {
            return Err(self.malformed("a message is an array".into()));
        };
        let mut items = 0;
        for element in &elements {
            if let Err(error) = self.check_limits(element, 1, &mut items) {
                drop_iteratively(elements.into_vec());
                return Err(error);
            }
        }
        let mut elements = elements.into_iter();
        let port = match elements.next() {
            None => return Ok(None),
            Some(Value::Text(port)) => PortName::from(&*port),
            Some(_) => return Err(self.malformed("the name of the port is no text".into())),
        };
        let message = Message::from(elements.collect::<Values>());
        Ok(Some(Envelope::new(port, message)))
    }

    /// Counts the values in `value`, which is at nesting level `depth`, and checks the limits: the format may read other
    /// values than its heads have shown. The recursion is limited by the depth limit.
    fn check_limits(
        &self,
        value: &Value,
        depth: usize,
        items: &mut usize,
    ) -> Result<(), DecodeError> {
        *items += 1;
        if *items > self.limits.items {
            return Err(DecodeError::too_many_items(&self.limits));
        }
        let nests = matches!(value, Value::Array(_) | Value::Map(_) | Value::Tag(..));
        if nests && depth >= self.limits.depth {
            return Err(DecodeError::too_deep(&self.limits));
        }
        match value {
            Value::Array(items_of) => {
                for item in items_of {
                    self.check_limits(item, depth + 1, items)?;
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    self.check_limits(key, depth + 1, items)?;
                    self.check_limits(value, depth + 1, items)?;
                }
            }
            Value::Tag(_, content) => self.check_limits(content, depth + 1, items)?,
            _ => {}
        }
        Ok(())
    }

    #[cold]
    fn malformed(&self, what: String) -> DecodeError {
        DecodeError::malformed(0, what, self.codec.clone())
    }
}

impl Decoder for ValueDecoder {
    fn find<'a>(&'a mut self, src: &'a [u8]) -> Result<Found<'a>, DecodeError> {
        if src.is_empty() {
            return Ok(Found::Need { used: 0, more: 0 });
        }
        let first = guard::run(|| self.first(src))
            .unwrap_or_else(|panic| Err(self.malformed(format!("a panic: {panic}"))))?;
        let used = match first {
            Scanned::Need(more) => return Ok(Found::Need { used: 0, more }),
            Scanned::Message(len) => len,
        };
        let received = &mut self.received;
        Ok(match received {
            Some(_) => Found::Decoded { used, received },
            None => Found::Keepalive { used },
        })
    }
}

/// Drops values without recursion, since they may nest deeper than the stack allows.
fn drop_iteratively(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::Array(items) => values.extend(items),
            Value::Map(map) => map.into_iter().for_each(|(key, value)| {
                values.extend([key, value]);
            }),
            Value::Tag(_, content) => values.push(*content),
            _ => {}
        }
    }
}

/// The heads of a format. Reading a head has constant cost, and each head has at least one byte.
#[derive(Clone)]
struct FormatHeads(Arc<dyn ValueFormat>);

impl FormatHeads {
    #[inline]
    fn first(&self, bytes: &[u8]) -> Result<Option<Head>, String> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let shown = &bytes[..bytes.len().min(Head::MAX_LEN)];
        let head = self.0.head(shown).map_err(|error| error.to_string())?;
        match head {
            None if shown.len() == Head::MAX_LEN => {
                Err(format!("no head ends within {} bytes", Head::MAX_LEN))
            }
            Some(
                Head::Message(0)
                | Head::Scalar(0)
                | Head::Array(0, _)
                | Head::Map(0, _)
                | Head::Tag(0)
                | Head::End(0),
            ) => Err("a head without bytes".into()),
            head => Ok(head),
        }
    }
}

impl Tokenizer for FormatHeads {
    fn begins(&self, _: u8) -> Begins {
        Begins::Message
    }

    fn head(&mut self, bytes: &[u8], _: Position) -> Result<Step, (usize, String)> {
        let Some(head) = self.first(bytes).map_err(|what| (0, what))? else {
            return Ok(Step::Need(1));
        };
        let (len, step) = match head {
            Head::Message(_) => return Err((0, "a message in a message".into())),
            Head::Scalar(len) => (len, Step::Scalar(len)),
            Head::Array(len, items) => (len, Step::Array(len, items)),
            Head::Map(len, pairs) => (len, Step::Map(len, pairs)),
            Head::Tag(len) => (len, Step::Tag(len)),
            Head::End(len) => (len, Step::End(len)),
        };
        Ok(match len.checked_sub(bytes.len()) {
            None | Some(0) => step,
            Some(more) => Step::Need(more),
        })
    }

    fn scalars(&mut self, bytes: &[u8], _: Position, most: usize) -> (usize, usize) {
        let (mut at, mut scalars) = (0, 0);
        while scalars < most
            && let Ok(Some(Head::Scalar(len))) = self.first(&bytes[at..])
            && len <= bytes.len() - at
        {
            at += len;
            scalars += 1;
        }
        (at, scalars)
    }
}
