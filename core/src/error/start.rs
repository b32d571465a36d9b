//! `StartError`: why a node did not start.

use std::io;
use std::time::Duration;

use crate::handshake::SecretError;
use crate::{ParseAddressError, ParseIdError, Reason};

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The node ID is not valid.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// A bind or seed is no valid address.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// A selected codec does not exist in this node.
    #[error(
        "there is no codec {name:?}: this node has {known:?}; {}",
        nearest.as_ref().map_or_else(|| "enable the feature, or add the codec".into(), |name| format!("did you mean {name:?}?"))
    )]
    #[non_exhaustive]
    UnknownCodec {
        /// The selected name.
        name: String,
        /// The most similar of the existing names.
        nearest: Option<String>,
        /// The names of the existing codecs.
        known: Vec<String>,
    },
    /// The node has no codec, so it could not communicate.
    #[error("the node has no codec: enable the feature json or cbor, or add one")]
    NoCodec,
    /// The node has binds, seeds or peers, but neither secret nor certificate to authenticate with.
    #[error(
        "binds and seeds need a secret or a certificate: AEMP authenticates every connection; give all nodes of the \
         network the same"
    )]
    NoSecret,
    /// The certificate cannot be used. Holds the error of its reader; that of `aemp-tls` is a `PemError`.
    #[error("the certificate cannot be used")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The secret is too short.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An address could not be bound.
    #[error("cannot listen on {address}")]
    #[non_exhaustive]
    Listen {
        /// The address as given.
        address: String,
        /// The error of the transport.
        #[source]
        error: io::Error,
    },
    /// Nothing can be connected to at the address of a seed.
    #[error("no seed can be at {address}")]
    #[non_exhaustive]
    Seed {
        /// The address as given.
        address: String,
        /// The error of the transport, or that there is none.
        #[source]
        error: io::Error,
    },
    /// No peer can connect to an address that the node is to advertise.
    #[error("no peer can reach this node at {address}")]
    #[non_exhaustive]
    Advertise {
        /// The address as given.
        address: String,
        /// The error of the transport, or that there is none.
        #[source]
        error: io::Error,
    },
    /// The system has no source of random bytes.
    #[error("the system has no source of random bytes")]
    Entropy(#[source] io::Error),
    /// The configuration is wrong. Holds the error of its source; that of `aemp-profile` is a `ProfileError`.
    #[error(transparent)]
    Profile(Box<dyn std::error::Error + Send + Sync>),
    /// The configuration cannot be read.
    #[error("the configuration cannot be had")]
    ReadProfile(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A profile or a value of a configuration was set, but the node has no source of profiles.
    #[error(
        "a profile was named or a value given, and this node has no configuration file: enable the feature profile of aemp, \
         or give the builder a source of profiles"
    )]
    NoProfiles,
    /// The configuration needs a feature that this version does not have.
    #[error("{key} is configured, and cannot be had: {why}")]
    #[non_exhaustive]
    Unsupported {
        /// The key.
        key: &'static str,
        /// The missing feature, and what to do.
        why: &'static str,
    },
    /// The configuration names a service that this program does not have.
    #[error("this program has no service {name:?}{}; services are what it registers", nearest.as_ref().map(|name| format!(", did you mean {name:?}")).unwrap_or_default())]
    #[non_exhaustive]
    UnknownService {
        /// Its name.
        name: String,
        /// The most similar registered name.
        nearest: Option<String>,
    },
    /// A service did not start.
    #[error("the service {name:?} did not start: {reason}")]
    #[non_exhaustive]
    Service {
        /// Its name.
        name: String,
        /// Its error.
        reason: Reason,
    },
    /// A time of the configuration is too short.
    #[error("{key} is {time:?}, and has to be {least:?} at least")]
    #[non_exhaustive]
    TooShort {
        /// The setting.
        key: &'static str,
        /// Its value.
        time: Duration,
        /// Its minimum.
        least: Duration,
    },
    /// The tokio runtime has no timers, which all timeouts need.
    #[error("the tokio runtime has no timers: build it with enable_time or enable_all")]
    NoTimers,
    /// The node was not started inside a tokio runtime.
    #[error("a node is started inside a tokio runtime, and there is none here")]
    NoRuntime,
}
