//! `Arguments`: what a handler of `Routes::answer` takes, and the reply port behind it in the message.

use serde::de::{DeserializeOwned, Error};

use crate::message::{Message, ParseError};
use crate::{PortId, ReplyTo};

/// The arguments of [`Routes::answer`](crate::Routes::answer): a tuple of up to eleven fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the arguments of an answering handler",
    label = "not a tuple of types that implement `Deserialize`",
    note = "`answer` takes a tuple of the elements between the tag and the reply port: `|cx, (n,): (i64,)| ..`, or `|cx, ()| ..` for none"
)]
pub trait Arguments: sealed::Sealed + Sized {
    /// Parses the elements after the tag: the arguments, and the reply port.
    #[doc(hidden)]
    fn with_reply<R>(message: Message) -> Result<(Self, ReplyTo<R>), ParseError>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! arguments {
    () => {};
    ($first:ident $($rest:ident)*) => {
        arguments!($($rest)*);
        impl<$first: DeserializeOwned, $($rest: DeserializeOwned),*> sealed::Sealed for ($first, $($rest,)*) {}

        impl<$first: DeserializeOwned, $($rest: DeserializeOwned),*> Arguments for ($first, $($rest,)*) {
            fn with_reply<R>(message: Message) -> Result<(Self, ReplyTo<R>), ParseError> {
                #[allow(non_snake_case)]
                let ($first, $($rest,)* reply) = message.parse_args::<($first, $($rest,)* PortId)>()?;
                Ok((($first, $($rest,)*), checked(reply)?))
            }
        }
    };
}

arguments!(A B C D E F G H I J K);

impl sealed::Sealed for () {}

impl Arguments for () {
    fn with_reply<R>(message: Message) -> Result<(Self, ReplyTo<R>), ParseError> {
        let (reply,) = message.parse_args::<(PortId,)>()?;
        Ok(((), checked(reply)?))
    }
}

/// The port that an answer may go to. To a node port it would be a request of this node, in the words of its sender.
fn checked<R>(reply: PortId) -> Result<ReplyTo<R>, ParseError> {
    match reply.port().is_node_port() {
        true => Err(Error::custom("the reply port is a node port")),
        false => Ok(ReplyTo::new(reply)),
    }
}
