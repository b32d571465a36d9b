//! Converts the settings of a builder to values of a configuration.

use aemp_core::handshake::AuthMethod;
use aemp_core::settings::Settings;
use aemp_core::{Config, Text, Value};

use super::Key;

/// The settings that differ from the defaults, by key. `has_profile` says whether the program selects a profile;
/// without one the ID and the binds are those of a builder without values.
pub(super) fn as_values(settings: &Settings, has_profile: bool) -> Vec<(Text, Value)> {
    let mut values: Vec<(Text, Value)> = Vec::new();
    let mut set = |key: Key, value: Value| values.push((Text::from_static(key.name()), value));
    let list = |texts: &[String]| -> Value {
        let texts = texts.iter().map(|text| Value::from(text.as_str()));
        texts.collect::<Vec<_>>().into()
    };
    match &settings.id {
        Some(id) => set(Key::NodeId, id.as_str().into()),
        // Without a profile the defaults are those of a builder without values.
        None if !has_profile => set(Key::NodeId, "anon/%u".into()),
        None => {}
    }
    // A profile that was filled in before, without binds, still has its default.
    if !settings.binds.is_empty() || (!has_profile && settings.default_binds.is_none()) {
        set(Key::Binds, list(&settings.binds));
    }
    if !settings.seeds.is_empty() {
        set(Key::Seeds, list(&settings.seeds));
    }
    if let Some(secret) = settings.secret_text() {
        set(Key::Secret, secret.into());
    }
    let accepted = settings.secret_accept_texts();
    if !accepted.is_empty() {
        set(Key::SecretAccept, list(&accepted));
    }
    if let Some(pem) = settings.certificate_text() {
        set(Key::Cert, pem.into());
    }
    if !settings.services.is_empty() {
        let services = settings.services.iter().map(|service| {
            let name = Value::from(service.name.clone());
            let parts = [name].into_iter().chain(service.arguments.iter().cloned());
            Value::from(parts.collect::<Vec<_>>())
        });
        set(Key::Services, services.collect::<Vec<_>>().into());
    }
    if let Some(chosen) = &settings.codecs {
        set(Key::FramingFormat, list(chosen));
    }
    let (config, default) = (&settings.config, Config::default());
    let methods = |methods: &[AuthMethod]| -> Value {
        let names = methods.iter().map(|method| Value::from(method.name()));
        names.collect::<Vec<_>>().into()
    };
    if config.monitor_timeout != default.monitor_timeout {
        let seconds = config.monitor_timeout.as_secs_f64();
        set(Key::MonitorTimeout, seconds.into());
    }
    if config.connect_timeout != default.connect_timeout {
        let seconds = config.connect_timeout.as_secs_f64();
        set(Key::ConnectInterval, seconds.into());
    }
    if config.auth_offer != default.auth_offer {
        set(Key::AuthOffer, methods(&config.auth_offer));
    }
    if config.auth_accept != default.auth_accept || config.cleartext {
        let mut accepted = config.auth_accept.clone();
        accepted.retain(|method| *method != AuthMethod::Cleartext);
        accepted.extend(config.cleartext.then_some(AuthMethod::Cleartext));
        set(Key::AuthAccept, methods(&accepted));
    }
    if config.tls_fallback != default.tls_fallback {
        set(Key::TlsFallback, config.tls_fallback.into());
    }
    if config.nodelay != default.nodelay {
        set(Key::Nodelay, config.nodelay.into());
    }
    if config.min_secret != default.min_secret {
        set(Key::MinSecret, (config.min_secret as u64).into());
    }
    if config.liveness_check != default.liveness_check {
        set(Key::HungCheck, config.liveness_check.into());
    }
    if config.check_peeraddr != default.check_peeraddr {
        set(Key::CheckPeeraddr, config.check_peeraddr.into());
    }
    if !settings.advertise.is_empty() {
        set(Key::Advertise, list(&settings.advertise));
    }
    values
}
