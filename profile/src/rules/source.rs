//! `ProfileSource`: where a node that is about to start finds the configuration, and `Profiles`, which gives it to a
//! builder.

use std::error::Error;

use aemp_core::settings::{Asked, ConfigSource, Fill, ProfileName, Settings};
use aemp_core::{Map, StartError, Text, Value};

use super::{Key, ProfileError, Sources, program};

/// The configuration file and the host's name, for a [`Builder`](aemp_core::Builder) that was told a profile's name. The
/// crate `aemp-profile` has one that reads the file; a program that keeps its configuration elsewhere writes its own, and
/// gives it to the builder as [`Profiles`].
///
/// ```
/// use aemp_profile::{ProfileSource, Profiles};
/// use aemp_core::{LocalNode, Value, value::to_value};
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
    /// The file's content, a map without pairs where there is no file. It may block: a starting node calls it where
    /// that disturbs nobody.
    ///
    /// # Errors
    /// If there is a file and it cannot be used; the error says which, where in it and what to do.
    fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>>;

    /// The host's name: `%n` in node IDs, and the profile of who names none.
    ///
    /// # Errors
    /// If the system does not tell.
    fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>>;
}

impl<S: ProfileSource + ?Sized> ProfileSource for &S {
    fn load(&self) -> Result<Value, Box<dyn Error + Send + Sync>> {
        (**self).load()
    }

    fn host_name(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        (**self).host_name()
    }
}

/// Resolves the profiles of a [`ProfileSource`], for [`Builder::profiles`](aemp_core::Builder::profiles).
#[derive(Debug, Clone, Copy)]
pub struct Profiles<S>(pub S);

impl<S: ProfileSource> ConfigSource for Profiles<S> {
    fn configure(&self, asked: &Asked, settings: &mut Settings) -> Result<(), StartError> {
        let mut values = asked.values.clone();
        let force = take_flag(&mut values, "force").map_err(wrong)?;
        // No profile is wanted where there are values alone.
        let norc = take_flag(&mut values, "norc").map_err(wrong)? || asked.profile.is_none();
        let file = match norc {
            true => Map::new().into(),
            false => self.0.load().map_err(StartError::ReadProfile)?,
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
        sources.program = Some(&program);
        sources.force = force;
        sources.norc = norc;
        let profile = sources.resolve().map_err(wrong)?;
        // A profile that the program itself filled in may lack what no value here says again.
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

/// Takes all values of `name`, which is no key of a file, out of `values`; the last counts.
fn take_flag(values: &mut Vec<(Text, Value)>, name: &'static str) -> Result<bool, ProfileError> {
    let given: Vec<_> = values.extract_if(.., |(key, _)| *key == name).collect();
    match given.last() {
        None => Ok(false),
        // They have no row in the table of keys, and take what any flag takes.
        Some((_, value)) => Key::pseudo_flag(name, value),
    }
}
