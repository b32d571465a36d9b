//! A type of this program's own between two processes: an account in one, and in the other a call to it.

use aemp::{PortRef, ReplyTo};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Bank {
    Deposit { amount: u64 },
    Balance { reply: ReplyTo<u64> },
}

#[tokio::main]
async fn main() -> aemp::Result<()> {
    let node = |id: &str| aemp::node().id(id).secret("correct horse battery staple");

    if std::env::args().nth(1).as_deref() == Some("bank") {
        let bank = node("bank").bind("127.0.0.1:4051").start().await?;
        let mut total = 0;
        bank.typed_port_named("account", move |cx, message| match message {
            Bank::Deposit { amount } => total += amount,
            Bank::Balance { reply } => reply.send(cx, total),
        })?;
        return std::future::pending().await;
    }

    let mut bank = std::process::Command::new(std::env::current_exe()?)
        .arg("bank")
        .spawn()?;
    let client = node("client").seed("127.0.0.1:4051").start().await?;
    let account = PortRef::unchecked("bank#account".parse()?);
    client.tell(&account, Bank::Deposit { amount: 41 });
    let balance = client
        .ask(&account, |reply| Bank::Balance { reply })
        .await?;
    println!("balance {balance}");
    Ok(bank.kill()?)
}
