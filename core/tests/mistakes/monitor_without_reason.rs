//! The closure of a monitor takes the reason.
use aemp_core::{LocalNode, PortId};

fn newcomer(node: &LocalNode, worker: &PortId) {
    node.monitor(worker, || println!("gone")).detach();
}

fn main() {}
