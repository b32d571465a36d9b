//! The services that are built in, and what every node that `run` starts offers.

mod catcher;
mod echo;
pub(crate) mod inspect;
mod logs;
mod tap;

use aemp::{LocalNode, Value};

pub(crate) use logs::{LogLayer, Logs};

use crate::Registry;

/// Adds those that are built in.
pub(crate) fn built_in(registry: Registry) -> Registry {
    registry
        .service("aemp::echo", |node: &LocalNode, _: Vec<Value>| {
            echo::start(node)
        })
        .service("aemp::global", |node: &LocalNode, _: Vec<Value>| {
            node.directory().become_global();
        })
        .service("aemp::log", |node: &LocalNode, arguments: Vec<Value>| {
            catcher::start(node, &arguments)
        })
        .service("aemp::tap", tap::start)
}
