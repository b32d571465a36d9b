//! The precedence of the values of a key: the program's, the file's, a parent's and the profile's (protocol.md section
//! 9).

use aemp_core::{Map, Value, nearest};

use super::read;
use super::{Key, Place, Profile, ProfileError, Warning};

/// The inputs of a configuration. The value `null` stands for the built-in default.
///
/// ```
/// use aemp::Map;
/// use aemp::profile::Sources;
/// let mut sources = Sources::new("myhost", "r4nd0m");
/// let program: Map = [("seeds", "192.0.2.1:4040")].into_iter().collect();
/// sources.program = Some(&program);
/// let profile = sources.resolve()?;
/// assert_eq!(profile.node_id.as_str(), "myhost/r4nd0m");
/// assert_eq!(profile.seeds, ["192.0.2.1:4040"]);
/// # Ok::<(), aemp::profile::ProfileError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sources<'a> {
    /// The profile's name; `None` for the host's name.
    pub name: Option<&'a str>,
    /// The file's content. With `None` or an empty map only built-in defaults and the program's values apply.
    pub file: Option<&'a Value>,
    /// Why there is no file, if none was found: an error or a warning tells it.
    pub no_file: Option<&'a str>,
    /// The program's values by key.
    pub program: Option<&'a Map>,
    /// Whether the program's values take precedence over the file's.
    pub force: bool,
    /// Whether the file is ignored.
    pub norc: bool,
    host: &'a str,
    word: &'a str,
}

impl<'a> Sources<'a> {
    /// Sources without a file and values, on the host called `host`. `word` replaces `%u`: random letters and digits,
    /// different for each process.
    pub fn new(host: &'a str, word: &'a str) -> Self {
        Self {
            name: None,
            file: None,
            no_file: None,
            program: None,
            force: false,
            norc: false,
            host,
            word,
        }
    }

    /// The effective configuration, with every key checked.
    ///
    /// # Errors
    /// If the file is no configuration or does not have the named profile, profiles inherit in a cycle, the program has set
    /// an unknown key, or an effective value is not valid for its key. Overridden values are not checked.
    pub fn resolve(&self) -> Result<Profile, ProfileError> {
        Profile::read(self.profile_name(), self.host, self.word, self.layers()?)
    }

    /// The effective values with their places, unchecked, in the order of [protocol.md section 9], for display. Keys with
    /// their built-in default are not included. Values of keys with [`Key::is_secret`] must not be shown.
    ///
    /// # Errors
    /// If the file is no configuration or does not have the named profile, profiles inherit in a cycle, or the program has set
    /// an unknown key.
    ///
    /// [protocol.md section 9]: aemp_core::protocol#9-configuration
    pub fn values(&self) -> Result<Vec<(Key, Value, Place)>, ProfileError> {
        let mut values = self.layers()?.values;
        values.retain(|(_, value, _)| !value.is_null());
        values.sort_by_key(|(key, ..)| Key::ALL.iter().position(|known| known == key));
        let owned = values
            .into_iter()
            .map(|(k, v, place)| (k, v.clone(), place));
        Ok(owned.collect())
    }

    fn profile_name(&self) -> &'a str {
        self.name.unwrap_or(self.host)
    }

    fn layers(&self) -> Result<Effective<'a>, ProfileError> {
        let name = self.profile_name();
        let mut effective = Effective::default();
        let file = match self.file {
            Some(file) if !self.norc => File::new(file)?,
            _ => File::default(),
        };
        if !self.force {
            self.add_program(&mut effective)?;
        }
        effective.add_global(file.global);
        if let (Some(why), false) = (self.no_file, self.norc) {
            let why = why.to_owned();
            effective.warnings.push(Warning::NoFile { why });
        }
        let chain = self.chain(name, &file, &mut effective.warnings)?;
        for (name, keys) in chain.into_iter().rev() {
            effective.add(keys, &Place::Profile(name.to_owned()));
        }
        if self.force {
            self.add_program(&mut effective)?;
        }
        Ok(effective)
    }

    fn add_program(&self, effective: &mut Effective<'a>) -> Result<(), ProfileError> {
        for (key, value) in self.program.into_iter().flatten() {
            let name = key.as_str().unwrap_or_default();
            let key = Key::from_name(name).ok_or_else(|| ProfileError::UnknownKey {
                key: name.to_owned(),
                nearest: Key::nearest(name).map(str::to_owned),
            })?;
            effective.set(key, value, &Place::Program);
        }
        Ok(())
    }

    /// The profile and its parents, nearest first.
    fn chain<'f>(
        &self,
        name: &'f str,
        file: &File<'f>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<(&'f str, &'f Map)>, ProfileError> {
        let mut chain: Vec<(&str, &Map)> = Vec::new();
        let mut named: Option<Place> = None;
        let mut next = Some(name);
        while let Some(name) = next {
            if let Some(start) = chain.iter().position(|(passed, _)| *passed == name) {
                let circle = chain[start..].iter().map(|(name, _)| *name);
                let chain = circle.chain([name]).map(str::to_owned).collect();
                return Err(ProfileError::Cycle { chain });
            }
            let Some(keys) = file.profile(name)? else {
                let nearest = nearest(name, file.names()).map(str::to_owned);
                let (name, no_file) = (name.to_owned(), self.no_file.map(str::to_owned));
                match named {
                    Some(place) => warnings.push(Warning::NoParent {
                        name,
                        place,
                        nearest,
                    }),
                    // One with the host's name is not needed, and without the file there is none.
                    None if self.name.is_none() || self.norc => {}
                    None => {
                        return Err(ProfileError::NoProfile {
                            name,
                            nearest,
                            no_file,
                        });
                    }
                }
                break;
            };
            chain.push((name, keys));
            let place = Place::Profile(name.to_owned());
            next = match keys.get(Key::Parent.name()) {
                None | Some(Value::Null) => None,
                Some(Value::Text(parent)) => Some(parent.as_str()),
                Some(other) => return Err(Key::Parent.wrong(other, &place)),
            };
            named = Some(place);
        }
        Ok(chain)
    }
}

