//! A peer that knows nothing of this library but three lines of text: a plain socket that greets, proves the
//! secret in clear text, and speaks JSON (protocol.md section 2, "The three-line peer").

use aemp::{PortId, routes};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

const SECRET: &str = "correct horse battery staple";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = aemp::node().id("server").secret(SECRET).bind("127.0.0.1:0");
    // Clear text is off by default. On, it is taken from loopback only, where nobody else sees the secret.
    let node = node
        .configure(|config| config.cleartext = true)
        .start()
        .await?;
    let greet = routes().on("greet", |cx, (name, reply): (String, PortId)| {
        cx.send(&reply, ("greeting", format!("hello, {name}")));
    });
    let greeter = node.port_of_named("greeter", greet)?;
    println!(
        "{} listens on {} and has the port {greeter}",
        node.id(),
        node.addresses()[0]
    );

    let mut stream = BufStream::new(TcpStream::connect(node.addresses()[0].to_string()).await?);
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    for line in [
        "aemp;1;tiny;hmac_sha3_512;json\n",
        "any line at all\n",
        &format!("cleartext;{hex};json\n"),
    ] {
        print!("> {line}");
        stream.write_all(line.as_bytes()).await?;
    }
    stream.flush().await?;
    for _ in 0..3 {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        print!("< {line}");
    }

    let message = r#"["greeter","greet","tiny","tiny#me"]"#;
    println!("> {message}");
    stream.write_all(message.as_bytes()).await?;
    stream.flush().await?;
    let expected = r#"["me","greeting","hello, tiny"]"#;
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).await?;
    println!("< {}", String::from_utf8_lossy(&answer));
    if answer != expected.as_bytes() {
        return Err(format!("expected {expected}").into());
    }
    Ok(())
}
