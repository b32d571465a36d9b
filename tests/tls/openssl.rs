//! The command `openssl` as the other end of TLS, in both roles, with the certificates that people make by it.
//!
//! The greetings are by hand over plain TCP. Then the bytes of that connection are passed to an `openssl` of its own
//! connection and back; what it decrypts comes out of its standard output, and its standard input is encrypted.

use std::process::Stdio;

use aemp::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::certificates::{Made, ca, own, plain};
use crate::folder::Folder;
use crate::nodes::{link, soon};
use crate::pair::{ask, listen, node};
use crate::stranger::{greet, hash};

/// A peer whose TLS is that of `openssl`. It has greeted.
struct Openssl {
    _process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    ours: [String; 2],
    theirs: [String; 2],
}

impl Openssl {
    /// `openssl s_client`: the nonce line is empty, and so the lower one.
    async fn client(stream: TcpStream, pem: &str, options: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let own = ["-connect", &at, "-cert", pem, "-key", pem, "-CAfile", pem];
        let quiet = ["-verify_return_error", "-quiet", "-no_ign_eof"];
        let own = [&["s_client"], &own[..], &quiet].concat();
        Self::start(stream, "", &[own, options.to_vec()].concat(), async {
            listener.accept().await.unwrap().0
        })
        .await
    }

