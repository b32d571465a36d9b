//! A type that is no port.
use aemp_core::LocalNode;

struct Counter(u64);

fn newcomer(node: &LocalNode) {
    node.port_of(Counter(0));
}

fn main() {}
