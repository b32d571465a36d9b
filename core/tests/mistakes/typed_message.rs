//! A typed port takes messages of its type.
use aemp_core::{LocalNode, PortRef};
use serde::Serialize;

#[derive(Serialize)]
enum Lamp {
    On,
    Off,
}

fn newcomer(node: &LocalNode, lamp: &PortRef<Lamp>) {
    node.tell(lamp, Lamp::On);
    node.tell(lamp, ("Off",));
}

fn main() {}
