//! A name may be taken.
#![deny(unused_must_use)]

use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    node.port_named("log", |_, message| println!("{message:?}"));
    node.inbox();
}

fn main() {}
