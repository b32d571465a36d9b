//! What is sent implements `Serialize`.
use aemp_core::LocalNode;

struct Deposit {
    amount: u64,
}

fn newcomer(node: &LocalNode) {
    node.send("server#bank", Deposit { amount: 5 });
}

fn main() {}
