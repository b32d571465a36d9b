//! What a program has told a builder, as values of a configuration.

use aemp_core::handshake::AuthMethod;
use aemp_core::settings::Settings;
use aemp_core::{Config, Text, Value};

use super::Key;

/// `settings` by key, where they differ from the defaults. Whether a profile is `wished` decides about the defaults.
pub(super) fn as_values(settings: &Settings, wished: bool) -> Vec<(Text, Value)> {
    let mut values: Vec<(Text, Value)> = Vec::new();
    let mut give = |key: Key, value: Value| values.push((Text::from_static(key.name()), value));
    let list = |texts: &[String]| -> Value {
        let texts = texts.iter().map(|text| Value::from(text.as_str()));
        texts.collect::<Vec<_>>().into()
    };
    match &settings.id {
        Some(id) => give(Key::NodeId, id.as_str().into()),
        // Without a profile a node is what it would be without values.
        None if !wished => give(Key::NodeId, "anon/%u".into()),
        None => {}
    }
    if !settings.binds.is_empty() || !wished {
        give(Key::Binds, list(&settings.binds));
    }
    if !settings.seeds.is_empty() {
        give(Key::Seeds, list(&settings.seeds));
    }
    if let Some(secret) = settings.secret_text() {
        give(Key::Secret, secret.into());
    }
    if !settings.services.is_empty() {
        let services = settings.services.iter().map(|service| {
            let name = Value::from(service.name.clone());
            let parts = [name].into_iter().chain(service.arguments.iter().cloned());
            Value::from(parts.collect::<Vec<_>>())
        });
        give(Key::Services, services.collect::<Vec<_>>().into());
    }
    if let Some(chosen) = &settings.codecs {
        give(Key::FramingFormat, list(chosen));
    }
    let (config, default) = (&settings.config, Config::default());
    let methods = |methods: &[AuthMethod]| -> Value {
        let names = methods.iter().map(|method| Value::from(method.name()));
        names.collect::<Vec<_>>().into()
    };
    if config.monitor_timeout != default.monitor_timeout {
        let seconds = config.monitor_timeout.as_secs_f64();
        give(Key::MonitorTimeout, seconds.into());
    }
    if config.connect_interval != default.connect_interval {
        let seconds = config.connect_interval.as_secs_f64();
        give(Key::ConnectInterval, seconds.into());
    }
    if config.auth_offer != default.auth_offer {
        give(Key::AuthOffer, methods(&config.auth_offer));
    }
    if config.auth_accept != default.auth_accept || config.cleartext {
        let mut accepted = config.auth_accept.clone();
        accepted.retain(|method| *method != AuthMethod::Cleartext);
        accepted.extend(config.cleartext.then_some(AuthMethod::Cleartext));
        give(Key::AuthAccept, methods(&accepted));
    }
    if config.nodelay != default.nodelay {
        give(Key::Nodelay, config.nodelay.into());
    }
    if config.min_secret != default.min_secret {
        give(Key::MinSecret, (config.min_secret as u64).into());
    }
    if config.hung_check != default.hung_check {
        give(Key::HungCheck, config.hung_check.into());
    }
    values
}
