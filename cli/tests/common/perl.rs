//! A peer that is scripted as an AnyEvent::MP node: over TCP, in JSON, proved by the secret in clear text.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::Home;
use super::running::SECRET;

/// A Perl node called `perl`, and what it was asked.
pub(crate) struct Perl {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

/// What a request brings: messages to the asker, or the end of the process.
pub(crate) enum Does {
    Says(Vec<Value>),
    Exits,
}

impl Perl {
    /// Listens, and does to each message what `script` says.
    pub(crate) fn start(script: impl Fn(&[Value]) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, script) = (asked.clone(), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, script) = (heard.clone(), script.clone());
                // A connection that ends is no failure here.
                thread::spawn(move || serve(stream, &heard, &*script).unwrap_or_default());
            }
        });
        Self { address, asked }
    }

    /// A home whose command joins through this node.
    pub(crate) fn home(&self) -> Home {
        let home = Home::with_secret();
        home.aemp(&[
            "auth_accept",
            "hmac_sha3_512,cleartext",
            "seeds",
            &self.address,
        ])
        .succeeds_in_silence();
        home
    }

    /// What it was told to evaluate.
    pub(crate) fn evaluated(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let evals = asked.iter().filter(|message| message[1] == "eval");
        evals
            .filter_map(|message| Some(message[2].as_str()?.to_owned()))
            .collect()
    }
}

/// The answer to a request that ends in a port to answer to.
pub(crate) fn answer(message: &[Value], elements: &[Value]) -> Does {
    let to = message.last().and_then(Value::as_str).unwrap_or_default();
    let name = to.split_once('#').map_or("", |(_, name)| name);
    let mut answer = vec![json!(name)];
    answer.extend_from_slice(elements);
    Does::Says(vec![answer.into()])
}

fn serve(
    mut stream: TcpStream,
    heard: &Mutex<Vec<Value>>,
    script: &dyn Fn(&[Value]) -> Does,
) -> Option<()> {
    let secret: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lines = format!(
        "aemp;1;perl;hmac_sha3_512;json;provider=AE-2.02_5.036\nnonce of perl\ncleartext;{secret};json\n"
    );
    stream.write_all(lines.as_bytes()).ok()?;
    let mut reader = std::io::BufReader::new(stream.try_clone().ok()?);
    for _ in 0..3 {
        std::io::BufRead::read_line(&mut reader, &mut String::new()).ok()?;
    }
    stream.write_all(br#"["","g_global"]"#).ok()?;
    for message in serde_json::Deserializer::from_reader(reader).into_iter::<Value>() {
        let message = message.ok()?;
        heard.lock().unwrap().push(message.clone());
        match script(message.as_array()?) {
            Does::Says(messages) => {
                for message in messages {
                    stream.write_all(message.to_string().as_bytes()).ok()?;
                }
            }
            Does::Exits => return None,
        }
    }
    None
}
