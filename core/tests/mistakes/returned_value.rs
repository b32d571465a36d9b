//! What a handler returns is no answer, but with `answer`.
use aemp_core::routes;

fn newcomer() {
    let _ = routes().on("add", |_, (a, b): (i64, i64)| a + b);
}

fn main() {}
