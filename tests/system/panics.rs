//! A transport that panics, in each of its functions: what waits for it fails, and the node goes on.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use aemp::codec::{Capabilities, Codec, Decoder, Encoder, Limits, PeerInfo, TokenWriter};
use aemp::stats::SeedState;
use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use aemp::{Address, ConnectError, Json, LocalNode, PortId, StartError, reason, routes};
use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::common::{Network, SECRET, linked, soon, unlinked, until};
use crate::log::Log;

/// The network in memory with a function that panics.
#[derive(Clone)]
struct Faulty(Network, Fault);

type Fault = Arc<Mutex<&'static str>>;

fn spring(fault: &Fault, function: &'static str) {
    let armed = *fault.lock().unwrap() == function;
    assert!(!armed, "{function} panics");
}

fn arm(fault: &Fault, function: &'static str) {
    *fault.lock().unwrap() = function;
}

#[async_trait]
impl Transport for Faulty {
    fn scheme(&self) -> &str {
        "mem"
    }

    async fn listen(&self, at: &Address, options: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        spring(&self.1, "listen");
        let listener = self.0.listen(at, options).await?;
        Ok(Box::new(FaultyListener(listener, self.1.clone())))
    }

    async fn connect(&self, to: &Address, options: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        spring(&self.1, "connect");
        let stream = self.0.connect(to, options).await?;
        Ok(Box::new(FaultyStream(stream, self.1.clone())))
    }
}

struct FaultyListener(Box<dyn Listener>, Fault);

#[async_trait]
impl Listener for FaultyListener {
    fn addresses(&self) -> Vec<Address> {
        self.0.addresses()
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        let stream = self.0.accept().await?;
        spring(&self.1, "accept");
        Ok(stream)
    }
}

struct FaultyStream(Box<dyn Stream>, Fault);

impl Stream for FaultyStream {}

impl AsyncRead for FaultyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        spring(&self.1, "read");
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        spring(&self.1, "write");
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Node `a` with a port that echoes, and what node `b` is built with, whose transport panics where the fault says.
async fn scene() -> (LocalNode, PortId, aemp::NodeBuilder, Fault) {
    let (network, fault) = (Network::default(), Fault::default());
    let builder = |id| aemp::node().id(id).secret(SECRET);
    let a = builder("a").bind("mem:a").transport(network.clone());
    let a = a.start().await.unwrap();
    let echo = a.port_of(routes().on("echo", |cx, (n, reply): (u32, PortId)| {
        cx.send(&reply, (n,))
    }));
    let b = builder("b").transport(Faulty(network, fault.clone()));
    (a, echo, b, fault)
}

