//! `Pool`: messages on their way to ports of the same node, as the Rust values that they are.

use std::any::Any;
use std::collections::VecDeque;

use crate::Message;
use crate::codec::EncodeError;
use crate::guard;
use crate::message::IntoMessage;

/// Values of one type, in the order in which they were sent.
pub(crate) trait Pool: Any + Send {
    fn len(&self) -> usize;

    /// Bytes of memory that the pool holds, without what its values point to.
    fn memory(&self) -> usize;

    /// Serializes the first value for a port of untyped messages, and removes it. `None` if the pool is empty.
    fn next_message(&mut self) -> Option<Result<Message, EncodeError>>;

    /// Drops the first `count` values, whose destructors may be the program's code.
    fn discard(&mut self, count: usize);
}

impl<M: IntoMessage + Send + 'static> Pool for VecDeque<M> {
    fn len(&self) -> usize {
        self.len()
    }

    fn memory(&self) -> usize {
        self.capacity() * size_of::<M>()
    }

    fn next_message(&mut self) -> Option<Result<Message, EncodeError>> {
        let first = self.front()?;
        // Not the fault of the port that is about to get it.
        let values = guard::run(|| first.outgoing().to_values());
        self.discard(1);
        let values = values.unwrap_or_else(|panic| {
            let text = format!("its `Serialize` panicked: {panic}");
            Err(EncodeError::serialize(text))
        });
        Some(values.map(Message::from))
    }

    fn discard(&mut self, count: usize) {
        guard::dispose_all(self.drain(..count));
    }
}

impl dyn Pool {
    /// The values, if they are of type `M`.
    #[inline]
    pub(crate) fn of<M: 'static>(&mut self) -> Option<&mut VecDeque<M>> {
        let any: &mut dyn Any = self;
        any.downcast_mut()
    }
}
