//! The errors of nodes.

mod connect;
mod start;

use std::fmt::{self, Display};
use std::io;
use std::time::Duration;

use crate::ParseAddressError;
use crate::codec::EncodeError;
use crate::handshake::SecretError;
use crate::id::ParseIdError;
use crate::message::ParseError;
use crate::value::IntegerRangeError;
use crate::{Address, ConvertError, Excerpt, PortId, PortName, Reason, Report, Text};

pub use connect::ConnectError;
pub use start::StartError;

/// `Result` with this crate's [`Error`].
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error of this library, for programs that only propagate it. `?` makes it of the errors that the calls of a program
/// return, and [`Error::other`] of any other.
///
/// `Debug` shows the text and its sources, as [`Report`] does, since that is what Rust prints of an error that `main`
/// returns:
///
/// ```no_run
/// #[tokio::main]
/// async fn main() -> aemp::Result<()> {
///     // Error: cannot listen on pigeon:loft: no transport for scheme "pigeon", this node has ["tcp"]
///     let node = aemp::LocalNode::builder().bind("pigeon:loft").start().await?;
///     Ok(())
/// }
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A message was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A call was not answered.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The elements of a message do not have the requested types.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A text is no valid node ID or port ID.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// A text is no valid address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// An operation of the directory failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The node could not connect to its seeds.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// A port did not get its name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A child was not added to a supervisor, or not removed from it.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// This node has no connection to another one.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A message cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A value cannot be converted to the type of another library.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// An integer does not fit the type.
    #[error(transparent)]
    IntegerRange(#[from] IntegerRangeError),
    /// A secret is not valid.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An error of another crate, such as one of the configuration file or of a codec, or of the program itself.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Makes an `Error` of any other one, or of a text.
    ///
    /// ```
    /// fn limit() -> aemp::Result<u32> {
    ///     let text = std::fs::read_to_string("/proc/sys/kernel/pid_max")?;
    ///     text.trim().parse().map_err(aemp::Error::other)
    /// }
    /// # limit().ok();
    /// ```
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

/// The one error of others that most programs have in their `main` as well.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::other(error)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&Report(self), f)
    }
}

/// Why a port did not get the name that it was to have. The port was not created.
///
/// ```
/// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
/// use aemp::error::NameError;
/// match node.port_named("log", |_, message| println!("{message:?}")) {
///     Ok(port) => println!("{port} is new"),
///     Err(NameError::Taken { .. }) => println!("somebody logs already"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// A live port of the node has the name.
    #[error("a port of this node is called {:?}, and is alive", Excerpt(name))]
    #[non_exhaustive]
    Taken {
        /// The name.
        name: PortName,
    },
    /// The name is empty, which is the name of the node port.
    #[error("a port needs a name, and this one is empty: the empty name is that of the node port")]
    Empty,
}

/// Why a child was not added to a supervisor, or not removed from it.
///
/// ```
/// # async fn example(pool: aemp::Supervisor) -> aemp::Result<()> {
/// use aemp::error::ChildError;
/// match pool.remove("worker 7").await {
///     Ok(()) => println!("it has ended"),
///     Err(ChildError::Unknown { name, .. }) => println!("there is no {name}"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// Another child of the supervisor has the name.
    #[error("a child of this supervisor is called {:?}", Excerpt(name))]
    #[non_exhaustive]
    NameInUse {
        /// The name.
        name: Text,
    },
    /// No child of the supervisor has the name.
    #[error("no child of this supervisor is called {:?}", Excerpt(name))]
    #[non_exhaustive]
    Unknown {
        /// The name.
        name: Text,
    },
    /// The supervisor has ended, and its children with it.
    #[error("the supervisor has ended")]
    Ended,
}

/// Why a message was not sent. Other messages are not affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message cannot be encoded.
    #[error("message to {:?} not sent", Excerpt(to))]
    #[non_exhaustive]
    Encode {
        /// The receiver.
        to: PortId,
        /// The error, with the path to the element.
        #[source]
        error: EncodeError,
    },
    /// So much waits for the ports of this node that there is no room for the message
    /// ([`Config::local_limit`](crate::Config::local_limit)). [`ready`](crate::LocalNode::ready) waits until there is.
    #[error(
        "message to {:?} not sent: more than {limit} bytes wait for the ports of this node (local_limit)",
        Excerpt(to)
    )]
    #[non_exhaustive]
    NoRoom {
        /// The receiver.
        to: PortId,
        /// The limit.
        limit: usize,
    },
    /// The text that names the port is no port ID.
    #[error("message to {:?} not sent", Excerpt(to))]
    #[non_exhaustive]
    NoPortId {
        /// The text.
        to: String,
        /// What is wrong with it.
        #[source]
        error: ParseIdError,
    },
}

