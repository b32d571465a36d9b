//! Memory of idle ports: how much the process grows by a million of them.

mod common;

use std::hint::black_box;

use aemp_core::{Context, LocalNode, Message};
use common::memory;

const PORTS: usize = 1_000_000;

#[tokio::main]
async fn main() {
    let Some(before) = memory::resident() else {
        println!(
            "idle ports: this system does not say how much memory a process has (/proc/self/statm)"
        );
        return;
    };
    let node = LocalNode::builder()
        .id("bench")
        .start()
        .await
        .expect("a node without network starts");
    for n in 0..PORTS {
        // As small a state as a port can have and use.
        let mut total = n;
        node.port(move |_: &mut Context<'_>, _: Message| {
            total += 1;
            black_box(total);
        });
        if n % 1000 == 0 {
            // Else most of them would wait in queues at once, and their memory be measured as well.
            tokio::task::yield_now().await;
        }
    }
    // The last port on each shard answers once all that came before it are there.
    let alive = answers(&node).await;
    assert!(alive, "a port is missing: no result");
    let Some(after) = memory::resident() else {
        return;
    };
    let each = after.saturating_sub(before) as f64 / PORTS as f64;
    println!("idle ports: {each:.0} bytes each, of {PORTS} (goal: at most 250)");
}

/// Whether ports on all shards answer, so that nothing is on its way any more.
async fn answers(node: &LocalNode) -> bool {
    for _ in 0..64 {
        let echo = node.port(|cx: &mut Context<'_>, message: Message| {
            if let Ok((reply,)) = message.parse::<(aemp_core::PortId,)>() {
                cx.send(&reply, ("here",));
            }
        });
        let answer = node.call::<(String,)>(&echo, ());
        if answer
            .within(std::time::Duration::from_secs(60))
            .await
            .is_err()
        {
            return false;
        }
    }
    true
}
