//! Companies of strangers, each in a process of its own, so that none needs more than the 1,024 open files that a process may
//! have by default.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::door::{Door, Network};
use crate::process::Child;

pub(crate) const COMPANIES: usize = 16;

/// Strangers in a company: 10,000 in all.
const EACH: usize = 625;

/// A company says so each time that as many more have been at the door.
const PART: usize = 25;

/// Strangers of a company that stand before the door for the first time at once. All of them together are fewer than the
/// connections that the system completes before they are accepted.
const AT_ONCE: usize = 16;

/// Between two strangers of a company who come back. All companies together make 160 a second, who fill the places at the
/// door once in 0.8 s: so long a node has for its opening.
const BACK: Duration = Duration::from_millis(100);

/// Between two bytes of a slow stranger.
const SLOW: Duration = Duration::from_millis(100);

/// What a stranger does after what opens its conversation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Silent,
    Half,
    Garbage,
    Slow,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Silent, Self::Half, Self::Garbage, Self::Slow];

    fn named(name: &str) -> Self {
        let kind = Self::ALL
            .into_iter()
            .find(|kind| format!("{kind:?}") == name);
        kind.unwrap()
    }
}

/// As the test sees it.
pub(crate) struct Company(Child);

impl Company {
    pub(crate) fn start(number: usize, kind: Kind, door: &Door, network: &Network) -> Self {
        let variables = network.variables().chain([
            ("AEMP_AT", door.at.clone()),
            ("AEMP_COMPANY", number.to_string()),
            ("AEMP_KIND", format!("{kind:?}")),
        ]);
        Self(Child::start("strangers", variables))
    }

    /// Waits until each of them has been at the door: the node has greeted it or sent it away. From then on those whom it
    /// sends away come back.
    pub(crate) async fn all_there(&mut self) {
        for _ in 0..EACH / PART {
            self.0.line("@there").await;
        }
    }
}

/// What one stranger says: some bytes at once, and more one by one.
struct Says {
    at_once: Vec<u8>,
    slowly: Vec<u8>,
}

impl Says {
    /// The stranger `n` of this kind. With `tls` a third begin their conversation there, as the client of TLS (with the lower
    /// nonce line), and a third as its server.
    fn new(n: usize, kind: Kind, tls: bool) -> Self {
        let greeting = format!("aemp;1;x{n};tls_sha3_512,hmac_sha3_512;json;tls=1.0\n");
        let (mut before, half) = match n % 3 {
            1 if tls => (format!("{greeting}\n").into_bytes(), half_hello()),
            2 if tls => (format!("{greeting}~\n").into_bytes(), half_hello()),
            _ => (Vec::new(), greeting[..greeting.len() / 2].into()),
        };
        let (more, slowly) = match kind {
            Kind::Silent => (Vec::new(), Vec::new()),
            Kind::Half => (half, Vec::new()),
            Kind::Garbage => ((0..=255).cycle().take(16 << 10).collect(), Vec::new()),
            Kind::Slow => (Vec::new(), half),
        };
        before.extend(more);
        Self {
            at_once: before,
            slowly,
        }
    }
}

/// The first half of the longest message of a TLS handshake: two records of 16 KiB.
fn half_hello() -> Vec<u8> {
    let mut hello = vec![1, 0, 0xff, 0xff];
    hello.resize(32 << 10, 0);
    let record = |content: &[u8]| [&[0x16, 3, 3, 0x40, 0][..], content].concat();
    hello.chunks(16 << 10).flat_map(record).collect()
}

/// What the process runs: its strangers come, and whoever is sent away comes back.
pub(crate) async fn run() {
    let variable = |name| std::env::var(name).unwrap();
    let tls = Network::of_variables().pem.is_some();
    let kind = Kind::named(&variable("AEMP_KIND"));
    let at: SocketAddr = variable("AEMP_AT").parse().unwrap();
    let company: u8 = variable("AEMP_COMPANY").parse().unwrap();
    let mut back = interval(BACK);
    back.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let way = Arc::new(Way {
        at,
        first: Semaphore::new(AT_ONCE),
        there: watch::Sender::new(0),
        back: Mutex::new(back),
    });
    for n in 0..EACH {
        let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
        let source = Ipv4Addr::new(127, 16 + company, 1 + high, low);
        tokio::spawn(way.clone().stand(source, Says::new(n, kind, tls)));
    }
    std::future::pending::<()>().await;
}

/// How the strangers of a company come to the door.
struct Way {
    at: SocketAddr,
    first: Semaphore,
    /// How many have been there. Watched for the last of them only.
    there: watch::Sender<usize>,
    back: Mutex<Interval>,
}

impl Way {
    async fn stand(self: Arc<Self>, source: Ipv4Addr, says: Says) {
        let permit = self.first.acquire().await.unwrap();
        let mut stream = self.knock(source, &says).await;
        drop(permit);
        self.there.send_if_modified(|there| {
            *there += 1;
            if there.is_multiple_of(PART) {
                println!("@there {there}");
            }
            *there == EACH
        });
        let mut there = self.there.subscribe();
        loop {
            says.slowly(&mut stream).await;
            drop(stream);
            there.wait_for(|there| *there == EACH).await.unwrap();
            self.back.lock().await.tick().await;
            stream = self.knock(source, &says).await;
        }
    }

    /// Connects, says what it says at once, and waits until the node has answered in some way.
    async fn knock(&self, source: Ipv4Addr, says: &Says) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let mut stream = socket.connect(self.at).await.unwrap();
        // It may be sent away at any time.
        let _ = stream.write_all(&says.at_once).await;
        let _ = stream.read_u8().await;
        stream
    }
}

impl Says {
    /// Says the rest, until it is sent away.
    async fn slowly(&self, stream: &mut TcpStream) {
        let (mut read, mut write) = stream.split();
        let trickle = async {
            for byte in &self.slowly {
                sleep(SLOW).await;
                let _ = write.write_all(&[*byte]).await;
            }
            std::future::pending::<()>().await;
        };
        let mut come = Vec::new();
        tokio::select! {
            _ = read.read_to_end(&mut come) => {}
            () = trickle => {}
        }
    }
}
