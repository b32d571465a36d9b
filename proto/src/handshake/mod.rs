//! The handshake of a connection, its *opening*, as a state machine ([protocol.md section 2]): it takes the peer's bytes,
//! and returns bytes to write and a result.
//!
//! It has no socket, no task, no clock and no source of randomness. The driver passes a nonce and the received bytes,
//! writes the returned bytes, and enforces one deadline for the whole opening. Each state is a type, and a transition
//! consumes it.
//!
//! ```text
//! Opening ─start─▶ AwaitGreeting ─receive─▶ Greeted ┬ Plain ───────────────▶ Ready
//!                                                   └ Tls: AwaitTls ─secured─▶ ┘
//! Ready ─authenticate─▶ AwaitAuth ─receive─▶ Verified ─finish─▶ Established
//! ```
//!
//! Both ends go through the same states. They differ in when they send their auth line, which proves the secret: a
//! dialer gets it from `authenticate`, an acceptor from `finish`, after it has verified the peer. A driver that holds
//! a connection back (see [`rivals`]) waits before that call, and keeps the peer's bytes in its buffer.
//!
//! `receive` returns the number of bytes that it has consumed, and never consumes more than its lines: TLS may follow
//! the nonce line, and messages may follow the auth line.
//!
//! A complete opening of both ends without a network:
//!
//! ```
//! use aemp::handshake::{Greeted, HandshakeError, Nonce, Opening, Progress, Role, Secret, Settings};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = |node: &str, framings: &[&str]| -> Result<_, Box<dyn std::error::Error>> {
//!     let mut settings = Settings::new(node.parse()?);
//!     settings.secret = Some(Secret::from_text("a secret of 16 bytes or more", 16)?);
//!     settings.framings = framings.iter().map(|&name| name.into()).collect();
//!     Ok(std::sync::Arc::new(settings))
//! };
//! let client = Opening::new(settings("client", &["cbor", "json"])?, Role::Dialer, Nonce::new([1; 32]));
//! let server = Opening::new(settings("server", &["json"])?, Role::Acceptor, Nonce::new([2; 32]));
//!
//! // Both ends write their greeting at once.
//! let (client, from_client) = client.start()?;
//! let (server, from_server) = server.start()?;
//! let (used, Progress::Done(Greeted::Plain(client))) = client.receive(&from_server)? else { panic!() };
//! assert_eq!(used, from_server.len());
//! let (_, Progress::Done(Greeted::Plain(server))) = server.receive(&from_client)? else { panic!() };
//! assert_eq!(server.peer().node().as_str(), "client");
//!
//! // The dialer sends its auth line first.
//! let (client, from_client) = client.authenticate();
//! let (server, from_server) = server.authenticate();
//! assert!(from_server.is_empty());
//! let (_, Progress::Done(server)) = server.receive(&from_client)? else { panic!() };
//! let (server, from_server) = server.finish();
//! let (_, Progress::Done(client)) = client.receive(&from_server)? else { panic!() };
//! let (client, rest) = client.finish();
//! assert!(rest.is_empty());
//!
//! assert_eq!((client.sends(), client.receives()), ("json", "json"));
//! assert_eq!(server.peer().node().as_str(), "client");
//! # Ok(())
//! # }
//! ```
//!
//! [protocol.md section 2]: crate::protocol#2-opening-a-connection

mod auth;
mod awaiting;
mod checks;
mod error;
mod greeting;
mod line;
pub mod rivals;
mod secret;
mod settings;
mod states;

pub use auth::{AuthMethod, ParseAuthMethodError};
pub use awaiting::Awaiting;
pub use error::{HandshakeError, Stage};
pub use greeting::Peer;
pub use line::{Line, MAX_LINE};
pub use secret::{Secret, SecretError, secret_text};
pub use settings::{Nonce, Opening, Role, Settings, Tls};
pub use states::{
    AwaitAuth, AwaitGreeting, AwaitTls, Established, Greeted, Progress, Ready, TlsRole, Verified,
};

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod tests;
