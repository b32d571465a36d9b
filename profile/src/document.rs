//! `Document`: the content of a configuration file, for reading and changing it.

use aemp_core::{Map, Value};

use crate::rules::is_version;

/// The key that holds the profiles.
const PROFILES: &str = "profile";

/// The key of the file format's version, which is 1.
const VERSION: &str = "version";

/// The part of a document to which a key belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The top level, which applies to all profiles.
    Global,
    /// The profile with this name.
    Profile(&'a str),
}

/// The content of a configuration file: global keys, and profiles with the same keys. The order of keys and unknown
/// keys are preserved. Integers beyond 64 bits are read as floats, and a file that has one is not rewritten.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document(Map);

impl Document {
    /// Checks `content`. The error names the part that has to be an object and is not.
    pub(crate) fn new(content: Value) -> Result<Self, String> {
        let Value::Map(root) = content else {
            return Err("the whole".into());
        };
        if let Some(profiles) = root.get(PROFILES).filter(|profiles| !profiles.is_null()) {
            let profiles = profiles.as_map().ok_or("\"profile\"")?;
            let wrong = profiles
                .iter()
                .find(|(_, profile)| profile.as_map().is_none());
            if let Some((name, _)) = wrong {
                return Err(format!("the profile {name}"));
            }
        }
        Ok(Self(root))
    }

    /// The whole content, for [`Sources::file`](crate::Sources::file).
    pub fn to_value(&self) -> Value {
        self.0.clone().into()
    }

    /// The value of a key in `scope`.
    pub fn get(&self, scope: Scope<'_>, key: &str) -> Option<&Value> {
        self.keys(scope)?.get(key)
    }

    /// All keys and values in `scope`; at top level including the profiles. `None` if there is no such profile.
    pub fn keys(&self, scope: Scope<'_>) -> Option<&Map> {
        match scope {
            Scope::Global => Some(&self.0),
            Scope::Profile(name) => self.profiles()?.get(name)?.as_map(),
        }
    }

    /// The names of the profiles, in the file's order.
    pub fn profile_names(&self) -> impl Iterator<Item = &str> {
        let pairs = self.profiles().into_iter().flatten();
        pairs.filter_map(|(name, _)| name.as_str())
    }

    /// Sets a key: replaces its value, or adds it after the others. Creates the profile if it does not exist.
    pub fn set(&mut self, scope: Scope<'_>, key: &str, value: Value) {
        match scope {
            Scope::Global => self.0 = with(&self.0, key, value),
            Scope::Profile(name) => {
                let none = Map::new();
                let profile = self.keys(scope).unwrap_or(&none);
                let profile = with(profile, key, value).into();
                let profiles = with(self.profiles().unwrap_or(&none), name, profile).into();
                self.0 = with(&self.0, PROFILES, profiles);
            }
        }
    }

    /// Removes a key. Returns false if it does not exist.
    pub fn remove(&mut self, scope: Scope<'_>, key: &str) -> bool {
        let Some(keys) = self.keys(scope) else {
            return false;
        };
        let Some(less) = without(keys, key) else {
            return false;
        };
        match scope {
            Scope::Global => self.0 = less,
            Scope::Profile(name) => {
                let profiles = self.profiles().map(|all| with(all, name, less.into()));
                self.put_profiles(profiles);
            }
        }
        true
    }

    /// Removes a whole profile. Returns false if it does not exist.
    pub fn remove_profile(&mut self, name: &str) -> bool {
        let less = self.profiles().and_then(|all| without(all, name));
        let found = less.is_some();
        self.put_profiles(less);
        found
    }

    /// The version of the file's format, if it is not the one that this program writes.
    pub(crate) fn other_version(&self) -> Option<&Value> {
        let version = self.0.get(VERSION).filter(|version| !version.is_null())?;
        (!is_version(version)).then_some(version)
    }

    /// Puts the version first, for a new file.
    pub(crate) fn begin_with_version(&mut self) {
        let version = (VERSION.into(), 1.into());
        let rest = self
            .0
            .iter()
            .filter(|(key, _)| key.as_str() != Some(VERSION));
        let pairs = [version].into_iter().chain(rest.cloned());
        self.0 = pairs.collect::<Vec<_>>().into();
    }

    fn put_profiles(&mut self, profiles: Option<Map>) {
        if let Some(profiles) = profiles {
            self.0 = with(&self.0, PROFILES, profiles.into());
        }
    }

    fn profiles(&self) -> Option<&Map> {
        self.0.get(PROFILES)?.as_map()
    }
}

/// `map` with `value` as the value of `key`.
fn with(map: &Map, key: &str, value: Value) -> Map {
    let mut pairs: Vec<_> = map.iter().cloned().collect();
    // If a key occurs twice, the last one counts.
    match pairs
        .iter_mut()
        .rev()
        .find(|(k, _)| k.as_str() == Some(key))
    {
        Some((_, old)) => *old = value,
        None => pairs.push((key.into(), value)),
    }
    pairs.into()
}

/// `map` without `key`; `None` if it does not have the key.
fn without(map: &Map, key: &str) -> Option<Map> {
    let mut pairs: Vec<_> = map.iter().cloned().collect();
    pairs.retain(|(k, _)| k.as_str() != Some(key));
    (pairs.len() < map.len()).then(|| pairs.into())
}
