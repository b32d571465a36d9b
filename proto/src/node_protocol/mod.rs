//! The node protocol: writing and parsing the requests that nodes send to each other's node port ([protocol.md section
//! 5]). Requests whose names begin with `g_` belong to the [`directory`](crate::directory).
//!
//! [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol

mod parse;
mod trace;
mod words;
mod write;

pub use parse::{Elements, Malformed, Reply, Request};
pub use trace::TraceContext;
pub use words::{ALIVE, TRACE, causes_sending, is_question, is_word};
pub use write::{echo, kil0, kil1, mon0, mon1, target_port, time};
