//! What the core does with whatever secures a connection, here one that encrypts nothing. `tests/tls` has the real one.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use aemp::transport::{Certificate, Secure, SecureConfig, Secured, Stream, TlsInfo};
use aemp::{LocalNode, NodeBuilder, PortId, routes};
use async_trait::async_trait;

use crate::common::{Network, linked, soon, until};
use crate::log::Log;

/// Does what the test says.
#[derive(Clone)]
struct Scripted(Arc<Mutex<Does>>);

#[derive(Clone, Copy)]
enum Does {
    /// Leaves the stream as it is, and says that the peer has a certificate.
    Pass,
    Refuse,
    Hang,
    Panic,
}

#[async_trait]
impl Secure for Scripted {
    async fn secure(&self, stream: Box<dyn Stream>, _: SecureConfig) -> io::Result<Secured> {
        let does = *self.0.lock().unwrap();
        match does {
            Does::Pass => {}
            Does::Refuse => return Err(io::Error::new(ErrorKind::InvalidData, "no such luck")),
            Does::Hang => std::future::pending().await,
            Does::Panic => panic!("secure panics"),
        }
        let certificate = Certificate::new(
            bytes::Bytes::new(),
            "CN=all",
            "CN=all",
            std::time::SystemTime::UNIX_EPOCH..std::time::SystemTime::UNIX_EPOCH,
            [7; 32],
        );
        let tls = TlsInfo::new("none", "none", Some(certificate));
        Ok(Secured::new(stream, tls))
    }
}

fn scripted() -> (Scripted, Arc<Mutex<Does>>) {
    let does = Arc::new(Mutex::new(Does::Pass));
    (Scripted(does.clone()), does)
}

fn node(id: &str, network: &Network, tls: Scripted) -> NodeBuilder {
    aemp::node().id(id).transport(network.clone()).tls(tls)
}

async fn answers(node: &LocalNode, echo: &PortId) {
    let (n,): (u32,) = soon(node.call(echo, ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
}

#[tokio::test(start_paused = true)]
async fn whatever_securing_a_connection_comes_to_the_node_goes_on() {
    let (log, _guard) = Log::start();
    let network = Network::default();
    let ((a_tls, a_does), (b_tls, b_does)) = (scripted(), scripted());
    let a = node("a", &network, a_tls).bind("mem:a").start();
    let a = a.await.unwrap();
    let echo = a.port_of(routes().on("echo", |cx, (n, reply): (u32, PortId)| {
        cx.send(&reply, (n,))
    }));
    let b = node("b", &network, b_tls).peer("a", "mem:a").start();
    let b = b.await.unwrap();
    let cases = [
        (Does::Refuse, "TLS with \"a\" failed: no such luck"),
        (Does::Hang, "TLS with \"a\" did not come up within 10s"),
        (Does::Panic, "secure panics"),
    ];
    for (does, expected) in cases {
        *b_does.lock().unwrap() = does;
        let gone = b.gone(&echo);
        b.send(&echo, ("echo", 1, "b#"));
        let why = soon(gone).await.to_string();
        assert!(why.contains(expected), "{why}");
    }
    *b_does.lock().unwrap() = Does::Pass;
    log.take();
    // And where the connection was accepted.
    for (does, expected) in &cases[..2] {
        *a_does.lock().unwrap() = *does;
        let gone = b.gone(&echo);
        b.send(&echo, ("echo", 1, "b#"));
        soon(gone).await;
        let expected = expected.replace("\"a\"", "\"b\"");
        let refused = || {
            !log.with(&["a connection was refused", &expected])
                .is_empty()
        };
        until(&expected, refused).await;
    }
    *a_does.lock().unwrap() = Does::Pass;
    answers(&b, &echo).await;
    linked(&a, "b").await;
    let link = a.connections().remove(0);
    let tls = link.tls().unwrap();
    assert_eq!(tls.certificate.as_ref().unwrap().subject, "CN=all");
    let up = log.with(&["node up", "peer=b", "tls=none"]);
    assert_eq!(up.len(), 1);
    assert_eq!(soon(b.shutdown()).await.failure, None);
}
