//! `aemp::tap`: lets others follow what crosses this node's links.

use aemp::tap::TapLimits;
use aemp::{Inspection, LocalNode, Reason, Values};

/// The service's argument: what those who follow cannot exceed.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    rate: Option<u64>,
    size: Option<u64>,
}

/// The argument, if there is one, is a map of `rate` (messages in a second) and `size` (bytes of each).
pub(super) fn start(node: &LocalNode, arguments: Values) -> Result<(), Reason> {
    let limits = match arguments.into_iter().next() {
        None => Limits::default(),
        Some(argument) => aemp::value::from_value(argument).map_err(|error| {
            Reason::die(format!(
                "its argument is a map such as {{\"rate\":100,\"size\":1000}}: {error}"
            ))
        })?,
    };
    let mut allowed = TapLimits::new();
    if let Some(rate) = limits.rate {
        allowed = allowed.rate(rate);
    }
    if let Some(size) = limits.size {
        allowed = allowed.size(size);
    }
    node.allow_inspection(Inspection::new().taps(allowed));
    Ok(())
}
