//! `TraceContext`: the trace to which a message belongs, and its request.

use std::fmt::{self, Write};

use super::TRACE;
use crate::value::Values;
use crate::{Text, Value};

/// The trace to which a message belongs: what W3C Trace Context calls `traceparent` and `tracestate`.
///
/// A node sends it to a peer in a request of its own (`aemp::trace TRACEPARENT TRACESTATE`), directly before the message.
/// The text is that of version 00 in the form that W3C prescribes, `00-TRACE-PARENT-FLAGS` in lower-case hexadecimal digits;
/// anything else is no context.
///
/// ```
/// use aemp::trace::TraceContext;
/// let context = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1").expect("a context");
/// assert_eq!(context.trace_id(), 0x4bf92f3577b34da6a3ce929d0e0e4736);
/// assert_eq!((context.span_id(), context.flags(), context.state()), (0x00f067aa0ba902b7, 1, "vendor=1"));
/// assert_eq!(context.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    flags: u8,
    state: Text,
}

impl TraceContext {
    /// The most bytes of a `tracestate`, which is what W3C asks everyone to pass on.
    pub const MAX_STATE: usize = 512;

    /// The context of the span `span_id` in the trace `trace_id`, with the flags of W3C (1: sampled) and without a
    /// `tracestate`. `None` if an ID is 0, which stands for no ID.
    pub fn new(trace_id: u128, span_id: u64, flags: u8) -> Option<Self> {
        let state = Text::default();
        (trace_id != 0 && span_id != 0).then_some(Self {
            trace_id,
            span_id,
            flags,
            state,
        })
    }

    /// The context in its text form: a `traceparent` and a `tracestate`, which may be empty. `None` if the
    /// `traceparent` is not well-formed. A `tracestate` of more than [`MAX_STATE`](Self::MAX_STATE) bytes, or of others than
    /// printable ASCII, is left off, as W3C has it.
    pub fn parse(traceparent: &str, tracestate: &str) -> Option<Self> {
        let mut fields = traceparent.split('-');
        let mut next = |digits| {
            let field = fields.next()?;
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            (field.len() == digits && field.bytes().all(is_hex)).then_some(field)
        };
        if next(2)? != "00" {
            return None;
        }
        let trace_id = u128::from_str_radix(next(32)?, 16).ok()?;
        let span_id = u64::from_str_radix(next(16)?, 16).ok()?;
        let flags = u8::from_str_radix(next(2)?, 16).ok()?;
        if fields.next().is_some() {
            return None;
        }
        let context = Self::new(trace_id, span_id, flags)?;
        Some(context.with_state(tracestate))
    }

    /// The same context with this `tracestate`; without one if it could not be sent (see [`parse`](Self::parse)).
    pub fn with_state(mut self, tracestate: &str) -> Self {
        let state = if is_state(tracestate) { tracestate } else { "" };
        self.state = state.into();
        self
    }

    /// The ID of the trace; not 0.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The ID of the span in which the message was sent; not 0. It is the parent of the span in which it is handled.
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// The flags of W3C. 1: the trace is recorded (sampled).
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// The `tracestate`, which only its vendors read; empty if there is none.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The bytes that it takes in memory, for limits.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.state.len()
    }

    /// The request that precedes the message.
    pub fn to_request(&self) -> Values {
        let mut parent = String::with_capacity(55);
        // Writing to a string never fails.
        let _ = write!(parent, "{self}");
        let state = (!self.state.is_empty()).then(|| Value::from(self.state.clone()));
        [Value::from(TRACE), parent.into()]
            .into_iter()
            .chain(state)
            .collect()
    }
}

/// The `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            flags,
            ..
        } = self;
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

fn is_state(text: &str) -> bool {
    text.len() <= TraceContext::MAX_STATE && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::super::{Malformed, Request};
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_written_as_it_is_read() {
        let longest = "x".repeat(TraceContext::MAX_STATE);
        for state in ["", "a=1,b@c=2", &longest] {
            let context = TraceContext::parse(PARENT, state).unwrap();
            assert_eq!((&*context.to_string(), context.state()), (PARENT, state));
            let request = Request::parse(context.to_request(), None).unwrap();
            assert!(matches!(request, Request::Trace(parsed) if *parsed == context));
        }
        let least = TraceContext::new(1, 1, 0).unwrap().to_string();
        assert_eq!(
            least,
            "00-00000000000000000000000000000001-0000000000000001-00"
        );
        assert!(TraceContext::parse(&least, "").is_some());
    }

    #[test]
    fn whatever_is_not_exactly_a_context_is_none() {
        let long = "x".repeat(TraceContext::MAX_STATE + 1);
        for (parent, state) in [
            ("", ""),
            (&PARENT[1..], ""),
            (&PARENT[..54], ""),
            (&format!("{PARENT}-"), ""),
            (&format!("{PARENT}-00"), ""),
            (&format!("{PARENT} "), ""),
            (&PARENT.replace("00-", "01-"), ""),
            (&PARENT.replace("00-", "ff-"), ""),
            (&PARENT.replace('-', "_"), ""),
            (&PARENT.to_uppercase(), ""),
            (&PARENT.replace("4bf", "+bf"), ""),
            (&PARENT.replace("4bf9", "4b\u{e9}"), ""),
            (
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                "",
            ),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                "",
            ),
        ] {
            assert_eq!(TraceContext::parse(parent, state), None, "{parent} {state}");
        }
        // The state is its vendors' alone: without it the trace goes on.
        for state in [&*long, "a=\u{e9}", "a=1\n"] {
            let context = TraceContext::parse(PARENT, state);
            assert_eq!(context, TraceContext::parse(PARENT, ""), "{state}");
            assert!(context.is_some());
        }
        assert_eq!(TraceContext::new(0, 1, 0), None);
        assert_eq!(TraceContext::new(1, 0, 0), None);
    }

    #[test]
    fn a_state_that_cannot_be_sent_is_left_off() {
        let context = TraceContext::new(1, 2, 3).unwrap();
        let long = "x".repeat(TraceContext::MAX_STATE + 1);
        assert_eq!(context.clone().with_state(&long), context);
        assert_eq!(context.clone().with_state("\t"), context);
    }

    #[test]
    fn a_request_with_other_arguments_is_malformed() {
        let requests: [&[Value]; 5] = [
            &[TRACE.into()],
            &[TRACE.into(), 1.into()],
            &[TRACE.into(), "".into()],
            &[TRACE.into(), PARENT.into(), 1.5.into()],
            &[TRACE.into(), PARENT.into(), "".into(), "".into()],
        ];
        for request in requests {
            let parsed = Request::parse(request.iter().cloned().collect(), None);
            assert_eq!(parsed.unwrap_err(), Malformed::Trace, "{request:?}");
        }
    }
}
