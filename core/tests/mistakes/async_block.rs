//! Nor does one by tag.
use aemp_core::routes;

fn newcomer() {
    let _ = routes().on("hello", |_, (name,): (String,)| async move { println!("{name}") });
}

fn main() {}
