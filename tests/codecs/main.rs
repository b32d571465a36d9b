//! Both codecs, and those that go by way of values: against each other, against the libraries that do the same, at every split of the stream, at the
//! edges of the limits, and with what Perl nodes sent.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../../examples/codec_msgpack.rs"]
#[allow(dead_code, reason = "of the example, this is about the format alone")]
mod codec_msgpack;
mod conversions;
mod faulty_formats;
mod formats;
mod limits;
mod matrix;
mod perl;
mod perl_recorded;
mod perl_values;
mod properties;
mod shapes;
mod support;
mod transcripts;
