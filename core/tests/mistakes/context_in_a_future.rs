//! A future outlives the handler, and so its context.
use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    node.port(|cx, message| {
        cx.spawn(async move { cx.send("server#log", message) });
    });
}

fn main() {}