    /// `openssl s_server`: the nonce line is higher than any of a node, which are hexadecimal.
    async fn server(stream: TcpStream, pem: &str, options: &[&str]) -> Self {
        let at = {
            let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
            free.local_addr().unwrap().to_string()
        };
        let own = ["-accept", &at, "-cert", pem, "-key", pem, "-CAfile", pem];
        let verify = [
            "-Verify",
            "1",
            "-verify_return_error",
            "-naccept",
            "1",
            "-quiet",
        ];
        let own = [&["s_server"], &own[..], &verify].concat();
        Self::start(stream, "~", &[own, options.to_vec()].concat(), async {
            loop {
                // It says nowhere that it listens.
                if let Ok(stream) = TcpStream::connect(&at).await {
                    return stream;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await
    }

    async fn start(
        mut stream: TcpStream,
        nonce: &str,
        arguments: &[&str],
        connected: impl Future<Output = TcpStream>,
    ) -> Self {
        let (ours, theirs) = greet(&mut stream, "openssl", nonce).await;
        let mut process = Command::new("openssl")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut tls = soon(connected).await;
        tokio::spawn(async move {
            let _ = copy_bidirectional(&mut stream, &mut tls).await;
        });
        Self {
            input: process.stdin.take().unwrap(),
            output: BufReader::new(process.stdout.take().unwrap()),
            _process: process,
            ours,
            theirs,
        }
    }

    async fn say(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).await.unwrap();
        self.input.flush().await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.output.read_line(&mut line)).await.unwrap();
        line
    }

    async fn until(&mut self, end: &str) {
        let all = async {
            let mut come = Vec::new();
            while !come.ends_with(end.as_bytes()) {
                come.push(self.output.read_u8().await.expect("it is open"));
            }
        };
        soon(all).await;
    }

    /// Authenticates, and hears the same of the node; then asks for an echo, and answers one.
    async fn talk(mut self, node: &aemp::LocalNode, version: &str) {
        let line = hash(&self.ours, &self.theirs);
        self.say(&line).await;
        assert_eq!(self.line().await, hash(&self.theirs, &self.ours));
        self.say(r#"["echo","echo","hello","openssl#me"]"#).await;
        self.until(r#"["me","hello"]"#).await;
        let link = link(node, "openssl").await;
        assert_eq!(link.tls().unwrap().version, version);
        assert!(link.tls().unwrap().certificate.is_some());
        let asked = tokio::spawn({
            let node = node.clone();
            async move { ask(&node, "openssl", 42).await }
        });
        self.until(r#"["echo","echo",42,"#).await;
        let mut reply = String::new();
        while !reply.ends_with("\"]") {
            reply.push(char::from(soon(self.output.read_u8()).await.unwrap()));
        }
        let port = reply.trim_matches(['"', ']']).rsplit('#').next().unwrap();
        self.say(&format!(r#"["{port}",43]"#)).await;
        assert_eq!(soon(asked).await.unwrap(), Value::from(43));
        // It closes TLS in order when its input ends.
        let gone = node.gone("openssl#echo");
        drop(self.input);
        let why = soon(gone).await.to_string();
        let expected = "transport_error: openssl, the peer closed the connection";
        assert_eq!(why, expected);
    }
}

/// A node that accepts, and a connection to it.
async fn accepting(pem: &str) -> (aemp::LocalNode, TcpStream) {
    let (a, address) = listen(node("a", pem)).await;
    let stream = TcpStream::connect(address).await.unwrap();
    (a, stream)
}

/// A node that dials, and its connection.
async fn dialling(pem: &str) -> (aemp::LocalNode, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let seed = listener.local_addr().unwrap().to_string();
    let a = node("a", pem).seed(seed).on_start(|node| {
        node.port_of_named("echo", crate::process::echo()).unwrap();
    });
    let a = a.start().await.unwrap();
    let (stream, _) = soon(listener.accept()).await.unwrap();
    (a, stream)
}

#[tokio::test]
#[ignore = "needs openssl"]
async fn openssl_is_client_and_server_of_either_version_whoever_dials() {
    let folder = Folder::new();
    // What gencert makes, and what `openssl req -x509` does: a CA that is its own leaf.
    let pems: [Made; 2] = [own("aemp", plain), own("AnyEvent::MP", ca)];
    for pem in pems.map(|made| made.pem([])) {
        let file = folder.write("pem", &pem);
        for (option, version) in [("-tls1_2", "TLS 1.2"), ("-tls1_3", "TLS 1.3")] {
            let (a, stream) = accepting(&pem).await;
            let client = Openssl::client(stream, &file, &[option]).await;
            client.talk(&a, version).await;
            let (a, stream) = accepting(&pem).await;
            let server = Openssl::server(stream, &file, &[option]).await;
            server.talk(&a, version).await;
            // A node that dials does not answer before the peer has proved itself, and proves itself first.
            let (a, stream) = dialling(&pem).await;
            let client = Openssl::client(stream, &file, &[option]).await;
            client.talk(&a, version).await;
            let (a, stream) = dialling(&pem).await;
            let server = Openssl::server(stream, &file, &[option]).await;
            server.talk(&a, version).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs openssl"]
async fn keys_and_certificates_of_openssl_can_be_used_in_every_form() {
    let folder = Folder::new();
    let openssl = async |line: &str| {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(name) => folder.path(name),
            None => word.to_owned(),
        });
        let output = Command::new("openssl").args(words).output().await.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {error}");
    };
    let request = "req -x509 -batch -nodes -days 30 -subj /CN=AnyEvent::MP";
    let kinds = ["rsa:2048", "ed25519", "ec -pkeyopt ec_paramgen_curve:P-256"];
    for kind in kinds {
        openssl(&format!("{request} -newkey {kind} -keyout @key -out @cert")).await;
        let mut keys = vec![folder.read("key")];
        if kind != "ed25519" {
            // PKCS#1 and SEC1.
            openssl("pkey -in @key -traditional -out @traditional").await;
            keys.push(folder.read("traditional"));
        }
        let certificate = folder.read("cert");
        for key in keys {
            // In either order, as the one file that AnyEvent::MP reads.
            for pem in [key.clone() + &certificate, certificate.clone() + &key] {
                let tls = aemp::Tls::from_pem(&pem).unwrap();
                assert_eq!(tls.certificate().subject, "CN=AnyEvent::MP", "{kind}");
                let (a, b, joined) = crate::pair::start(node("a", &pem), node("b", &pem)).await;
                joined.unwrap();
                assert_eq!(ask(&b, "a", 1).await, Value::from(1));
                drop(a);
            }
        }
    }
    openssl(&format!(
        "{request} -newkey rsa:2048 -keyout @key -out @cert"
    ))
    .await;
    openssl("pkey -in @key -aes256 -passout pass:secret -out @encrypted").await;
    let pem = folder.read("encrypted") + &folder.read("cert");
    let error = aemp::Tls::from_pem(&pem).unwrap_err().to_string();
    assert!(error.contains("is encrypted"), "{error}");
    openssl("genrsa -traditional -out @short 1024").await;
    let pem = folder.read("short") + &folder.read("cert");
    let error = aemp::Tls::from_pem(&pem).unwrap_err().to_string();
    assert!(error.contains("RSA of 2,048 bits or more"), "{error}");
}
