//! The services that are built in, and what every node that `run` starts offers.

mod catcher;
mod echo;
mod logs;
mod tap;

use aemp::LocalNode;
use aemp::Values;

pub(crate) use logs::{LogLayer, Logs};

use crate::Registry;

/// Adds those that are built in.
pub(crate) fn built_in(registry: Registry) -> Registry {
    registry
        .service("aemp::echo", |node: &LocalNode, _: Values| {
            echo::start(node)
        })
        .service("aemp::global", |node: &LocalNode, _: Values| {
            node.directory().serve_directory();
        })
        .service("aemp::log", |node: &LocalNode, arguments: Values| {
            catcher::start(node, &arguments)
        })
        .service("aemp::tap", tap::start)
}
