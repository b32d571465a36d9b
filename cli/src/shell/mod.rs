//! `shell`: a network is joined once, and commands are read and done one after the other, while what happens meanwhile is
//! printed.
//!
//! `run` is the loop. `words` and `command` say what a line means, `work` does it, and `say` has the words for what comes of
//! it. `input` reads lines on a thread of its own, where `completion`, `names` and `history` help the one who types.

mod command;
mod completion;
mod history;
mod input;
mod names;
mod run;
mod say;
mod words;
mod work;

pub(crate) use run::run;
