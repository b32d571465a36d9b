//! What TLS costs: openings with and without it, and messages over a link with TLS beside rustls over the same stream by
//! hand with the same messages.
//!
//! The ratio covers all that nodes do for a message: for messages of a KiB and more that is mostly TLS. A small message takes
//! nodes longer without TLS than it takes rustls by hand, so the ratio would miss its goal even if TLS cost nothing. So
//! both are also measured without TLS, and what TLS adds to each is printed.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use aemp::{LocalNode, NodeBuilder, Tls};
use common::rounds::{Bench, report};
use common::traffic::{
    CBOR, LARGE, Nodes, SMALL, Stream, cbor_in, cbor_out, connection, large_by_hand, payload,
    small_by_hand,
};
use hmac::{KeyInit, Mac, SimpleHmac};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use sha3::{Digest, Sha3_512};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

const SECRET: &str = "correct horse battery staple";

/// How often each is measured.
const ROUNDS: usize = 9;

/// Openings in a round.
const OPENINGS: u64 = 200;

/// What carries messages.
const CANDIDATES: [&str; 4] = [
    "rustls by hand",
    "nodes with TLS",
    "by hand without TLS",
    "nodes without TLS",
];

/// A key on P-256 and its certificate, and rustls for either end with it.
struct Certified {
    pem: String,
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Certified {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("random bytes");
        let certificate = rcgen::CertificateParams::default().self_signed(&key);
        let certificate = certificate.expect("it can sign");
        let chain = || vec![CertificateDer::from(certificate.der().to_vec())];
        let private = || PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(ring::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_client_auth_cert(chain(), private())
            .expect("it fits");
        client.resumption = rustls::client::Resumption::disabled();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain(), private())
            .expect("it fits");
        // Bytes that nobody reads would reset the connection when it is closed.
        server.send_tls13_tickets = 0;
        Self {
            pem: key.serialize_pem() + &certificate.pem(),
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
        }
    }

    async fn connect(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let connected = self.connector.connect(name, stream).await;
        TlsStream::Client(connected.expect("it is accepted"))
    }

    /// Two ends of a connection by hand.
    async fn connection(&self) -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
        let (dialled, accepted) = connection().await;
        let (dialled, accepted) =
            tokio::join!(self.connect(dialled), self.acceptor.accept(accepted));
        (dialled, TlsStream::Server(accepted.expect("it connects")))
    }
}

/// Opens a connection to the node by hand, up to its auth line.
async fn open(node: &LocalNode, id: u64, certified: Option<&Certified>) {
    let at = node.addresses()[0].to_string();
    let mut stream = TcpStream::connect(at).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket has that option");
    let offer = match certified {
        Some(_) => ";tls=1.0",
        None => "",
    };
    // An empty nonce is the lower one: this end is the client of TLS.
    let ours = format!("aemp;1;x{id};tls_sha3_512,hmac_sha3_512;cbor{offer}\n\n");
    stream
        .write_all(ours.as_bytes())
        .await
        .expect("it takes it");
    let mut theirs = Vec::new();
    while theirs.iter().filter(|byte| **byte == b'\n').count() < 2 {
        theirs.push(stream.read_u8().await.expect("it greets"));
    }
    let both = [ours.as_bytes(), &theirs].concat();
    match certified {
        Some(certified) => {
            let proof = hex(&Sha3_512::digest(&both));
            let stream = certified.connect(stream).await;
            prove(stream, &format!("tls_sha3_512;{proof};cbor\n")).await;
        }
        None => {
            let mac = SimpleHmac::<Sha3_512>::new_from_slice(SECRET.as_bytes());
            let mac = mac.expect("any length will do").chain_update(&both);
            let proof = hex(&mac.finalize().into_bytes());
            prove(stream, &format!("hmac_sha3_512;{proof};cbor\n")).await;
        }
    }
}

async fn prove(mut stream: impl Stream, line: &str) {
    stream
        .write_all(line.as_bytes())
        .await
        .expect("it takes it");
    stream.flush().await.expect("it takes it");
    while stream.read_u8().await.expect("it answers") != b'\n' {}
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Both ends on one thread: what an opening costs the two of them.
async fn openings(certified: &Certified) {
    let node = |id: &str| aemp::node().id(id).secret(SECRET).bind("127.0.0.1:0");
    let plain = node("plain").start().await.expect("it starts");
    let tls = Tls::from_pem(&certified.pem).expect("a PEM");
    let secured = node("tls").tls(tls).start().await.expect("it starts");
    let mut bench = Bench::new(["hmac_sha3_512 without TLS", "TLS 1.3, both certificates"]);
    let mut id = 0;
    for _ in 0..ROUNDS {
        for (which, node, certified) in [(0, &plain, None), (1, &secured, Some(certified))] {
            let round = async {
                for _ in 0..OPENINGS {
                    id += 1;
                    open(node, id, certified).await;
                }
            };
            bench.time(which, round).await;
        }
    }
    report(
        "openings, one after the other, both ends on one core",
        &bench,
        OPENINGS,
    );
    println!(
        "  {:.2}x the rate of those without TLS\n",
        bench.ratio(0, 1)
    );
}

async fn messages(certified: &Certified) {
    let tls = Tls::from_pem(&certified.pem).expect("a PEM");
    let secured = |node: NodeBuilder| node.tls(tls.clone());
    let long: &'static str = "x".repeat(1 << 10).leak();
    for (text, size) in [(CBOR, "92 bytes"), (long, "1 KiB of text")] {
        let nodes = Nodes::new("cbor", text, secured).await;
        let plain = Nodes::new("cbor", text, |node| node).await;
        let mut bench = Bench::new(CANDIDATES);
        for _ in 0..ROUNDS {
            let streams = certified.connection().await;
            let by_hand = small_by_hand(streams, text, cbor_out, cbor_in);
            bench.time(0, by_hand).await;
            bench.time(1, nodes.small()).await;
            let by_hand = small_by_hand(connection().await, text, cbor_out, cbor_in);
            bench.time(2, by_hand).await;
            bench.time(3, plain.small()).await;
        }
        report(&format!("one-way over TLS, cbor, {size}"), &bench, SMALL);
        compared(&bench, SMALL);
    }
    let nodes = Nodes::new("cbor", CBOR, secured).await;
    let plain = Nodes::new("cbor", CBOR, |node| node).await;
    let payload = payload();
    let mut bench = Bench::new(CANDIDATES);
    for _ in 0..ROUNDS {
        let streams = certified.connection().await;
        bench.time(0, large_by_hand(streams, &payload)).await;
        bench.time(1, nodes.large(&payload)).await;
        let streams = connection().await;
        bench.time(2, large_by_hand(streams, &payload)).await;
        bench.time(3, plain.large(&payload)).await;
    }
    report("one-way over TLS, cbor, 1 MiB of bytes", &bench, LARGE);
    compared(&bench, LARGE);
}

fn compared(bench: &Bench, operations: u64) {
    println!(
        "  {:.2}x the rate of rustls by hand (goal: at least 0.8; if TLS cost nodes nothing {:.2})",
        bench.ratio(0, 1),
        bench.ratio(0, 3)
    );
    println!(
        "  {:.2}x where both are without TLS; TLS adds {:.0} ns to nodes, {:.0} ns by hand\n",
        bench.ratio(2, 3),
        bench.difference(3, 1) / operations as f64,
        bench.difference(2, 0) / operations as f64
    );
}

fn main() {
    let certified = Certified::new();
    let one = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    one.expect("a runtime").block_on(openings(&certified));
    let two = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    two.expect("a runtime").block_on(messages(&certified));
}
