//! Information about connections: properties, events, statistics and taps; and the traces of messages.

mod events;
mod info;
mod pulse;
mod stats;
mod tap;
mod trace;

pub use events::{NodeEvent, NodeEvents};
pub use info::ConnectionInfo;
pub(crate) use pulse::Pulse;
pub use stats::{ConnectionStats, Traffic};
pub(crate) use tap::Taps;
pub use tap::{Direction, Tap, TapConfig, Tapped, TappedMessage};
pub(crate) use trace::Entered;
pub use trace::Propagator;
