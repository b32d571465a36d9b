//! A port may run on any thread.
use std::rc::Rc;

use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    let name = Rc::new("log".to_owned());
    node.port(move |_, message| println!("{name}: {message:?}"));
}

fn main() {}
