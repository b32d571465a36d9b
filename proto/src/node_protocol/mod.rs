//! The node protocol: the requests that nodes send to each other's node port (protocol.md section 5), as they go out
//! and as they come in. Those of the directory, whose words begin with `g_`, are in [`directory`](crate::directory).

mod parse;
mod words;
mod write;

pub use parse::{Elements, Malformed, Reply, Request};
pub use words::{ALIVE, causes_sending, is_question, is_word};
pub use write::{about, echo, kil0, kil1, mon0, mon1, time};
