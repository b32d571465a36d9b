//! Converts a value of a configuration to the type of its key.
//!
//! Perl stores words of the command line as texts, so numbers and flags may be texts, and one text may be a
//! comma-separated list (protocol.md section 10).

use std::time::Duration;

use aemp_core::handshake::AuthMethod;
use aemp_core::policy::{Rule, Rules};
use aemp_core::settings::Service;
use aemp_core::{Address, Config, Text, Value};

use super::{Endpoint, ReadyWhen};

/// Maximum of times: a billion seconds, 30 years. Longer times are mistakes, and would overflow clocks.
const MAX_SECONDS: f64 = 1e9;

pub(super) fn text(value: &Value) -> Option<Text> {
    match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// The non-empty parts of a comma-separated list.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

pub(super) fn names(value: &Value) -> Option<Vec<Text>> {
    match value {
        Value::Text(text) => Some(split(text).map(Text::from).collect()),
        Value::Array(items) => {
            let name = |item: &Value| text(item).filter(|name| !name.is_empty());
            items.iter().map(name).collect()
        }
        _ => None,
    }
}

/// One text, or a list of them. Not comma-separated: a secret may hold commas.
pub(super) fn texts(value: &Value) -> Option<Vec<Text>> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

/// A port without a host may be a number, and one text may hold several addresses (protocol.md section 1).
pub(super) fn addresses(value: &Value) -> Option<Vec<String>> {
    let items = match value {
        Value::Array(items) => &items[..],
        one => std::slice::from_ref(one),
    };
    let mut addresses = Vec::new();
    for item in items {
        match item {
            Value::Text(several) => addresses.extend(split(several).map(str::to_owned)),
            Value::Integer(port) => addresses.push(u16::try_from(*port).ok()?.to_string()),
            _ => return None,
        }
    }
    let valid = addresses.iter().all(|a| a.parse::<Address>().is_ok());
    valid.then_some(addresses)
}

pub(super) fn endpoint(value: &Value) -> Option<Endpoint> {
    Endpoint::parse(&text(value)?)
}

pub(super) fn ready_when(value: &Value) -> Option<ReadyWhen> {
    ReadyWhen::from_name(&text(value)?)
}

pub(super) fn methods(value: &Value) -> Option<Vec<AuthMethod>> {
    let methods: Option<Vec<_>> = names(value)?
        .iter()
        .map(|name| AuthMethod::from_name(name))
        .collect();
    methods.filter(|methods| !methods.is_empty())
}

pub(super) fn services(value: &Value) -> Option<Vec<Service>> {
    let Value::Array(items) = value else {
        let bare = |name| Service::new(name, Vec::new());
        return Some(names(value)?.into_iter().map(bare).collect());
    };
    let service = |item: &Value| {
        let (name, arguments) = match item {
            Value::Array(parts) => parts.split_first()?,
            name => (name, &[][..]),
        };
        let name = text(name).filter(|name| !name.is_empty())?;
        Some(Service::new(name, arguments.to_vec()))
    };
    items.iter().map(service).collect()
}

/// Rules about what peers may do: objects with `may`, a list of permissions, and with `node`, `cert` or `anonymous` as
/// conditions. One object alone is one rule.
///
/// # Errors
/// The part that is wrong, for an error text.
pub(super) fn rules(value: &Value) -> Result<Rules, String> {
    let rules = match value {
        Value::Array(rules) => &rules[..],
        one => std::slice::from_ref(one),
    };
    let rules: Result<Vec<_>, _> = rules.iter().map(rule).collect();
    Ok(Rules::new(rules?))
}

/// A name, in which a `*` may stand at the end only.
fn pattern(text: &str) -> Option<Text> {
    let name = text.strip_suffix('*').unwrap_or(text);
    (!name.contains('*')).then(|| Text::from(text))
}

/// A fingerprint as policy compares it, whether it is written with colons or in upper case; any other text as it is.
fn fingerprint(text: &str) -> String {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let hex = digits.trim_end_matches('*');
    match hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => digits.to_ascii_lowercase(),
        false => text.to_owned(),
    }
}

fn rule(value: &Value) -> Result<Rule, String> {
    let wrong = |part: &Value| shown(part);
    let map = value.as_map().ok_or_else(|| wrong(value))?;
    let may = map.get("may").ok_or_else(|| wrong(value))?;
    let words = names(may).ok_or_else(|| wrong(may))?;
    let permission = |word: &Text| word.parse().map_err(|_| format!("{word:?}"));
    let permissions: Result<Vec<_>, String> = words.iter().map(permission).collect();
    let mut rule = Rule::new(permissions?);
    for (key, condition) in map {
        rule = match (key.as_str().unwrap_or_default(), condition) {
            ("may", _) | ("anonymous", Value::Bool(false)) => rule,
            ("anonymous", Value::Bool(true)) => rule.anonymous(),
            ("node", Value::Text(text)) => {
                rule.node(pattern(text).ok_or_else(|| wrong(condition))?)
            }
            ("cert", Value::Text(text)) => {
                let text = fingerprint(text);
                rule.certificate(pattern(&text).ok_or_else(|| wrong(condition))?)
            }
            _ => return Err(format!("{} in a rule", wrong(key))),
        };
    }
    Ok(rule)
}

pub(super) fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Text(text) => text.trim().parse().ok()?,
        number => number.as_f64()?,
    };
    let sane = seconds > 0.0 && seconds <= MAX_SECONDS;
    sane.then(|| Duration::from_secs_f64(seconds))
        .filter(|time| *time >= Config::LEAST_TIME)
}

pub(super) fn count(value: &Value) -> Option<usize> {
    match value {
        Value::Text(text) => text.trim().parse().ok(),
        number => number.as_u64()?.try_into().ok(),
    }
}

/// Only values that Perl reads the same way: in Perl the text "off" is true.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Text(text) => match text.as_str() {
            "1" => Some(true),
            "0" | "" => Some(false),
            _ => None,
        },
        number => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
    }
}

/// A value for an error text, truncated if it is long.
pub(super) fn shown(value: &Value) -> String {
    const MAX_SHOWN: usize = 60;
    let whole = value.to_string();
    match whole.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}...", &whole[..at]),
        None => whole,
    }
}

/// The kind of a value, for errors that must not show it.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Bytes(_) => "a byte string",
        Value::Text(_) => "a text",
        Value::Array(_) => "a list",
        Value::Map(_) => "an object",
        Value::Tag(..) => "a tagged value",
        Value::Simple(_) => "a simple value",
    }
}
