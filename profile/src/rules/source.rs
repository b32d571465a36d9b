//! `ProfileSource`: the source of the configuration of a starting node. `Profiles`: its adapter for a builder.

use std::error::Error;

use aemp_core::settings::{Asked, ConfigSource, Fill, ProfileName, Settings};
use aemp_core::{Map, StartError, Text, Value};

use super::{Key, ProfileError, Sources, program};

/// The source of the configuration's content and the host's name, for a [`NodeBuilder`](aemp_core::NodeBuilder) with the name
/// of a profile. [`ConfigFile`](crate::ConfigFile) reads the file; a program that stores its configuration elsewhere
/// implements this trait, and passes it to the builder as [`Profiles`].
///
/// ```
/// use aemp::profile::{ProfileSource, Profiles};
/// use aemp::{LocalNode, Value, value::to_value};
/// struct Fixed;
/// impl ProfileSource for Fixed {
///     fn load(&self) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
///         Ok(to_value(&std::collections::HashMap::from([("nodeid", "fixed")]))?)
///     }
///     fn host_name(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///         Ok("localhost".to_owned())
///     }
/// }
/// let builder = LocalNode::builder().profiles(Profiles(Fixed)).profile("seed");
/// ```
pub trait ProfileSource: Send + Sync {
    /// Loads the file's content; an empty map if there is no file. It may block: it is called on a thread for blocking
    /// work.
    ///
    /// # Errors
    /// If there is a file and it cannot be used. The error should name the file, the position and what to do.
    fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>>;

    /// Why `load` finds nothing, for errors and warnings; `None` if it finds something.
    fn no_file(&self) -> Option<String> {
        None
    }

    /// The host's name: it replaces `%n` in node IDs, and is the default name of the profile.
    ///
    /// # Errors
    /// If the system does not return it.
    fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>>;
}

impl<S: ProfileSource + ?Sized> ProfileSource for &S {
    fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
        (**self).load()
    }

    fn no_file(&self) -> Option<String> {
        (**self).no_file()
    }

    fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        (**self).host_name()
    }
}

/// Resolves the profiles of a [`ProfileSource`], for [`NodeBuilder::profiles`](aemp_core::NodeBuilder::profiles).
#[derive(Debug, Clone, Copy)]
pub struct Profiles<S>(pub S);

impl<S: ProfileSource> ConfigSource for Profiles<S> {
    fn configure(&self, asked: &Asked, settings: &mut Settings) -> Result<(), StartError> {
        let mut values = asked.values.clone();
        let force = take_flag(&mut values, "force").map_err(wrong)?;
        // With values only, no profile is selected.
        let norc = take_flag(&mut values, "norc").map_err(wrong)? || asked.profile.is_none();
        let (file, no_file) = match norc {
            true => (Map::new().into(), None),
            false => {
                let file = self.0.load().map_err(StartError::ReadProfile)?;
                (file, self.0.no_file())
            }
        };
        let host = self.0.host_name().map_err(StartError::ReadProfile)?;
        let mut program = program::as_values(settings, asked.profile.is_some());
        program.extend(values);
        let program: Map = program.into_iter().collect();
        let mut sources = Sources::new(&host, &asked.word);
        if let Some(ProfileName::Named(name)) = &asked.profile {
            sources.name = Some(name);
        }
        sources.file = Some(&file);
        sources.no_file = no_file.as_deref();
        sources.program = Some(&program);
        sources.force = force;
        sources.norc = norc;
        let profile = sources.resolve().map_err(wrong)?;
        // Keep the unsupported feature and the warnings of an earlier `NodeBuilder::fill`.
        let before = settings.unsupported.take();
        let mut warnings = std::mem::take(&mut settings.warnings);
        profile.fill(settings);
        settings.unsupported = settings.unsupported.or(before);
        warnings.append(&mut settings.warnings);
        settings.warnings = warnings;
        Ok(())
    }
}

fn wrong(error: ProfileError) -> StartError {
    StartError::Profile(error.into())
}

/// Removes all values of the pseudo key `name` from `values`. The last one counts.
fn take_flag(values: &mut Vec<(Text, Value)>, name: &'static str) -> Result<bool, ProfileError> {
    let given: Vec<_> = values.extract_if(.., |(key, _)| *key == name).collect();
    match given.last() {
        None => Ok(false),
        // Pseudo keys are not in the table of keys. They take the values of any flag.
        Some((_, value)) => Key::pseudo_flag(name, value),
    }
}
