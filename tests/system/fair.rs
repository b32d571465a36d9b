//! Fairness: whatever one peer sends, it gets its answers, others get theirs, and a lost link is noticed.
//!
//! Turns are counted, not timed: the flood is a stream that has something to read whenever it is asked, and counts
//! how often that was.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use aemp::stats::ConnectionStats;
use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use aemp::{Address, LocalNode, PortId, routes};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::consume_budget;

use crate::common::{Network, linked, node, soon, until};
use crate::nodes::port;
use crate::stranger::Stranger;

/// Reads from a flood that a node may be ahead with when another task has its turn: a few turns of the link.
const FAIR: usize = 100;

/// Reads after which a flood ends in any case, so that a node that only reads fails its test in time.
const FLOOD: usize = 3_000;

/// Bytes that a read of the flood gives at most.
const READ: usize = 1 << 10;

const HIGH_WATER: usize = 1 << 20;
const QUEUE_LIMIT: usize = 4 << 20;

/// What a connection has to read, again and again, once it is switched on.
#[derive(Default)]
struct Flood {
    /// Comes first, and once.
    first: Mutex<&'static [u8]>,
    message: Mutex<Option<&'static [u8]>>,
    reads: AtomicUsize,
    reader: Mutex<Option<Waker>>,
}

impl Flood {
    fn start(&self, first: &'static str, message: &'static str) {
        *self.first.lock().unwrap() = first.as_bytes();
        *self.message.lock().unwrap() = Some(message.as_bytes());
        let reader = self.reader.lock().unwrap().take();
        reader.expect("a link waits for bytes").wake();
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Whole messages for one read, while the flood lasts.
    fn fill(&self, buffer: &mut ReadBuf<'_>) -> bool {
        let Some(message) = *self.message.lock().unwrap() else {
            return false;
        };
        let times = buffer.remaining().min(READ) / message.len();
        let begun = self.reads.load(Ordering::Relaxed);
        if times == 0 || begun >= FLOOD {
            return false;
        }
        self.reads.store(begun + 1, Ordering::Relaxed);
        let first = std::mem::take(&mut *self.first.lock().unwrap());
        if !first.is_empty() {
            buffer.put_slice(first);
            return true;
        }
        (0..times).for_each(|_| buffer.put_slice(message));
        true
    }
}

/// The network in memory, on which what is accepted can be made to flood.
#[derive(Clone, Default)]
struct Flooded {
    network: Network,
    flood: Arc<Flood>,
}

struct Accepting(Box<dyn Listener>, Arc<Flood>);

struct Endless(Box<dyn Stream>, Arc<Flood>);

#[async_trait]
impl Transport for Flooded {
    fn scheme(&self) -> &str {
        "flood"
    }

    async fn listen(&self, at: &Address, options: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        let listener = self.network.listen(at, options).await?;
        Ok(Box::new(Accepting(listener, self.flood.clone())))
    }

