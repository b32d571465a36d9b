//! Values of keys, checked when they are written by the code that reads them when a node starts.

use aemp::handshake::Secret;
use aemp::profile::{Key, Place, Profile, Sources};
use aemp::settings::{Fill, Settings};
use aemp::{Map, Value};

use crate::failure::Failure;
use crate::output;

/// Checks that a node could be told `value`, whatever else it is told. A secret has to be as long as `min_secret`, the value of
/// that key, says. Values that have no effect are said to have none.
pub(crate) fn check(key: Key, value: &Value, min_secret: Option<Value>) -> Result<(), Failure> {
    key.check(value, &Place::CommandLine)?;
    let least = Key::MinSecret;
    let min_secret = min_secret.filter(|value| least.check(value, &Place::Global).is_ok());
    let pairs = min_secret.map(|value| (least.name(), value));
    let values: Map = pairs
        .into_iter()
        .chain([(key.name(), value.clone())])
        .collect();
    // `%n` and `%u` fit into a node ID, whatever they become.
    let mut sources = Sources::new("host", "word");
    sources.program = Some(&values);
    let profile = sources.resolve()?;
    let warnings = profile.warnings.clone();
    aemp::node().fill(Alone(profile)).check()?;
    for warning in warnings {
        output::hint(&warning.to_string());
    }
    Ok(())
}

/// A profile of one key. That it lacks others is no mistake, nor that another program has its services.
struct Alone(Profile);

impl Fill for Alone {
    fn fill(self, settings: &mut Settings) {
        let secret = self.0.secret.clone();
        self.0.fill(settings);
        settings.set_secret(secret.or_else(|| Secret::new(vec![0; 16], 16).ok()));
        settings.services.clear();
        settings.unsupported = None;
    }
}
