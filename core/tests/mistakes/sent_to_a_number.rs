//! Not every value names a port.
use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    node.send(7, ("hello",));
}

fn main() {}
