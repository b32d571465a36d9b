//! Converts a resolved profile to the settings of a starting node.

use aemp_core::Text;
use aemp_core::handshake::AuthMethod;
use aemp_core::settings::{Fill, Settings, Unsupported};

use super::{DEFAULT_BINDS, Key, Profile};

const ONLY_TLS: &str = "all of its methods need TLS, and without cert there is none, so that nobody could connect; \
    set cert, or add hmac_sha3_512";

impl Fill for Profile {
    fn fill(self, settings: &mut Settings) {
        settings.unsupported =
            unsupported(&self).map(|(key, why)| Unsupported::new(key.name(), why));
        settings.id = Some(self.node_id.to_string());
        (settings.binds, settings.default_binds) = match self.listens_by_default {
            true => (Vec::new(), Some(DEFAULT_BINDS)),
            false => (self.binds, None),
        };
        settings.seeds = self.seeds;
        settings.advertise = self.advertise;
        settings.set_secret(self.secret);
        settings.set_certificate(self.cert.map(|cert| cert.as_pem().to_owned()));
        settings.set_secret_accept(self.secret_accept);
        settings.codecs = self
            .framing_format
            .map(|names| names.iter().map(Text::to_string).collect());
        let config = &mut settings.config;
        config.monitor_timeout = self.monitor_timeout;
        config.connect_timeout = self.connect_interval;
        config.tls_fallback = self.tls_fallback;
        config.cleartext = self.auth_accept.contains(&AuthMethod::Cleartext);
        config.auth_offer = self.auth_offer;
        config.auth_accept = self.auth_accept;
        config.nodelay = self.nodelay;
        config.min_secret = self.min_secret;
        config.liveness_check = self.hung_check;
        config.check_peeraddr = self.check_peeraddr;
        let rules = self.allow.unwrap_or_default();
        settings.rules = match self.secure {
            true => rules.secure(),
            false => rules,
        };
        settings.services = self.services;
        settings.warnings = self.warnings.iter().map(ToString::to_string).collect();
    }
}

/// The first key whose demand this version cannot meet. The node must not start with less protection than the
/// configuration demands.
fn unsupported(profile: &Profile) -> Option<(Key, &'static str)> {
    let mut methods = profile.auth_accept.iter();
    let needs_tls = methods.all(|method| method.needs_tls());
    (needs_tls && profile.cert.is_none()).then_some((Key::AuthAccept, ONLY_TLS))
}
