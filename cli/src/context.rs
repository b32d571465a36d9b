//! `Context`: what commands work with while they run.

use aemp::ConfigFile;

use crate::failure::Failure;
use crate::options::Options;
use crate::registry::Registry;

/// The configuration file, the options and the services that this program has.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) file: ConfigFile,
    pub(crate) registry: Registry,
}

impl Context {
    pub(crate) fn new(options: Options, registry: Registry) -> Result<Self, Failure> {
        Ok(Self {
            options,
            file: ConfigFile::find()?,
            registry,
        })
    }
}
