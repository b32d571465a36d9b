//! What a builder's settings come to, with each of them checked, before anything is started.

use std::io;
use std::sync::Arc;

use super::NodeBuilder;
use super::advertised::{self, Advertised};
use crate::codec::Codecs;
use crate::error::{ConnectError, StartError};
use crate::handshake::Secret;
use crate::transport::{Secure, Transport, Transports};
use crate::{Address, NodeId, guard, nearest};

/// The settings that a node starts with.
pub(super) struct Checked {
    /// `None`: one is generated.
    pub(super) id: Option<NodeId>,
    /// Whether peers have to prove something.
    pub(super) is_guarded: bool,
    pub(super) codecs: Codecs,
    pub(super) secret: Option<Secret>,
    pub(super) secret_accept: Vec<Secret>,
    pub(super) tls: Option<Arc<dyn Secure>>,
    pub(super) binds: Vec<Address>,
    pub(super) seeds: Vec<Address>,
    pub(super) advertised: Advertised,
    pub(super) peers: Vec<(NodeId, Address)>,
}

impl NodeBuilder {
    /// Checks the settings as [`start`](Self::start) does, and starts nothing: the ID, the secrets, the certificate, codecs
    /// and services by their names, and of each address its form and its transport. A profile or a value that was named is
    /// not loaded; [`fill`](Self::fill) takes one that is.
    ///
    /// ```
    /// let error = aemp::node().seed("seed.example.net").check().unwrap_err().to_string();
    /// assert!(error.starts_with("binds and seeds need a secret or a certificate"));
    /// let error = aemp::node().secret("correct horse battery").seed("seed.example.net").check().unwrap_err();
    /// assert_eq!(
    ///     aemp::error::Report(&error).to_string(),
    ///     "no seed can be at seed.example.net: \"seed.example.net\" has no port: write the one that the peer listens on"
    /// );
    /// ```
    ///
    /// # Errors
    /// The one that `start` would return first.
    pub fn check(mut self) -> Result<(), StartError> {
        self.check_support()?;
        self.services()?;
        self.take_checked().map(drop)
    }

    /// Takes the settings that are not used as they stand, checked.
    pub(super) fn take_checked(&mut self) -> Result<Checked, StartError> {
        let settings = &mut self.settings;
        settings.config.check()?;
        let id = settings.id.as_deref().map(NodeId::new).transpose()?;
        let codecs = select_codecs(std::mem::take(&mut self.codecs), settings.codecs.take())?;
        let connects =
            !(settings.binds.is_empty() && settings.seeds.is_empty() && self.peers.is_empty());
        let (secret, secret_accept) = settings.take_secrets()?;
        let tls = match (
            self.tls.take(),
            settings.certificate_text(),
            &self.tls_loader,
        ) {
            (Some(tls), ..) => Some(tls),
            (None, None, _) => None,
            (None, Some(pem), Some(load)) => Some(load(pem).map_err(StartError::Certificate)?),
            (None, Some(_), None) => {
                let (key, why) = ("cert", NO_TLS);
                return Err(StartError::Unsupported { key, why });
            }
        };
        let is_guarded = secret.is_some() || tls.is_some();
        if connects && !is_guarded {
            return Err(StartError::NoSecret);
        }
        if connects && codecs.names().next().is_none() {
            return Err(StartError::NoCodec);
        }
        if let (true, Some(default)) = (settings.binds.is_empty(), settings.default_binds) {
            settings.binds.push(default.of(is_guarded).to_owned());
        }
        let binds = parse_all(&settings.binds)?;
        let seeds = parse_all(&settings.seeds)?;
        let advertised = Advertised::parse(&settings.advertise)?;
        let transports = &self.transports;
        let connects_to = |address: &Address| {
            guarded(|| transport_of(transports, address)?.check_connect(address))
        };
        for address in &binds {
            let checked = guarded(|| transport_of(transports, address)?.check_listen(address));
            checked.map_err(|error| StartError::Listen {
                address: address.to_string(),
                error,
            })?;
        }
        for address in &seeds {
            connects_to(address).map_err(|error| StartError::Seed {
                address: address.to_string(),
                error,
            })?;
        }
        settings.config.own_addresses.extend(advertised.sockets());
        for address in advertised.addresses() {
            let checked = advertised::check(address).and_then(|()| connects_to(address));
            checked.map_err(|error| StartError::Advertise {
                address: address.to_string(),
                error,
            })?;
        }
        let mut peers = Vec::new();
        for (id, address) in &self.peers {
            peers.push((NodeId::new(id)?, address.parse::<Address>()?));
        }
        Ok(Checked {
            id,
            is_guarded,
            codecs,
            secret,
            secret_accept,
            tls,
            binds,
            seeds,
            advertised,
            peers,
        })
    }
}

/// The error of a certificate without a loader.
const NO_TLS: &str = "this program has no TLS, so that the node would talk in plain text; \
    enable the feature tls of aemp, or take cert out";

/// The transport of an address, for what listens there or connects.
pub(super) fn transport_of<'t>(
    transports: &'t Transports,
    address: &Address,
) -> io::Result<&'t dyn Transport> {
    transports.of(address).map_err(|known| {
        let error = ConnectError::no_transport(address, known);
        io::Error::new(io::ErrorKind::Unsupported, error)
    })
}

/// Calls a transport.
fn guarded(check: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    guard::run(check).unwrap_or_else(|panic| {
        let text = format!("the transport panicked: {panic}");
        Err(io::Error::other(text))
    })
}

/// Selects the codecs called `chosen`, or all of them.
fn select_codecs(codecs: Codecs, chosen: Option<Vec<String>>) -> Result<Codecs, StartError> {
    let known: Vec<String> = codecs.names().map(String::from).collect();
    let names = chosen.unwrap_or_else(|| known.clone());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    codecs
        .select(&names)
        .map_err(|name| StartError::UnknownCodec {
            nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
            name: name.into(),
            known,
        })
}

pub(super) fn parse_all(addresses: &[String]) -> Result<Vec<Address>, StartError> {
    // One string may hold several addresses, separated by commas (protocol.md section 1).
    let each = addresses
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim);
    Ok(each.map(str::parse).collect::<Result<_, _>>()?)
}
