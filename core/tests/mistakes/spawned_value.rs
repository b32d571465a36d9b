//! A spawned future has the outcome of a handler.
use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    node.port(|cx, _| cx.spawn(async { 5 }));
}

fn main() {}
