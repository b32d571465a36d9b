//! A typed port: an enum is what it understands, the compiler refuses the rest, and the wire carries ordinary messages. It is
//! asked by a program that has the type, over CBOR, and by a plain socket that has never heard of it, over JSON.
//!
//! With `--serve` it stays, for the command: it prints what to type.

use aemp::error::NameError;
use aemp::{LocalNode, PortRef, ReplyTo};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "correct horse battery staple";

/// On the wire: `["Deposit", {"amount": 5}]`, `["Withdraw", 9, REPLY]`, `["Total", REPLY]`.
#[derive(Serialize, Deserialize)]
enum Bank {
    Deposit { amount: u64 },
    Withdraw(u64, ReplyTo<Result<u64, String>>),
    Total(ReplyTo<u64>),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = aemp::node().id("server").secret(SECRET).bind("127.0.0.1:0");
    // Clear text is for the socket below, and taken from loopback only.
    let server = server
        .configure(|config| config.cleartext = true)
        .start()
        .await?;
    let address = server.addresses()[0].to_string();
    let bank = open(&server)?;
    println!(
        "{} listens on {address} and has the port {bank}",
        server.id()
    );

    println!("\na program with the type:");
    let client = aemp::node()
        .id("client")
        .secret(SECRET)
        .seed(&*address)
        .start()
        .await?;
    client.joined().await?;
    // Typed senders need the ID alone. That the port there is of this type is for the program to know.
    let bank: PortRef<Bank> = PortRef::unchecked("server#bank".parse()?);
    client.tell(&bank, Bank::Deposit { amount: 5 });
    println!("  total: {}", client.ask(&bank, Bank::Total).await?);
    for amount in [2, 9] {
        match client
            .ask(&bank, |reply| Bank::Withdraw(amount, reply))
            .await?
        {
            Ok(left) => println!("  {amount} withdrawn, {left} left"),
            Err(why) => println!("  {amount} not withdrawn: {why}"),
        }
    }

    println!("\na socket and three lines, which any language has:");
    let mut socket = TcpStream::connect(&*address).await?;
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lines = format!("aemp;1;tiny;hmac_sha3_512;json\nany line at all\ncleartext;{hex};json\n");
    socket.write_all(lines.as_bytes()).await?;
    for (message, answer) in [
        (
            r#"["bank","Deposit",{"amount":4}]["bank","Total","tiny#me"]"#,
            r#"["me",7]"#,
        ),
        (
            r#"["bank","Withdraw",9,"tiny#me"]"#,
            r#"["me","Err","there are 7"]"#,
        ),
    ] {
        println!("  > {message}");
        socket.write_all(message.as_bytes()).await?;
        println!("  < {}", until(&mut socket, answer).await?);
    }

    if std::env::args().any(|argument| argument == "--serve") {
        println!("\nand the command, until Ctrl-C:");
        // A configuration of its own, so that yours stays as it is. A line as one JSON list has numbers in it.
        println!("  export AEMP_RC=$(mktemp -d)/aemprc");
        println!("  aemp setsecret '{SECRET}' && aemp setseeds {address}");
        println!("  aemp cal server#bank Total");
        println!(r#"  aemp '["cal", "server#bank", "Withdraw", 1]'"#);
        tokio::signal::ctrl_c().await?;
    }
    Ok(())
}

/// Creates the port `bank`.
fn open(node: &LocalNode) -> Result<PortRef<Bank>, NameError> {
    let mut total: u64 = 0;
    node.typed_port_named("bank", move |cx, message: Bank| match message {
        Bank::Deposit { amount } => total += amount,
        Bank::Total(reply) => reply.send(cx, total),
        Bank::Withdraw(amount, reply) => {
            let left = total.checked_sub(amount);
            reply.send(cx, left.ok_or_else(|| format!("there are {total}")));
            total = left.unwrap_or(total);
        }
    })
}

/// Reads until `answer` has come. Before it come the node's own lines, and what it says unasked.
async fn until<'a>(socket: &mut TcpStream, answer: &'a str) -> std::io::Result<&'a str> {
    let mut come = Vec::new();
    while !come.ends_with(answer.as_bytes()) {
        come.push(socket.read_u8().await?);
    }
    Ok(answer)
}
