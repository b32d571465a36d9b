//! `port` takes a closure.
use aemp_core::{LocalNode, routes};

fn newcomer(node: &LocalNode) {
    node.port(routes().on("hello", |_, ()| ()));
}

fn main() {}