/// A configuration file whose structure has been checked.
#[derive(Default)]
struct File<'a> {
    global: Option<&'a Map>,
    profiles: Option<&'a Map>,
}

impl<'a> File<'a> {
    fn new(file: &'a Value) -> Result<Self, ProfileError> {
        let global = object(file, || "the whole".into())?;
        match &file["version"] {
            Value::Null => {}
            version if is_version(version) => {}
            other => {
                let found = read::shown(other);
                return Err(ProfileError::Version { found });
            }
        }
        let profiles = match &file["profile"] {
            Value::Null => None,
            profiles => Some(object(profiles, || "\"profile\"".into())?),
        };
        Ok(Self {
            global: Some(global),
            profiles,
        })
    }

    fn profile(&self, name: &str) -> Result<Option<&'a Map>, ProfileError> {
        match self.profiles.and_then(|profiles| profiles.get(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(keys) => object(keys, || format!("the profile {name:?}")).map(Some),
        }
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        let pairs = self.profiles.into_iter().flatten();
        pairs.filter_map(|(name, _)| name.as_str())
    }
}

/// Whether this is the version that this program reads and writes.
pub(crate) fn is_version(version: &Value) -> bool {
    read::count(version) == Some(1)
}

fn object(value: &Value, what: impl Fn() -> String) -> Result<&Map, ProfileError> {
    value.as_map().ok_or_else(|| ProfileError::Shape {
        what: what(),
        // Not the value itself, which may be a misplaced secret.
        found: read::kind_of(value).to_owned(),
    })
}

/// The effective values so far, with their places.
#[derive(Default)]
pub(super) struct Effective<'a> {
    values: Vec<(Key, &'a Value, Place)>,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Effective<'a> {
    fn set(&mut self, key: Key, value: &'a Value, place: &Place) {
        self.values.retain(|(old, ..)| *old != key);
        self.values.push((key, value, place.clone()));
    }

    fn add_global(&mut self, keys: Option<&'a Map>) {
        for (name, value) in keys.into_iter().flatten() {
            match name.as_str().unwrap_or_default() {
                "profile" | "version" => {}
                "parent" => self.warnings.push(Warning::GlobalParent),
                name => self.add_one(name, value, &Place::Global),
            }
        }
    }

    fn add(&mut self, keys: &'a Map, place: &Place) {
        for (name, value) in keys {
            self.add_one(name.as_str().unwrap_or_default(), value, place);
        }
    }

    fn add_one(&mut self, name: &str, value: &'a Value, place: &Place) {
        match Key::from_name(name) {
            Some(key) => self.set(key, value, place),
            None => self.warnings.push(Warning::UnknownKey {
                key: name.to_owned(),
                place: place.clone(),
                nearest: Key::nearest(name).map(str::to_owned),
            }),
        }
    }

    /// The value of `key`, converted by `read`; `None` if the built-in default applies.
    pub(super) fn get<T>(
        &self,
        key: Key,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ProfileError> {
        match self.values.iter().find(|(name, ..)| *name == key) {
            None | Some((_, Value::Null, _)) => Ok(None),
            Some((_, value, place)) => read(value).map(Some).ok_or_else(|| key.wrong(value, place)),
        }
    }
}