    async fn connect(&self, _: &Address, _: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[async_trait]
impl Listener for Accepting {
    fn addresses(&self) -> Vec<Address> {
        self.0.addresses()
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        let stream = self.0.accept().await?;
        Ok(Box::new(Endless(stream, self.1.clone())))
    }
}

impl Stream for Endless {
    fn local(&self) -> Option<SocketAddr> {
        self.0.local()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.0.peer()
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // As the runtime's own streams do.
        ready!(pin!(consume_budget()).poll(cx));
        if self.1.fill(buffer) {
            return Poll::Ready(Ok(()));
        }
        *self.1.reader.lock().unwrap() = Some(cx.waker().clone());
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(pin!(consume_budget()).poll(cx));
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A peer of `a` that calls its echo.
struct Others {
    b: LocalNode,
    echo: PortId,
}

/// Node `a` with an echo, a peer `b`, and a stranger whose connection to `a` can flood.
struct Scene {
    a: LocalNode,
    network: Network,
    others: Others,
    stranger: Stranger,
    flood: Arc<Flood>,
}

impl Scene {
    async fn new() -> Self {
        let flooded = Flooded::default();
        let network = flooded.network.clone();
        let a = node("a", &network)
            .transport(flooded.clone())
            .bind("mem:a")
            .bind("flood:open")
            .configure(|config| {
                config.cleartext = true;
                config.queue_limit = QUEUE_LIMIT;
                config.high_water = HIGH_WATER;
            });
        let a = a.start().await.unwrap();
        let echo = routes().on("echo", |cx, (n, reply): (u64, PortId)| {
            cx.send(&reply, (n,));
        });
        let echo = a.port_of_named("echo", echo).unwrap();
        let b = node("b", &network).seed("mem:a").start().await.unwrap();
        soon(b.joined()).await.unwrap();
        let mut stranger = Stranger::dial(&network, "open");
        stranger.greet("stranger", "json").await;
        linked(&a, "stranger").await;
        Self {
            a,
            network,
            others: Others { b, echo },
            stranger,
            flood: flooded.flood,
        }
    }
}

impl Scene {
    /// What `a` says of the stranger's connection.
    fn stats(&self) -> ConnectionStats {
        let links = self.a.stats().connections.into_iter();
        let mut strangers = links.filter(|link| link.info.peer() == "stranger");
        strangers.next().expect("the connection stands")
    }

    fn refused(&self) -> u64 {
        self.stats().refused
    }
}

impl Others {
    /// Starts `flood`, and says how many of its reads were done when `b` had a call answered.
    async fn answered_during(&self, flood: &Flood, message: &'static str) -> usize {
        flood.start("", message);
        // In the midst of it.
        while flood.reads() == 0 {
            tokio::task::yield_now().await;
        }
        let before = flood.reads();
        let call = self.b.call(&self.echo, ("echo", 7));
        let (n,): (u64,) = soon(call).await.unwrap();
        assert_eq!(n, 7);
        flood.reads() - before
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_without_a_pause_gets_its_answers() {
    let mut scene = Scene::new().await;
    let request = r#"["","time","stranger#p","asked"]"#;
    scene.flood.start(request, "[] ");
    scene.stranger.until("[\"p\",\"asked\",").await;
    let reads = scene.flood.reads();
    assert!(reads < FAIR, "answered after {reads} reads");
}

#[tokio::test(start_paused = true)]
async fn others_get_their_answers_while_one_peer_floods() {
    for message in [
        "[] ",
        r#"["missing",1]"#,
        r#"["echo","echo",1,"stranger#p"]"#,
        r#"["","time","stranger#p"]"#,
        r#"["","devnull"]"#,
    ] {
        let mut scene = Scene::new().await;
        let answered = scene.others.answered_during(&scene.flood, message);
        // The answers of the flood are read.
        let reads = tokio::select! {
            reads = answered => reads,
            () = scene.stranger.closed() => panic!("{message}: the link failed"),
        };
        assert!(reads < FAIR, "{message}: answered after {reads} reads");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_its_answers_gets_every_one_however_fast_it_asks() {
    let mut scene = Scene::new().await;
    let question = r#"["","time","stranger#p"]"#;
    scene.flood.start("", question);
    let asked = FLOOD * (READ / question.len());
    for _ in 0..asked {
        scene.stranger.until("[\"p\",").await;
    }
    assert!(scene.flood.reads() == FLOOD && scene.refused() == 0);
}

#[tokio::test(start_paused = true)]
async fn questions_of_a_peer_that_takes_no_answers_are_refused_and_counted() {
    let mut scene = Scene::new().await;
    scene.flood.start("", r#"["","time","stranger#p"]"#);
    until("questions are refused", || scene.refused() > 0).await;
    // Its other messages arrive, and its link stands.
    let mut inbox = scene.a.inbox();
    until("the flood is over", || scene.flood.reads() == FLOOD).await;
    let message = format!(r#"["{}","hello"]"#, inbox.id().port());
    scene.stranger.send(message.as_bytes()).await;
    let (hello,): (String,) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(hello, "hello");
    let queued = scene.stats().queued;
    assert!(
        (HIGH_WATER..HIGH_WATER + 1000).contains(&queued),
        "{queued}"
    );
    // Those that waited are answered when it reads.
    scene.stranger.take(HIGH_WATER).await;
    let held = 1000 * r#"["p",1796000000.5]"#.len();
    scene.stranger.take(held).await;
}

#[tokio::test(start_paused = true)]
async fn questions_that_wait_are_answered_when_the_asker_closes_its_direction() {
    let mut scene = Scene::new().await;
    scene.flood.start("", r#"["","time","stranger#p"]"#);
    until("questions wait", || scene.refused() > 0).await;
    scene.stranger.close().await;
    // More than one turn of the link can answer.
    scene.stranger.take(HIGH_WATER).await;
    soon(scene.stranger.end()).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_relayed_to_a_peer_that_takes_no_more() {
    let scene = Scene::new().await;
    let mut stopped = Stranger::dial(&scene.network, "a");
    stopped.greet("stopped", "json").await;
    linked(&scene.a, "stopped").await;
    // Far more than queue_limit.
    let payload = "x".repeat(900);
    let relay: &'static str = format!(r#"["","snd","stopped#p","{payload}"]"#).leak();
    scene.flood.start("", relay);
    until("all is relayed or refused", || scene.flood.reads() == FLOOD).await;
    linked(&scene.a, "stopped").await;
    until("relays are refused", || scene.refused() > FLOOD as u64 / 2).await;
    stopped.take(HIGH_WATER).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_done_for_a_link_that_has_failed() {
    let scene = Scene::new().await;
    let stranger: PortId = "stranger#p".parse().unwrap();
    let payload = "x".repeat(2 * QUEUE_LIMIT);
    scene.a.offer_function("test::fail", move |node, ()| {
        node.send(&stranger, (&payload,));
    });
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    scene.a.offer_function("test::count", move |_, ()| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let gone = scene.a.gone("stranger#p");
    scene
        .flood
        .start(r#"["","test::fail"]"#, r#"["","test::count"]"#);
    let why = soon(gone).await;
    assert!(why.to_string().contains("queue_limit"), "{why}");
    let done = count.load(Ordering::Relaxed);
    // The rest of its turn.
    assert!(done <= 32, "{done}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_port_of_this_node_keeps_no_message_from_its_port() {
    let flooded = Flooded::default();
    let a = node("a", &flooded.network)
        .bind("mem:a")
        .configure(|config| {
            config.cleartext = true;
            config.high_water = HIGH_WATER;
            config.shards = 4;
        });
    let a = a.start().await.unwrap();
    let mut stranger = Stranger::join(&flooded.network, "a", "stranger").await;
    linked(&a, "stranger").await;
    let mut inboxes: Vec<_> = (0..8).map(|_| a.inbox()).collect();
    let payload = "x".repeat(HIGH_WATER);
    a.send(port("stranger#p"), (&payload,));
    // The answers go to ports of other shards, while messages that begin alike go to each of these.
    let names: Vec<_> = inboxes.iter().map(|inbox| inbox.id().clone()).collect();
    for to in &names {
        let question = format!(r#"["","time","{to}","time"]"#);
        stranger.send(question.as_bytes()).await;
    }
    let first = names[0].port();
    stranger
        .send(format!(r#"["{first}","n",0]"#).as_bytes())
        .await;
    let take = stranger.take(HIGH_WATER);
    take.await;
    // Held questions are answered between two reads.
    for n in 1..50 {
        stranger
            .send(format!(r#"["{first}","n",{n}]"#).as_bytes())
            .await;
        tokio::task::yield_now().await;
    }
    let mut expected = 0;
    while expected < 50 {
        let (tag, n): (String, f64) = soon(inboxes[0].recv()).await.unwrap().parse().unwrap();
        if tag == "n" {
            assert_eq!(n, f64::from(expected));
            expected += 1;
        }
    }
}
