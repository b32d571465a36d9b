//! A monitor needs an action.
use aemp_core::{LocalNode, PortId};

fn newcomer(node: &LocalNode, worker: &PortId, helper: &PortId) {
    node.monitor(worker, helper).detach();
}

fn main() {}