async fn answers(node: &LocalNode, echo: &PortId) {
    let (n,): (u32,) = soon(node.call(echo, ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_connection_fails_when_connecting_panics() {
    for function in ["connect", "read", "write"] {
        let (_a, echo, b, fault) = scene().await;
        let b = b.peer("a", "mem:a").start().await.unwrap();
        arm(&fault, function);
        let gone = b.gone(&echo);
        b.send(&echo, ("echo", 1, "a#"));
        let why = soon(gone).await.to_string();
        assert!(why.contains(&format!("{function} panics")), "{why}");
        arm(&fault, "");
        answers(&b, &echo).await;
        assert_eq!(soon(b.shutdown()).await.failure, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_is_tried_again_when_connecting_panics() {
    for function in ["connect", "read", "write"] {
        let (_a, echo, b, fault) = scene().await;
        arm(&fault, function);
        let b = b.seed("mem:a").start().await.unwrap();
        let error = soon(b.joined()).await.unwrap_err();
        assert!(
            matches!(&*error.error, ConnectError::Panicked { text, .. } if text.contains(&format!("{function} panics"))),
            "{error:?}"
        );
        assert!(matches!(b.seeds()[0].state, SeedState::Failed(_)));
        arm(&fault, "");
        linked(&b, "a").await;
        answers(&b, &echo).await;
        assert_eq!(soon(b.shutdown()).await.failure, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_stream_panics_is_lost_like_any_other() {
    for function in ["read", "write"] {
        let (log, _guard) = Log::start();
        let (a, echo, b, fault) = scene().await;
        let b = b.seed("mem:a").start().await.unwrap();
        soon(b.joined()).await.unwrap();
        let (gone, lost) = (b.gone(&echo), a.gone("b"));
        answers(&b, &echo).await;
        arm(&fault, function);
        b.send(&echo, ("echo", 1, "b#"));
        assert_eq!(soon(gone).await.kind(), Some("transport_error"));
        arm(&fault, "");
        soon(lost).await;
        assert_eq!(log.with(&["ERROR", &format!("{function} panics")]).len(), 1);
        unlinked(&b, "a").await;
        linked(&b, "a").await;
        answers(&b, &echo).await;
        assert_eq!(soon(b.shutdown()).await.failure, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_goes_on() {
    let (log, _guard) = Log::start();
    let (a, _, b, fault) = scene().await;
    arm(&fault, "accept");
    let _b = b.bind("mem:b").start().await.unwrap();
    a.add_seed("mem:b".parse().unwrap());
    until("the listener has panicked", || {
        !log.with(&["ERROR", "accept panics"]).is_empty()
    })
    .await;
    arm(&fault, "");
    linked(&a, "b").await;
}

/// JSON but for one number, at which it panics.
struct FaultyJson;

const FATAL: f64 = 6.66;

impl Codec for FaultyJson {
    fn name(&self) -> &str {
        Json.name()
    }
    fn capabilities(&self, peer: &PeerInfo) -> Capabilities {
        Json.capabilities(peer)
    }
    fn encoder(&self) -> Encoder {
        Encoder::Tokens(&Self)
    }
    fn keepalive(&self) -> &[u8] {
        b"[]"
    }
    fn decoder(&self, limits: &Limits, peer: &PeerInfo) -> Box<dyn Decoder> {
        Json.decoder(limits, peer)
    }
}

fn json() -> &'static dyn TokenWriter {
    match Json.encoder() {
        Encoder::Tokens(sink) => sink,
        _ => unreachable!(),
    }
}

macro_rules! as_json {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name(&self, out: &mut BytesMut $(, $argument: $type)*) {
            json().$name(out $(, $argument)*);
        })*
    };
}

impl TokenWriter for FaultyJson {
    fn float(&self, out: &mut BytesMut, x: f64) {
        assert!(x != FATAL, "the number of the beast");
        json().float(out, x);
    }
    as_json! {
        message(len: Option<usize>);
        null();
        bool(b: bool);
        unsigned(n: u64);
        negative(n: u64);
        text(text: &str);
        bytes(bytes: &[u8]);
        key(text: &str);
        array(len: Option<usize>);
        end_array(len: Option<usize>);
        map(len: Option<usize>);
        end_map(len: Option<usize>);
        tag(tag: u64);
        simple(n: u8);
    }
}

#[tokio::test(start_paused = true)]
async fn a_codec_that_panics_fails_its_connection_and_nothing_else() {
    let (a, echo, b, _) = scene().await;
    let b = b.codec(FaultyJson).codecs(["json"]).peer("a", "mem:a");
    let b = b.start().await.unwrap();
    // What waits meets the codec in the task of the connection.
    let gone = b.gone(&echo);
    b.send(&echo, (FATAL,));
    let why = soon(gone).await.to_string();
    assert!(why.contains("the number of the beast"), "{why}");
    unlinked(&b, "a").await;
    answers(&b, &echo).await;
    // So does the end of a port that the peer watches, in a shard.
    let port = b.port_of(routes());
    let gone = a.gone(&port);
    answers(&b, &echo).await;
    b.kill(&port, reason![FATAL]);
    assert_eq!(soon(gone).await.kind(), Some("transport_error"));
    answers(&b, &echo).await;
    assert_eq!(soon(b.shutdown()).await.failure, None);
}

#[tokio::test]
async fn a_node_does_not_start_when_listening_panics() {
    let (_a, _, b, fault) = scene().await;
    arm(&fault, "listen");
    let error = b.bind("mem:b").start().await.unwrap_err();
    assert!(matches!(&error, StartError::Listen { .. }), "{error}");
    let error = aemp::error::Report(&error).to_string();
    assert!(error.contains("listen panics"), "{error}");
}
