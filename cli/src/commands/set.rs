//! `setKEY VALUE`, `KEY VALUE` and `delKEY`, for every key of protocol.md section 9.

use aemp::Value;
use aemp::profile::Scope;
use aemp::profile::{Key, Kind, nearest};

use super::{Step, change};
use crate::checking::check;
use crate::failure::{Failure, meant};
use crate::line::Line;
use crate::{output, secret};

/// `setKEY`.
pub(super) fn set_name(key: Key) -> &'static str {
    names(key).0
}

/// `delKEY`.
pub(super) fn delete_name(key: Key) -> &'static str {
    names(key).1
}

macro_rules! names {
    ($key:expr, $($variant:ident $name:literal),* $(,)?) => {
        match $key {
            $(Key::$variant => (concat!("set", $name), concat!("del", $name)),)*
            // A key that core has and this table not is found all the same, and only not suggested.
            _ => ("set", "del"),
        }
    };
}

fn names(key: Key) -> (&'static str, &'static str) {
    names!(
        key, NodeId "nodeid", Binds "binds", Seeds "seeds", Secret "secret", SecretAccept "secret_accept", Cert "cert", Services "services",
        Parent "parent", MonitorTimeout "monitor_timeout", ConnectInterval "connect_interval",
        FramingFormat "framing_format", AuthOffer "auth_offer", AuthAccept "auth_accept", Autocork "autocork",
        Nodelay "nodelay", MinSecret "min_secret", TlsFallback "tls_fallback", HungCheck "hung_check", CheckPeeraddr "check_peeraddr",
        Advertise "advertise", Health "health", ReadyWhen "ready_when", Secure "secure",
        Allow "allow",
    )
}

/// Whether a key takes a secret, which may come from where no list of processes shows it.
pub(super) fn takes_secret(key: Key) -> bool {
    matches!(key, Key::Secret | Key::SecretAccept)
}

/// What `setKEY` takes, for people.
pub(super) fn arguments(key: Key) -> &'static str {
    match (key, key.kind()) {
        (Key::Secret | Key::SecretAccept, _) => "[SECRET]",
        (Key::Cert, _) => "FILE",
        (Key::Parent, _) => "PROFILE",
        (_, Kind::Addresses) => "HOST:PORT,...",
        (_, Kind::Seconds) => "SECONDS",
        (_, Kind::Flag) => "on|off",
        (_, Kind::Count) => "NUMBER",
        (_, Kind::Text) => "TEXT",
        (_, Kind::Rules) => "RULE",
        (_, Kind::Endpoint) => "HOST:PORT",
        (_, Kind::ReadyWhen) => "listening|joined",
        _ => "NAME,...",
    }
}

/// What a key means, for people.
pub(super) fn about(key: Key) -> &'static str {
    match key {
        Key::NodeId => "The node's ID; %n is the host's name, %u or a / at the end a random word",
        Key::Binds => {
            "Addresses to listen on, * for every interface; binds to * leave out loopback"
        }
        Key::Seeds => "Addresses to keep a connection to",
        Key::Secret => "The secret that all nodes of the network share",
        Key::SecretAccept => "A further secret that is accepted, while the secret is exchanged",
        Key::Cert => "Private key, certificate and CA certificates, read from a PEM file",
        Key::Services => "Functions to run at start; with arguments as JSON",
        Key::Parent => "The profile to inherit from",
        Key::MonitorTimeout => "After how long an unreachable node is declared down",
        Key::ConnectInterval => "For how long the addresses of a node are tried",
        Key::FramingFormat => "Codecs, best first",
        Key::AuthOffer => "Auth methods to produce, best first",
        Key::AuthAccept => "Auth methods to accept, best first",
        Key::Autocork => "Gather small writes; aemp always does",
        Key::Nodelay => "Send small writes at once",
        Key::MinSecret => "The shortest secret in bytes",
        Key::TlsFallback => "Allow plain connections although there is a certificate",
        Key::HungCheck => "Treat silent peers as dead",
        Key::CheckPeeraddr => {
            "Refuse peers that see the node under an address that is neither its own nor advertised"
        }
        Key::Advertise => {
            "Addresses to publish in place of those bound; binds among them stands for those bound"
        }
        Key::Health => {
            "Where run answers HTTP: /ready, /live and /metrics; * as host is every address, loopback included"
        }
        Key::ReadyWhen => {
            "When run says that the node is ready: listening, or joined, with a connection to a seed"
        }
        Key::Secure => "Allow no function calls from peers",
        Key::Allow => "What peers may do: rules, of which the first that fits a peer decides",
        _ => "A key of the configuration",
    }
}

