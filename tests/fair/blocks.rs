//! A handler that blocks holds up its shard and nothing else of its node.
//!
//! The node that is blocked has a runtime of its own, as a process has.

use std::time::{Duration, Instant};

use aemp::{LocalNode, PortId, Value, routes};

use crate::log::Log;
use crate::socket::Socket;
use crate::{SECRET, alone, link, port, soon};

const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the handler blocks: two peers would give each other up meanwhile.
const BLOCKS: Duration = Duration::from_secs(3);

/// Ports of which some are on the other shard.
const ECHOS: usize = 20;

/// Node `id` with two threads and as many shards.
fn blocked_node(at: &str) -> (tokio::runtime::Runtime, LocalNode) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let node = aemp::node()
        .id("blocked")
        .secret(SECRET)
        .seed(at)
        .bind("127.0.0.1:0")
        .configure(|config| {
            config.cleartext = true;
            config.shards = 2;
            config.monitor_timeout = TIMEOUT;
        });
    let node = runtime.block_on(async {
        let node = node.start().await.unwrap();
        soon(node.joined()).await.unwrap();
        node
    });
    let block = routes()
        .on("block", |_, ()| std::thread::sleep(BLOCKS))
        .on("answer", |cx, (reply,): (PortId,)| {
            cx.send(&reply, ("answered",))
        })
        .on("answer-and-block", |cx, (reply,): (PortId,)| {
            cx.send(&reply, ("answered",));
            std::thread::sleep(BLOCKS);
        });
    node.port_of_named("block", block).unwrap();
    for n in 0..ECHOS {
        let echo = routes().on("echo", |cx, (what, reply): (Value, PortId)| {
            cx.send(&reply, (what,));
        });
        node.port_of_named(format!("echo{n}"), echo).unwrap();
    }
    (runtime, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_blocks_holds_up_its_shard_and_nothing_else() {
    let _alone = alone().await;
    let log = Log::everywhere();
    let node = aemp::node()
        .id("seed")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| config.monitor_timeout = TIMEOUT);
    let node = node.start().await.unwrap();
    let at = node.addresses()[0].to_string();
    let (runtime, blocked) = tokio::task::spawn_blocking(move || blocked_node(&at))
        .await
        .unwrap();
    let generation = link(&node, "blocked").await.generation();
    let block = port("blocked#block");
    for tag in ["block", "answer, then block", "answer-and-block"] {
        let begun = Instant::now();
        // What a handler sends before it or the next one blocks goes out.
        match tag {
            "block" => node.send(&block, ("block",)),
            "answer-and-block" => {
                let (answer,): (String,) = soon(node.call(&block, (tag,))).await.unwrap();
                assert_eq!(answer, "answered");
            }
            _ => {
                let mut inbox = node.inbox();
                node.send(&block, ("answer", inbox.id()));
                node.send(&block, ("block",));
                let answer = soon(inbox.recv()).await.unwrap();
                assert_eq!(answer.parse::<(String,)>().unwrap().0, "answered");
            }
        }
        assert!(begun.elapsed() < BLOCKS / 2, "{tag}: {:?}", begun.elapsed());
        // The node is quiet meanwhile, but for questions for a sign of life.
        tokio::time::sleep(BLOCKS / 2).await;
        // The ports of the other shard answer.
        let mut answers = 0;
        for n in 0..ECHOS {
            let echo = port(&format!("blocked#echo{n}"));
            let call = node.call::<(u64,)>(&echo, ("echo", 7));
            let limit = Duration::from_millis(50);
            answers += usize::from(
                tokio::time::timeout(limit, call.into_future())
                    .await
                    .is_ok(),
            );
        }
        assert!(answers > 0, "{tag}: no port answers");
        tokio::time::sleep(BLOCKS.saturating_sub(begun.elapsed())).await;
        let (what,): (u64,) = soon(node.call(port("blocked#echo0"), ("echo", 7)))
            .await
            .unwrap();
        assert_eq!(what, 7);
        assert_eq!(
            link(&node, "blocked").await.generation(),
            generation,
            "{tag}"
        );
    }
    let named = [
        "a handler has been running for 1s",
        "port=block",
        "tag=block",
    ];
    assert!(!log.with(&named).is_empty(), "{:?}", log.with(&["handler"]));
    soon(blocked.shutdown()).await;
    runtime.shutdown_background();
}

/// The same where the node is busy: whoever reads what makes a handler block has more to do, and yields just then.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_much_behind_what_blocks_is_answered_meanwhile() {
    let _alone = alone().await;
    let node = aemp::node().id("seed").secret(SECRET).bind("127.0.0.1:0");
    let node = node.start().await.unwrap();
    let at = node.addresses()[0].to_string();
    let (runtime, blocked) = tokio::task::spawn_blocking(move || blocked_node(&at))
        .await
        .unwrap();
    let at = blocked.addresses()[0].target().parse().unwrap();
    let mut asker = Socket::join("json", at, "asker").await;
    let begun = Instant::now();
    // In one write, so that one read brings it all: more than a turn's work, and answers that fill a batch.
    let questions = r#"["","time","asker#t","so late"]"#.repeat(200);
    asker
        .send(format!(r#"["block","block"]{questions}["","time","asker#t","last"]"#).as_bytes())
        .await;
    asker.until(r#""last","#).await;
    let took = begun.elapsed();
    assert!(took < BLOCKS / 2, "{took:?}");
    soon(blocked.shutdown()).await;
    runtime.shutdown_background();
}
