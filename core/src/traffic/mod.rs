//! Information about connections: properties, events, statistics and taps.

mod events;
mod info;
mod pulse;
mod stats;
mod tap;

pub use events::{NodeEvent, NodeEvents};
pub use info::ConnectionInfo;
pub(crate) use pulse::Pulse;
pub use stats::{ConnectionStats, Traffic};
pub(crate) use tap::Taps;
pub use tap::{Direction, Tap, TapConfig, Tapped, TappedMessage};
