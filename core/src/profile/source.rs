//! `ProfileSource`: where a node that is about to start finds the configuration.

use std::error::Error;

use crate::Value;

/// The configuration file and the host's name, for a [`Builder`](crate::Builder) that was told a profile's name. The
/// crate `aemp-profile` has one that reads the file; a program that keeps its configuration elsewhere writes its own.
///
/// ```
/// use aemp_core::{LocalNode, Value, profile::ProfileSource, value::to_value};
/// struct Fixed;
/// impl ProfileSource for Fixed {
///     fn load(&self) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
///         Ok(to_value(&std::collections::HashMap::from([("nodeid", "fixed")]))?)
///     }
///     fn host_name(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///         Ok("localhost".to_owned())
///     }
/// }
/// let builder = LocalNode::builder().profiles(Fixed).profile("seed");
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
