//! `Layers`: what a configuration on this host is made of, besides what a command line says.

use aemp::profile::{ConfigFile, Document, Scope};
use aemp::profile::{Key, Sources};
use aemp::{Map, Value};

use crate::failure::Failure;
use crate::random::random;

/// What holds for `key` in a profile, whether or not there is one with this name yet, or in the global keys.
pub(crate) fn effective(
    document: &Document,
    profile: Option<&str>,
    key: Key,
) -> Result<Option<Value>, Failure> {
    let known = profile.filter(|name| document.keys(Scope::Profile(name)).is_some());
    let Some(name) = known else {
        return Ok(document.get(Scope::Global, key.name()).cloned());
    };
    let file = document.to_value();
    let mut sources = Sources::new("", "");
    sources.name = Some(name);
    sources.file = Some(&file);
    let values = sources.values()?;
    let found = values.into_iter().find(|(known, ..)| *known == key);
    Ok(found.map(|(_, value, _)| value))
}

/// The file, the host's name, and what `%u` becomes.
pub(crate) struct Layers {
    file: Value,
    no_file: Option<String>,
    pub(crate) host: String,
    pub(crate) word: String,
}

impl Layers {
    pub(crate) fn read(file: &ConfigFile) -> Result<Self, Failure> {
        Ok(Self {
            file: file.read()?.to_value(),
            no_file: file.no_file(),
            host: aemp::profile::host_name()?,
            word: random::<6>()?
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        })
    }

    /// These for `profile`, with values of the program's own.
    pub(crate) fn sources<'a>(&'a self, profile: Option<&'a str>, program: &'a Map) -> Sources<'a> {
        let mut sources = Sources::new(&self.host, &self.word);
        sources.name = profile;
        sources.file = Some(&self.file);
        sources.no_file = self.no_file.as_deref();
        sources.program = Some(program);
        sources
    }
}
