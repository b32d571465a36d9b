//! What is read for a port that is slow: it holds up who sends it, and nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use aemp::{Context, LocalNode, Message, PortId, Reason, routes};
use tokio::task::JoinSet;

use crate::common::{Network, linked, node, soon, until};
use crate::stranger::Stranger;

/// A gate that handlers wait at. It opens when this is dropped, so that a test that fails ends.
#[derive(Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// Bytes of a message to the slow port.
const PAYLOAD: usize = 100 << 10;

/// What a shard may have of one reader, and what that one gives it at a time, about.
const MANY: usize = 1 << 20;
const READ: usize = 512 << 10;

/// What it may have of all of them.
const HIGH: usize = 8 << 20;

/// Which shard of `node` runs `port`. Nothing else is at work there.
async fn shard_of(node: &LocalNode, port: &PortId) -> usize {
    const SENT: u64 = 100;
    let done = || -> Vec<u64> {
        node.stats()
            .shards
            .iter()
            .map(|shard| shard.processed)
            .collect()
    };
    let before = done();
    (0..SENT).for_each(|_| node.send(port, ("nothing",)));
    let all = before.iter().sum::<u64>() + SENT;
    until("they are done", || done().iter().sum::<u64>() >= all).await;
    let counts = done().into_iter().zip(before);
    let more = counts.map(|(now, before)| now - before);
    let (shard, _) = more.enumerate().max_by_key(|(_, more)| *more).unwrap();
    shard
}

fn backlog(node: &LocalNode) -> usize {
    node.stats().shards.iter().map(|shard| shard.backlog).sum()
}

/// Asks `a` for the time, and waits for the answer.
async fn asks(asker: &mut Stranger) {
    asker.send(br#"["","time","asker#p"]"#).await;
    asker.until("[\"p\",").await;
}

/// Node `a`, whose port `slow` waits at a gate while so many members send it so many messages each, more than it takes.
/// Others are answered, by its link, by ports of another shard, and at last by one of that shard.
async fn only_those_who_flood_wait(names: usize, messages: usize) {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").configure(|config| {
        config.cleartext = true;
        config.shards = 2;
        config.liveness_check = false;
    });
    let a = a.start().await.unwrap();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    let gate = Gate::default();
    let handled = Arc::new(AtomicUsize::new(0));
    let (waits, count) = (gate.0.clone(), handled.clone());
    let slow = move |_: &mut Context<'_>, _: Message| {
        let open = waits.0.lock().unwrap();
        drop(waits.1.wait_while(open, |open| !*open).unwrap());
        count.fetch_add(1, Ordering::Relaxed);
    };
    let count = handled.clone();
    // Says how much of the flood was handled before.
    let echo = move |cx: &mut Context<'_>, (n, reply): (u32, PortId)| {
        cx.send(&reply, (n, count.load(Ordering::Relaxed)));
    };
    let echo = || routes().on("echo", echo.clone()).on("nothing", |_, ()| ());
    let near = a.port_of(echo());
    let shard = shard_of(&a, &near).await;
    let far = loop {
        let port = a.port_of(echo());
        if shard_of(&a, &port).await != shard {
            break port;
        }
    };
    let slow = loop {
        let port = a.port_of(echo());
        if shard_of(&a, &port).await == shard {
            a.kill(&port, Reason::normal());
            break a.port_named(port.port().as_str(), slow.clone()).unwrap();
        }
    };
    let mut asker = Stranger::join(&network, "a", "asker").await;
    asks(&mut asker).await;

    let flood = format!(r#"["{}","{}"]"#, slow.port(), "x".repeat(PAYLOAD));
    let sent = Arc::new(AtomicUsize::new(0));
    let mut floods = JoinSet::new();
    for n in 0..names {
        let id = format!("flooder{n}");
        let mut flooder = Stranger::join(&network, "a", &id).await;
        linked(&a, &id).await;
        let (flood, sent) = (flood.clone(), sent.clone());
        floods.spawn(async move {
            for _ in 0..messages {
                flooder.send(flood.as_bytes()).await;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            flooder
        });
    }
    let most = HIGH.min(names * MANY);
    until("the flood fills the shard", || backlog(&a) >= most).await;
    // While it goes on, and when it has come to a halt.
    let mut still = 0;
    while still < 20 {
        let before = sent.load(Ordering::Relaxed);
        asks(&mut asker).await;
        let (n, _): (u32, usize) = soon(b.call(&far, ("echo", 7))).await.unwrap();
        assert_eq!(n, 7);
        still = match sent.load(Ordering::Relaxed) == before {
            true => still + 1,
            false => 0,
        };
    }
    assert!(
        sent.load(Ordering::Relaxed) < names * messages,
        "it does not wait"
    );
    let bound = most + names * READ;
    let held = backlog(&a);
    assert!(held < bound, "{held} bytes");
    // What is for a port of that shard is behind what the shard has, and its sender goes on.
    let call = tokio::spawn({
        let call = b.call::<(u32, usize)>(&near, ("echo", 8));
        call.into_future()
    });
    asks(&mut asker).await;
    for n in 0..20 {
        let (m, _): (u32, usize) = soon(b.call(&far, ("echo", n))).await.unwrap();
        assert_eq!(m, n);
    }
    assert_eq!(handled.load(Ordering::Relaxed), 0);
    gate.open();
    let (n, before) = soon(call).await.unwrap().unwrap();
    assert_eq!(n, 8);
    assert!(before <= bound / PAYLOAD, "{before} messages came first");
    until("all arrives", || {
        handled.load(Ordering::Relaxed) == names * messages
    })
    .await;
    assert_eq!(floods.join_all().await.len(), names);
    until("the backlog is gone", || backlog(&a) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_to_a_slow_port_holds_up_its_sender_alone() {
    only_those_who_flood_wait(1, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_under_many_names_holds_up_those_alone() {
    only_those_who_flood_wait(12, 40).await;
}
