//! An inbox has an ID.
use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    let inbox = node.inbox();
    node.send(&inbox, ("hello",));
}

fn main() {}
