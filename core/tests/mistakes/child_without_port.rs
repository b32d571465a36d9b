//! A supervised child is a port.
use aemp_core::Supervision;

fn newcomer() {
    let _ = Supervision::one_for_one().child("worker", |node| println!("{}", node.id()));
}

fn main() {}
