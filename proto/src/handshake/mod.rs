//! The opening of a connection as a state machine: bytes in, bytes and a verdict out (protocol.md section 2).
//!
//! It knows no socket, no task, no clock and no source of randomness: the driver (`link`) gives it the bytes
//! that arrive and a nonce, writes what it returns, and keeps the one deadline of the whole opening. Each state
//! is a type, and a transition consumes it.
//!
//! ```text
//! Opening ─start─▶ AwaitGreeting ─receive─▶ Greeted ┬ Plain ───────────────▶ Ready
//!                                                   └ Tls: AwaitTls ─secured─▶ ┘
//! Ready ─authenticate─▶ AwaitAuth ─receive─▶ Verified ─finish─▶ Established
//! ```
//!
//! Both ends go the same way. What differs is when our auth line, our proof of the secret, goes out: a
//! dialler's comes from `authenticate`, an acceptor's from `finish`, when the peer has proved itself. A driver
//! that holds a connection back (see [`rivals`]) waits before that call; what the peer sends meanwhile stays in
//! the driver's buffer.
//!
//! `receive` says how many bytes it used and never takes more than its lines: what follows the nonce line may
//! be TLS, what follows the auth line may be messages.
//!
//! A whole opening, both ends, without a network:
//!
//! ```
//! use aemp_proto::handshake::{Greeted, HandshakeError, Nonce, Opening, Progress, Role, Secret, Settings};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = |node: &str, framings: &[&str]| -> Result<_, Box<dyn std::error::Error>> {
//!     let mut settings = Settings::new(node.parse()?);
//!     settings.secret = Some(Secret::from_text("a secret of 16 bytes or more", 16)?);
//!     settings.framings = framings.iter().map(|&name| name.into()).collect();
//!     Ok(std::sync::Arc::new(settings))
//! };
//! let client = Opening::new(settings("client", &["cbor", "json"])?, Role::Dialler, Nonce::new([1; 32]));
//! let server = Opening::new(settings("server", &["json"])?, Role::Acceptor, Nonce::new([2; 32]));
//!
//! // Both write their greeting at once.
//! let (client, from_client) = client.start()?;
//! let (server, from_server) = server.start()?;
//! let (used, Progress::Done(Greeted::Plain(client))) = client.receive(&from_server)? else { panic!() };
//! assert_eq!(used, from_server.len());
//! let (_, Progress::Done(Greeted::Plain(server))) = server.receive(&from_client)? else { panic!() };
//! assert_eq!(server.peer().node().as_str(), "client");
//!
//! // The dialler proves itself first.
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

pub use auth::AuthMethod;
pub use awaiting::Awaiting;
pub use error::{HandshakeError, Stage};
pub use greeting::Peer;
pub use line::{Line, MAX_LINE};
pub use secret::{Secret, SecretError, secret_text};
pub use settings::{Nonce, Opening, Role, Settings, Tls};
pub use states::{
    AwaitAuth, AwaitGreeting, AwaitTls, Established, Greeted, Progress, Ready, TlsRole, Verified,
};

#[cfg(test)]
mod tests;
