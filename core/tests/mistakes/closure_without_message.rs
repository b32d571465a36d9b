//! A closure of the wrong arguments.
use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    node.port(|message| println!("{message:?}"));
}

fn main() {}
