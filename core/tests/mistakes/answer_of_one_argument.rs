//! `answer` takes a tuple.
use aemp_core::routes;

fn newcomer() {
    let _ = routes().answer("double", |_, n: u64| 2 * n);
}

fn main() {}
