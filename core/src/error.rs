//! What can go wrong for a program that uses nodes.

use std::io;
use std::time::Duration;

use crate::ParseAddressError;
use crate::codec::EncodeError;
use crate::handshake::SecretError;
use crate::id::ParseIdError;
use crate::message::ParseError;
use crate::{Excerpt, PortId, Reason, Text};

/// `Result` with this crate's [`Error`].
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Any error of this crate, for programs that only pass it on.
#[derive(Debug, thiserror::Error)]
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
    /// A message's elements are not what was asked for.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A text is no node ID or port ID.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// A text is no address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// The directory did not do what it was asked for.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// No connection.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The node ID is none.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// A bind or seed is no address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// A codec was chosen that this node does not have.
    #[error(
        "there is no codec {name:?}: this node has {known:?}; enable the feature, or add the codec"
    )]
    UnknownCodec {
        /// The wanted name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The node has no codec at all , so that it could talk to nobody.
    #[error("the node has no codec: enable the feature json or cbor, or add one")]
    NoCodec,
    /// Without a secret nobody can be authenticated.
    #[error(
        "binds and seeds need a secret: AEMP authenticates every connection; give all nodes of the network the same"
    )]
    NoSecret,
    /// The secret is too short.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An address could not be bound.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address as given.
        address: String,
        /// What the transport said.
        #[source]
        error: io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system has no source of random bytes: {0}")]
    Entropy(String),
    /// The configuration is wrong: what its source says. `aemp-profile` has a `ProfileError`.
    #[error(transparent)]
    Profile(Box<dyn std::error::Error + Send + Sync>),
    /// The configuration cannot be read.
    #[error("the configuration cannot be had: {0}")]
    ReadProfile(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A profile was named, or a value of a configuration given, and nothing says where profiles are and what keys mean.
    #[error(
        "a profile was named or a value given, and this node has no configuration file: enable the feature profile of aemp, \
         or give the builder a source of profiles"
    )]
    NoProfiles,
    /// The configuration asks for something that this version does not have.
    #[error("{key} is configured, and cannot be had: {why}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// What is missing, and what to do.
        why: &'static str,
    },
    /// The configuration names a service that this program does not have.
    #[error("this program has no service {name:?}{}; services are what it registers", nearest.as_ref().map(|name| format!(", did you mean {name:?}")).unwrap_or_default())]
    UnknownService {
        /// Its name.
        name: String,
        /// The registered one that is most like it.
        nearest: Option<String>,
    },
    /// A service did not start.
    #[error("the service {name:?} did not start: {reason}")]
    Service {
        /// Its name.
        name: String,
        /// What it said.
        reason: Reason,
    },
    /// A time of the configuration is too short to work with.
    #[error("{key} is {time:?}, and has to be {least:?} at least")]
    TooShort {
        /// The setting.
        key: &'static str,
        /// What it is.
        time: Duration,
        /// The least that it may be.
        least: Duration,
    },
    /// The tokio runtime has no timers, without which nothing would ever be given up.
    #[error("the tokio runtime has no timers: build it with enable_time or enable_all")]
    NoTimers,
    /// There is no tokio runtime to run on.
    #[error("a node is started inside a tokio runtime, and there is none here")]
    NoRuntime,
}

/// Why a message was not sent. Nothing else is disturbed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It cannot be encoded.
    #[error("message to {:?} not sent: {error}", Excerpt(to))]
    Encode {
        /// Where it was to go.
        to: PortId,
        /// Which element is the matter.
        #[source]
        error: EncodeError,
    },
}

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The message was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No answer came in time.
    #[error("{:?} did not answer within {limit:?}", Excerpt(to))]
    TimedOut {
        /// Who was called.
        to: PortId,
        /// The limit.
        limit: Duration,
    },
    /// The port died, or messages to it or from it may have been lost.
    #[error("{:?} cannot answer: {}", Excerpt(to), Excerpt(reason))]
    Gone {
        /// Who was called.
        to: PortId,
        /// What a monitor on it was told.
        reason: Reason,
    },
    /// The answer is not of the type that was asked for.
    #[error("the answer of {:?} does not fit: {error}", Excerpt(to))]
    Answer {
        /// Who was called.
        to: PortId,
        /// What is the matter with it.
        #[source]
        error: ParseError,
    },
}

/// Why a node has no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node {node:?} could not join through {address}: {text}")]
pub struct JoinError {
    /// This node.
    pub node: Text,
    /// The address that was tried.
    pub address: String,
    /// What happened.
    pub text: String,
}

/// Why the directory did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The name is none that a family can have.
    #[error(
        "{family:?} is no family: its name has letters, digits, _ and :, and begins with a letter"
    )]
    Family {
        /// The name.
        family: String,
    },
    /// The value is not what JSON can carry: every JSON peer of the network would miss it.
    #[error(
        "{key:?} of family {family:?} not set: the directory holds what JSON can carry, and this has {what}"
    )]
    Value {
        /// The family.
        family: Text,
        /// The key.
        key: Text,
        /// What is the matter, and where.
        what: String,
    },
    /// Key and value are too large.
    #[error(
        "{key:?} of family {family:?} not set: it has {bytes} bytes, of at most {limit} (directory.entry)"
    )]
    TooLarge {
        /// The family.
        family: Text,
        /// The key.
        key: Text,
        /// The size of both, about.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The value does not serialise.
    #[error("{key:?} of family {family:?} not set: {error}")]
    Serialize {
        /// The family.
        family: Text,
        /// The key.
        key: Text,
        /// What serde said.
        error: EncodeError,
    },
    /// No answer came in time.
    #[error("no answer about family {family:?} within {limit:?}: {why}")]
    TimedOut {
        /// The family.
        family: Text,
        /// The limit.
        limit: Duration,
        /// What is known about why.
        why: String,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
    /// Nobody is in the group.
    #[error("group {group:?} has no members")]
    Empty {
        /// The group.
        group: Text,
    },
    /// None of the group's members can be reached from here: see [`Members::unreachable`](crate::Members::unreachable).
    #[error(
        "no member of group {group:?} can be reached: {members} listen nowhere and have no connection to this node"
    )]
    Unreachable {
        /// The group.
        group: Text,
        /// How many members it has.
        members: usize,
    },
    /// A message to a member was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
}
