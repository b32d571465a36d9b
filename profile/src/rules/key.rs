//! The keys of a configuration: their names, the kinds of their values, and examples (protocol.md section 9).

use aemp_core::handshake::AuthMethod;
use aemp_core::{Config, Value, nearest};

use super::read;
use super::{DEFAULT_BINDS, Place, ProfileError, ReadyWhen};

/// A key of a configuration file, or of the values of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// The node's ID, with `%n` and `%u`.
    NodeId,
    /// Addresses to listen on.
    Binds,
    /// Seeds: addresses to which the node keeps a connection.
    Seeds,
    /// The secret that all nodes of the network share.
    Secret,
    /// Further secrets that the node accepts while the network's secret is exchanged.
    SecretAccept,
    /// A private key, its certificate and CA certificates, in PEM.
    Cert,
    /// Functions to run at start.
    Services,
    /// The profile to inherit from.
    Parent,
    /// Time after which an unreachable node counts as down.
    MonitorTimeout,
    /// Total time in which the addresses of a node are dialled.
    ConnectInterval,
    /// Codecs, best first.
    FramingFormat,
    /// Auth methods that the node offers, best first.
    AuthOffer,
    /// Auth methods that the node accepts, best first.
    AuthAccept,
    /// Whether to batch small writes; aemp always does.
    Autocork,
    /// Whether small writes are sent at once (`TCP_NODELAY`).
    Nodelay,
    /// Minimum length of the secret in bytes.
    MinSecret,
    /// Whether plain connections are allowed although there is a certificate.
    TlsFallback,
    /// Whether silent peers count as dead.
    HungCheck,
    /// Whether peers that see the node under another address are refused.
    CheckPeeraddr,
    /// Addresses to publish in place of those bound.
    Advertise,
    /// Where the command answers HTTP for a node that it runs: health and metrics.
    Health,
    /// When the command says that a node that it runs is ready.
    ReadyWhen,
    /// Whether peers are prevented from calling functions.
    Secure,
    /// Rules about what peers may do.
    Allow,
}

/// The kind of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One text.
    Text,
    /// A list of addresses.
    Addresses,
    /// A list of functions, each with or without arguments.
    Services,
    /// A time in seconds, at least 0.05.
    Seconds,
    /// A list of names.
    Names,
    /// A list of texts, which may hold commas.
    Texts,
    /// A list of auth methods.
    Methods,
    /// On or off.
    Flag,
    /// An integer, 0 or more.
    Count,
    /// A list of rules.
    Rules,
    /// The address of an HTTP endpoint.
    Endpoint,
    /// When a node counts as ready.
    ReadyWhen,
}

impl Key {
    /// All keys, in the order of [protocol.md section 9].
    ///
    /// [protocol.md section 9]: aemp_core::protocol#9-configuration
    pub const ALL: [Self; 24] = [
        Self::NodeId,
        Self::Binds,
        Self::Seeds,
        Self::Secret,
        Self::SecretAccept,
        Self::Cert,
        Self::Services,
        Self::Parent,
        Self::MonitorTimeout,
        Self::ConnectInterval,
        Self::FramingFormat,
        Self::AuthOffer,
        Self::AuthAccept,
        Self::Autocork,
        Self::Nodelay,
        Self::MinSecret,
        Self::TlsFallback,
        Self::HungCheck,
        Self::CheckPeeraddr,
        Self::Advertise,
        Self::Health,
        Self::ReadyWhen,
        Self::Secure,
        Self::Allow,
    ];

