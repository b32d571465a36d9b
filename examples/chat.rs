//! A chat in the terminal. A room is a family of the directory: who is in it has an entry with a name in it.
//!
//! ```sh
//! cargo run --example chat ann --listen 127.0.0.1:4060      # the first, which others find each other through
//! cargo run --example chat bob --seed 127.0.0.1:4060        # the next, in another terminal
//! ```
//!
//! A line goes to all in the room. `/who` shows them, `/join ROOM` changes the room; `/quit`, the end of the input and
//! Ctrl-C leave it.

use std::collections::BTreeMap;
use std::io::BufRead;

use aemp::directory::{Change, Registration, Watch};
use aemp::{LocalNode, PortId, Text, routes};
use tokio::sync::mpsc;

const SECRET: &str = "correct horse battery staple";
const USAGE: &str = "usage: chat NAME [--listen ADDRESS] [--seed ADDRESS]";

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        println!("{USAGE}");
        return Ok(());
    };
    let mut builder = aemp::node().secret(SECRET);
    let (mut listens, mut seeds) = (false, false);
    while let Some(option) = arguments.next() {
        let address = arguments.next().ok_or(USAGE)?;
        builder = match option.as_str() {
            "--listen" => builder.bind(address),
            "--seed" => builder.seed(address),
            _ => return Err(USAGE.into()),
        };
        (listens, seeds) = (listens || option == "--listen", seeds || option == "--seed");
    }
    if !listens {
        // Others connect to whoever they say something to.
        builder = builder.bind("127.0.0.1:0");
    }
    let node = builder.start().await?;
    println!("* listening on {}", node.addresses()[0]);
    if seeds {
        node.joined().await?;
    }
    chat(&node, &name).await?;
    // The others are told before this process ends.
    node.shutdown().await;
    println!("* bye");
    Ok(())
}

async fn chat(node: &LocalNode, name: &str) -> Outcome {
    let own = node.port_of(routes().on("say", |_, (from, text): (String, String)| {
        println!("<{from}> {text}");
    }));
    let mut room = Room::enter(node, "lobby", &own, name)?;
    let mut lines = lines();
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    loop {
        let line = tokio::select! {
            change = room.watch.recv() => match change {
                Some(change) => { room.show(&change); continue }
                None => return Ok(()),
            },
            line = lines.recv() => line,
            stopped = &mut stop => { stopped?; None }
        };
        let Some(line) = line else { return Ok(()) };
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("", _) => {}
            ("/quit", _) => return Ok(()),
            ("/who", _) => println!("* in {}: {}", room.name, room.names().join(", ")),
            ("/join", to) => match Room::enter(node, to.trim(), &own, name) {
                // The guard of the old one takes us out of it.
                Ok(entered) => room = entered,
                Err(error) => println!("* {error}"),
            },
            (command, _) if command.starts_with('/') => println!("* no command {command}"),
            _ => {
                for member in room.members.keys().filter(|member| **member != own) {
                    node.send(member, ("say", name, line.as_str()));
                }
            }
        }
    }
}

/// A room that we are in.
struct Room {
    name: String,
    watch: Watch,
    /// By port, with the names that they gave themselves.
    members: BTreeMap<PortId, String>,
    _registered: Registration,
}

impl Room {
    fn enter(node: &LocalNode, name: &str, own: &PortId, nick: &str) -> Outcome<Self> {
        let family = format!("chat::{name}");
        let room = Self {
            name: name.into(),
            _registered: node.directory().register(&family, own, nick)?,
            watch: node.directory().watch(&family)?,
            members: BTreeMap::new(),
        };
        println!("* you are in {name}");
        Ok(room)
    }

    /// Says who has come and gone.
    fn show(&mut self, change: &Change) {
        let port = |key: &Text| key.parse::<PortId>().ok();
        for gone in change.deleted.iter().filter_map(port) {
            if let Some(name) = self.members.remove(&gone) {
                println!("* {name} has left {}", self.name);
            }
        }
        for (key, value) in &change.set {
            if let (Some(port), Some(name)) = (port(key), value.as_str()) {
                println!("* {name} is in {}", self.name);
                self.members.insert(port, name.into());
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        self.members.values().map(String::as_str).collect()
    }
}

/// The lines of the terminal, read by a thread that does not keep the program from its end.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