impl SendError {
    pub(crate) fn no_port_id(to: &impl Display, error: ParseIdError) -> Self {
        let to = to.to_string();
        Self::NoPortId { to, error }
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The message was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No answer came within the limit of the call, or within [`Config::call_timeout`](crate::Config::call_timeout).
    #[error("{:?} did not answer within {limit:?}", Excerpt(to))]
    #[non_exhaustive]
    TimedOut {
        /// The called port.
        to: PortId,
        /// The limit.
        limit: Duration,
    },
    /// The port died, or messages to it or from it may have been lost.
    #[error("{:?} cannot answer: {}", Excerpt(to), Excerpt(reason))]
    #[non_exhaustive]
    Gone {
        /// The called port.
        to: PortId,
        /// The reason that the monitor on the port received.
        reason: Reason,
    },
    /// The answer does not have the requested type.
    #[error("the answer of {:?} does not fit", Excerpt(to))]
    #[non_exhaustive]
    Answer {
        /// The called port.
        to: PortId,
        /// The error of parsing the answer.
        #[source]
        error: ParseError,
    },
}

/// The failure at one of a node's seeds, none of which is connected; from
/// [`joined`](crate::LocalNode::joined). [`ConnectError`] has an example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(alias = "JoinError")]
#[non_exhaustive]
pub struct SeedError {
    /// This node.
    pub node: Text,
    /// The address of the seed.
    pub address: Address,
    /// Why it is not connected. Boxed, so that a `Result` stays small.
    pub error: Box<ConnectError>,
}

impl Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, address, .. } = self;
        write!(f, "node {node:?} could not join through {address}")
    }
}

// By hand, since the source that thiserror returns would be the box.
impl std::error::Error for SeedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}

/// The node has stopped: it was shut down, a part of it failed, or its runtime was dropped. What waits for a change at
/// a node returns it, so that a loop ends by `?` or `while let Ok(..)`.
///
/// ```
/// # async fn example(node: aemp::LocalNode, meter: aemp::PortId) -> aemp::Result<()> {
/// use aemp::error::Stopped;
/// async fn produce(node: aemp::LocalNode, meter: aemp::PortId) -> Result<(), Stopped> {
///     for n in 0.. {
///         node.send(&meter, ("measured", n));
///         node.ready(meter.node()).await?;
///     }
///     Ok(())
/// }
/// # Ok(produce(node, meter).await?)
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Why an operation of the directory failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The name is not valid for a family.
    #[error(
        "{family:?} is no family: its name has letters, digits, _ and :, and begins with a letter"
    )]
    #[non_exhaustive]
    Family {
        /// The name.
        family: String,
    },
    /// JSON cannot carry the value, so JSON peers of the network could not receive it.
    #[error(
        "{key:?} of family {family:?} not set: the directory holds what JSON can carry, and this has {what}"
    )]
    #[non_exhaustive]
    Value {
        /// The family.
        family: Text,
        /// The key.
        key: Text,
        /// The offending element, and its path.
        what: String,
    },
    /// Key and value are too large.
    #[error(
        "{key:?} of family {family:?} not set: it has {bytes} bytes, of at most {limit} (directory.entry)"
    )]
    #[non_exhaustive]
    TooLarge {
        /// The family.
        family: Text,
        /// The key.
        key: Text,
        /// The approximate size of both.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The value cannot be serialized.
    #[error("{key:?} of family {family:?} not set")]
    #[non_exhaustive]
    Serialize {
        /// The family.
        family: Text,
        /// The key.
        key: Text,
        /// The error, with the path to the element.
        #[source]
        error: EncodeError,
    },
    /// No answer came in time.
    #[error("no answer about family {family:?} within {limit:?}: {why}")]
    #[non_exhaustive]
    TimedOut {
        /// The family.
        family: Text,
        /// The limit.
        limit: Duration,
        /// The likely cause.
        why: String,
    },
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The group has no members.
    #[error("group {group:?} has no members")]
    #[non_exhaustive]
    Empty {
        /// The group.
        group: Text,
    },
    /// This node can reach none of the group's members; see [`Members::unreachable`](crate::Members::unreachable).
    #[error(
        "no member of group {group:?} can be reached: {members} listen nowhere and have no connection to this node"
    )]
    #[non_exhaustive]
    Unreachable {
        /// The group.
        group: Text,
        /// The number of its members.
        members: usize,
    },
    /// A message to a member was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_repeats_its_source_and_a_report_has_both_once() {
        let io = || io::Error::from(io::ErrorKind::PermissionDenied);
        let to = || "n#p".parse::<PortId>().unwrap();
        let no_id = || "a b#p".parse::<PortId>().unwrap_err();
        let encode = || EncodeError::serialize("no");
        let parse = crate::message::to_values(&("tag", 1)).unwrap();
        let parse = crate::Message::from(parse).parse::<(u8, u8)>().unwrap_err();
        let encode_error = SendError::Encode {
            to: to(),
            error: encode(),
        };
        let address = || "carrier:pigeon".parse::<Address>().unwrap();
        let errors: [Error; 11] = [
            encode_error.into(),
            SendError::no_port_id(&"a b#p", no_id()).into(),
            CallError::Answer {
                to: to(),
                error: parse,
            }
            .into(),
            DirectoryError::Serialize {
                family: "f".into(),
                key: "k".into(),
                error: encode(),
            }
            .into(),
            StartError::Certificate(io().into()).into(),
            StartError::Listen {
                address: "here".into(),
                error: io(),
            }
            .into(),
            StartError::Entropy(io()).into(),
            StartError::ReadProfile(io().into()).into(),
            SeedError {
                node: "n".into(),
                address: address(),
                error: ConnectError::no_transport(&address(), vec!["tcp".into()]).into(),
            }
            .into(),
            ConnectError::Broken(io().into()).into(),
            ConnectError::Tls {
                node: "n".parse().unwrap(),
                error: io().into(),
            }
            .into(),
        ];
        for error in errors {
            let source = std::error::Error::source(&error).expect("it has a source");
            let (text, source) = (error.to_string(), source.to_string());
            assert!(!text.contains(&source), "{text}");
            assert_eq!(Report(&error).to_string(), format!("{text}: {source}"));
            assert_eq!(format!("{error:?}"), format!("{text}: {source}"));
        }
    }
}