    /// The name of the key in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeId => "nodeid",
            Self::Binds => "binds",
            Self::Seeds => "seeds",
            Self::Secret => "secret",
            Self::SecretAccept => "secret_accept",
            Self::Cert => "cert",
            Self::Services => "services",
            Self::Parent => "parent",
            Self::MonitorTimeout => "monitor_timeout",
            Self::ConnectInterval => "connect_interval",
            Self::FramingFormat => "framing_format",
            Self::AuthOffer => "auth_offer",
            Self::AuthAccept => "auth_accept",
            Self::Autocork => "autocork",
            Self::Nodelay => "nodelay",
            Self::MinSecret => "min_secret",
            Self::TlsFallback => "tls_fallback",
            Self::HungCheck => "hung_check",
            Self::CheckPeeraddr => "check_peeraddr",
            Self::Advertise => "advertise",
            Self::Health => "health",
            Self::ReadyWhen => "ready_when",
            Self::Secure => "secure",
            Self::Allow => "allow",
        }
    }

    /// The key called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The name of the key that is most similar to `name`.
    pub fn nearest(name: &str) -> Option<&'static str> {
        nearest(name, Self::ALL.map(Self::name))
    }

    /// The kind of its value.
    pub const fn kind(self) -> Kind {
        match self {
            Self::NodeId | Self::Secret | Self::Cert | Self::Parent => Kind::Text,
            Self::Binds | Self::Seeds | Self::Advertise => Kind::Addresses,
            Self::SecretAccept => Kind::Texts,
            Self::Services => Kind::Services,
            Self::MonitorTimeout | Self::ConnectInterval => Kind::Seconds,
            Self::FramingFormat => Kind::Names,
            Self::AuthOffer | Self::AuthAccept => Kind::Methods,
            Self::MinSecret => Kind::Count,
            Self::Allow => Kind::Rules,
            Self::Health => Kind::Endpoint,
            Self::ReadyWhen => Kind::ReadyWhen,
            Self::Autocork
            | Self::Nodelay
            | Self::TlsFallback
            | Self::HungCheck
            | Self::CheckPeeraddr
            | Self::Secure => Kind::Flag,
        }
    }

    /// A description of the values that it takes, for error texts.
    pub const fn expected(self) -> &'static str {
        match self.kind() {
            Kind::Text => "a text",
            Kind::Addresses => "a list of addresses",
            Kind::Services => "a list of names, or of lists of a name and its arguments",
            Kind::Seconds => "a number of seconds from 0.05 on",
            Kind::Names => "a list of names",
            Kind::Texts => "a list of texts",
            Kind::Methods => {
                "a list of the methods hmac_sha3_512, cleartext, tls_sha3_512, tls_anon"
            }
            Kind::Flag => "true or false",
            Kind::Count => "a whole number of 0 or more",
            Kind::Rules => {
                "a list of rules with may (all, monitor, kill, relay, call, spawn, directory, write, publish, global) \
                    and, if they are not for every member, node, cert or anonymous"
            }
            Kind::Endpoint => "an address HOST:PORT, with * as host for every one of the machine",
            Kind::ReadyWhen => "listening or joined",
        }
    }

    /// An example value, in JSON.
    pub const fn example(self) -> &'static str {
        match self {
            Self::NodeId => r#""%n/%u""#,
            Self::Binds => r#"["*:4040"]"#,
            Self::Seeds => r#"["192.0.2.1:4040","[2001:db8::1]:4040"]"#,
            Self::Advertise => r#"["198.51.100.7:4140"]"#,
            Self::Health => r#""127.0.0.1:8080""#,
            Self::ReadyWhen => r#""joined""#,
            Self::Secret => r#"what "aemp gensecret" makes"#,
            Self::SecretAccept => r#"["the secret of before"]"#,
            Self::Cert => r#"what "aemp gencert" makes"#,
            Self::Services => r#"["aemp::echo",["aemp::log",5]]"#,
            Self::Parent => r#""common""#,
            Self::MonitorTimeout => "30",
            Self::ConnectInterval => "2",
            Self::FramingFormat => r#"["cbor","json"]"#,
            Self::AuthOffer | Self::AuthAccept => r#"["tls_sha3_512","hmac_sha3_512"]"#,
            Self::MinSecret => "16",
            Self::Allow => {
                r#"[{"node":"admin/*","may":["all"]},{"may":["monitor","call shop::*"]}]"#
            }
            Self::Autocork
            | Self::Nodelay
            | Self::TlsFallback
            | Self::HungCheck
            | Self::CheckPeeraddr
            | Self::Secure => "true",
        }
    }

    /// The built-in default; `null` if there is none. The default of the node's ID depends on the profile `name`, and that of
    /// `binds` on whether a secret or a certificate guards the node.
    pub fn default_value(self, name: &str, is_guarded: bool) -> Value {
        let config = Config::default();
        let methods = |methods: &[AuthMethod]| -> Value {
            let names = methods.iter().map(|method| Value::from(method.name()));
            names.collect::<Vec<_>>().into()
        };
        match self {
            Self::NodeId => format!("{name}/").into(),
            Self::Binds => vec![Value::from(DEFAULT_BINDS.of(is_guarded))].into(),
            Self::Seeds | Self::Services | Self::Advertise => Vec::new().into(),
            Self::Secret
            | Self::SecretAccept
            | Self::Cert
            | Self::Parent
            | Self::Health
            | Self::Allow => Value::Null,
            Self::ReadyWhen => ReadyWhen::default().name().into(),
            Self::MonitorTimeout => config.monitor_timeout.as_secs().into(),
            Self::ConnectInterval => config.connect_timeout.as_secs().into(),
            Self::FramingFormat => vec![Value::from("cbor"), "json".into()].into(),
            Self::AuthOffer => methods(&config.auth_offer),
            Self::AuthAccept => methods(&config.auth_accept),
            Self::MinSecret => (config.min_secret as u64).into(),
            Self::Nodelay => config.nodelay.into(),
            Self::HungCheck => config.liveness_check.into(),
            Self::CheckPeeraddr => config.check_peeraddr.into(),
            Self::TlsFallback => config.tls_fallback.into(),
            Self::Autocork | Self::Secure => false.into(),
        }
    }

    /// Whether its value is confidential and must not be shown.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::SecretAccept | Self::Cert)
    }

    /// Checks that `value` is valid for this key. `null` is always valid: it stands for the built-in default.
    ///
    /// # Errors
    /// [`ProfileError::Value`], with a description of valid values and an example.
    ///
    /// ```
    /// use aemp::profile::{Key, Place};
    /// let error = Key::MonitorTimeout.check(&"soon".into(), &Place::Program).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "monitor_timeout in the program takes a number of seconds from 0.05 on, and \"soon\" is none; for example 30"
    /// );
    /// ```
    pub fn check(self, value: &Value, place: &Place) -> Result<(), ProfileError> {
        if value.is_null() {
            return Ok(());
        }
        let fits = match self.kind() {
            Kind::Text => read::text(value).is_some(),
            Kind::Addresses => read::addresses(value).is_some(),
            Kind::Services => read::services(value).is_some(),
            Kind::Seconds => read::seconds(value).is_some(),
            Kind::Names => read::names(value).is_some(),
            Kind::Texts => read::texts(value).is_some(),
            Kind::Methods => read::methods(value).is_some(),
            Kind::Flag => read::flag(value).is_some(),
            Kind::Count => read::count(value).is_some(),
            Kind::Rules => read::rules(value).is_ok(),
            Kind::Endpoint => read::endpoint(value).is_some(),
            Kind::ReadyWhen => read::ready_when(value).is_some(),
        };
        fits.then_some(()).ok_or_else(|| self.wrong(value, place))
    }

    /// Reads a flag that is set like a key but does not exist in files: `force` and `norc`.
    pub(crate) fn pseudo_flag(name: &'static str, value: &Value) -> Result<bool, ProfileError> {
        read::flag(value).ok_or_else(|| ProfileError::Value {
            key: name,
            place: Place::Program,
            expected: Self::Secure.expected(),
            found: read::shown(value),
            example: Self::Secure.example(),
        })
    }

    pub(super) fn wrong(self, value: &Value, place: &Place) -> ProfileError {
        ProfileError::Value {
            key: self.name(),
            place: place.clone(),
            expected: self.expected(),
            found: match (self.kind(), self.is_secret()) {
                (_, true) => read::kind_of(value).into(),
                (Kind::Rules, _) => read::rules(value).err().unwrap_or_default(),
                _ => read::shown(value),
            },
            example: self.example(),
        }
    }

    /// Converts a word of a command line to a value of this key's kind: a number, `on` or `off`, a comma-separated
    /// list. A word that cannot be converted stays a text, which [`check`](Self::check) then refuses.
    ///
    /// ```
    /// use aemp::Value;
    /// use aemp::profile::Key;
    /// assert_eq!(Key::MonitorTimeout.word("10"), Value::from(10));
    /// assert_eq!(Key::Secure.word("on"), Value::from(true));
    /// assert_eq!(Key::Seeds.word("a:1,b:2"), Value::from(vec!["a:1".into(), "b:2".into()]));
    /// ```
    pub fn word(self, word: &str) -> Value {
        let text = Value::from(word);
        match self.kind() {
            Kind::Text | Kind::Rules | Kind::Endpoint | Kind::ReadyWhen => text,
            Kind::Texts => vec![text].into(),
            Kind::Addresses | Kind::Services | Kind::Names | Kind::Methods => read::split(word)
                .map(Value::from)
                .collect::<Vec<_>>()
                .into(),
            Kind::Seconds => match (word.parse::<u64>(), word.parse::<f64>()) {
                (Ok(whole), _) => whole.into(),
                (_, Ok(seconds)) => seconds.into(),
                _ => text,
            },
            Kind::Count => word.parse::<u64>().map_or(text, Value::from),
            Kind::Flag => match word {
                "1" | "on" | "true" | "yes" => true.into(),
                "0" | "off" | "false" | "no" | "" => false.into(),
                _ => text,
            },
        }
    }
}
