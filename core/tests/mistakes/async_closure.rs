//! A handler does not wait.
use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    node.port(async |_, message| drop(message));
}

fn main() {}
