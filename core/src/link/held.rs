//! `Held`: questions of a peer whose answers wait until the peer takes what is queued for it.
//!
//! A question costs its sender some bytes and this node up to megabytes for the answer. So no answer is made while the
//! asker's queue is above its high-water mark; the question waits. The peer's other messages go on. Where too many
//! questions wait, the link stops reading, which slows the asker down; but two nodes that ask each other could wait
//! for each other like that, so where the peer takes nothing either, questions are refused.

use std::collections::VecDeque;

use aemp_proto::message::cost_of_message;

use crate::Message;

/// Questions that one link holds.
const MOST: usize = 1024;

/// Bytes of the questions that one link holds, by [`Message::cost`]: no more are taken once it is reached.
const MOST_BYTES: usize = 256 << 10;

/// Bytes of a question that is held at all: ordinary ones take some hundred.
const LARGEST: usize = 8 << 10;

#[derive(Default)]
pub(crate) struct Held {
    questions: VecDeque<Message>,
    bytes: usize,
    refusing: bool,
    behind: bool,
}

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    fn is_full(&self) -> bool {
        self.questions.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// Whether nothing more of the peer is to be read until a question was answered, or the directory has caught up.
    pub(crate) fn blocks(&self) -> bool {
        self.is_behind() || self.is_full() && !self.refusing
    }

    /// Whether the directory is not done with what the peer has asked it.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Lets all that comes from the peer wait for the directory, or no longer.
    pub(crate) fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    /// From now until a question is answered, those for which there is no room are refused.
    pub(crate) fn refuse(&mut self) {
        self.refusing = true;
    }

    /// Holds a question. False if there is no room.
    pub(crate) fn push(&mut self, question: Message) -> bool {
        let bytes = cost_of_message(&question);
        if self.is_full() || bytes > LARGEST {
            return false;
        }
        self.bytes += bytes;
        self.questions.push_back(question);
        true
    }

    /// The question that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let question = self.questions.pop_front()?;
        self.bytes -= cost_of_message(&question);
        self.refusing = false;
        Some(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: impl Into<crate::Value>) -> Message {
        Message::from_iter([text.into()])
    }

    #[test]
    fn what_is_held_is_bounded_and_comes_in_order() {
        let mut held = Held::default();
        for n in 0..MOST as u64 {
            assert!(!held.blocks());
            assert!(held.push(question(n)));
        }
        assert!(held.blocks());
        assert!(!held.push(question("more")));
        held.refuse();
        assert!(!held.blocks());
        assert!(!held.push(question("more")));
        for n in 0..MOST as u64 {
            assert_eq!(held.pop().unwrap().parse::<(u64,)>().unwrap(), (n,));
        }
        assert!(held.is_empty() && held.bytes == 0);
        assert!(!held.push(question("x".repeat(LARGEST))));
        while !held.blocks() {
            assert!(held.push(question("x".repeat(LARGEST / 2))));
        }
        assert!(held.bytes < MOST_BYTES + LARGEST);
    }
}