/// An argument, as it stands on a command line.
pub(super) fn example(key: Key) -> String {
    match key {
        Key::Cert => "node.pem".into(),
        Key::Binds => "'*:4040'".into(),
        Key::Seeds => "192.0.2.1:4040,192.0.2.2:4040".into(),
        key if key.kind() == Kind::Flag => "on".into(),
        key => {
            let json = key.example();
            let bare = json.trim_matches(['"', '[', ']']);
            let plain = !bare.contains(['"', '[']);
            if plain {
                bare.into()
            } else {
                format!("'{json}'")
            }
        }
    }
}

pub(super) fn set(line: &mut Line<'_>, key: Key, arguments: Vec<Value>) -> Result<Step, Failure> {
    let value = match (key, arguments.into_iter().next()) {
        (key, None) if takes_secret(key) => of_kind(key, secret::read(line.options)?.into()),
        (key, Some(given)) if takes_secret(key) => {
            output::hint(&format!(
                "other users of this machine can see a secret on a command line: \"aemp {}\" asks for it, \
                 and --secret-file FILE or AEMP_SECRET give it unseen",
                set_name(key)
            ));
            of_kind(key, given)
        }
        (Key::Cert, Some(Value::Text(path))) => pem(&path)?.into(),
        (_, Some(Value::Text(word))) => key.word(&word),
        (_, Some(value)) => value,
        (_, None) => Value::Null,
    };
    if takes_secret(key) && [Value::from(""), of_kind(key, "".into())].contains(&value) {
        return Err(Failure::Usage(
            "the secret is empty; \"aemp gensecret\" makes one".into(),
        ));
    }
    let min_secret = line.effective(Key::MinSecret)?;
    check(key, &value, min_secret)?;
    let parent = value
        .as_str()
        .filter(|_| key == Key::Parent)
        .map(str::to_owned);
    let step = change(line, move |document, scope| {
        document.set(scope, key.name(), value.clone());
        Ok(None)
    })?;
    if let Some(parent) = parent {
        check_parent(line, &parent)?;
    }
    Ok(step)
}

/// Checks that profiles do not inherit in a circle now. A parent that is not there yet may come.
fn check_parent(line: &mut Line<'_>, parent: &str) -> Result<(), Failure> {
    line.effective(Key::Parent)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let document = line.draft()?;
    if document.keys(Scope::Profile(parent)).is_none() {
        let nearest = meant(nearest(parent, document.profile_names()));
        output::hint(&format!("there is no profile {parent:?} yet{nearest}"));
    }
    Ok(())
}

/// A text as a value of `key`: where that is a list, one of it.
fn of_kind(key: Key, given: Value) -> Value {
    match (key.kind(), &given) {
        (Kind::Texts, Value::Text(_)) => vec![given].into(),
        _ => given,
    }
}

pub(super) fn delete(line: &mut Line<'_>, key: Key) -> Result<Step, Failure> {
    change(line, move |document, scope| {
        document.remove(scope, key.name());
        Ok(None)
    })
}

/// The content of a file with a private key and its certificate.
fn pem(path: &str) -> Result<String, Failure> {
    let failed =
        |what: String| Failure::Failed(format!("cannot take the certificate from {path}: {what}"));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    for (part, what) in [
        ("PRIVATE KEY-----", "private key"),
        ("BEGIN CERTIFICATE-----", "certificate"),
    ] {
        if !text.contains(part) {
            return Err(failed(format!(
                "it has no {what} in PEM; it holds a key, its certificate, then CA certificates"
            )));
        }
    }
    // Before a node has to start with it.
    aemp::Tls::from_pem(&text).map_err(|error| failed(error.to_string()))?;
    Ok(text)
}
