//! `Layers`: what a configuration on this host is made of, besides what a command line says.

use aemp::profile::Sources;
use aemp::{ConfigFile, Map, Value};

use crate::failure::Failure;
use crate::random::random;

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
            host: aemp::host_name()?,
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
