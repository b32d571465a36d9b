//! Arguments of a handler implement `Deserialize`.
use aemp_core::routes;

struct Deposit {
    amount: u64,
}

fn newcomer() {
    let _ = routes().on("deposit", |_, deposit: Deposit| println!("{}", deposit.amount));
}

fn main() {}
