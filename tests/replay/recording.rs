//! The recorded sessions as a replay goes through them: who did what on which connection, in the order of time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

/// A recorded session.
pub(crate) struct Session {
    pub(crate) name: String,
    header: Json,
    pub(crate) events: Vec<Event>,
    pub(crate) connections: BTreeMap<u64, Connection>,
}

/// A recorded connection: who dialled whom through which relay, and what each end said first.
#[derive(Clone, Default)]
pub(crate) struct Connection {
    pub(crate) dialer: String,
    pub(crate) acceptor: String,
    /// Where the relay listened: what the dialer took for the acceptor's address.
    pub(crate) relay: String,
    /// Where the acceptor really listened.
    pub(crate) target: String,
    /// Greeting line 1 of each node, without its ending.
    pub(crate) greetings: BTreeMap<String, String>,
    /// Who closed first, where somebody did.
    pub(crate) closed_first: Option<String>,
}

pub(crate) struct Event {
    pub(crate) connection: Option<u64>,
    /// Who sent it, or whom it happened to. Empty for what the relay saw.
    pub(crate) from: String,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// A node's process started.
    Start,
    /// A node's process was ended by the recorder.
    Stop,
    /// The dialer connected to the relay.
    Accept,
    /// The acceptor did not listen.
    Refused,
    Greeting(String),
    Nonce(String),
    Auth(String),
    /// One message, byte for byte.
    Message(Vec<u8>),
    /// `from` closed.
    Eof,
    /// `from` wrote to a connection that was closed.
    Error,
}

/// The folder of the recordings.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// The names of all recorded sessions.
pub(crate) fn sessions() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".frames.jsonl").map(str::to_owned)
    });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The lines of one recording's file.
pub(crate) fn lines(file: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Session {
    pub(crate) fn read(name: &str) -> Self {
        Self::read_in(&folder(), name)
    }

    /// The session in another folder.
    pub(crate) fn read_in(folder: &Path, name: &str) -> Self {
        let mut units = lines(&folder.join(format!("{name}.frames.jsonl"))).into_iter();
        let header = units.next().unwrap()["header"].take();
        let mut connections = BTreeMap::<u64, Connection>::new();
        let mut events = Vec::new();
        let mut streams = Streams::new(folder.join(format!("{name}.jsonl")));
        for unit in units {
            let connection = unit["conn"].as_u64();
            if let Some(number) = connection {
                let link = &header["links"][unit["link"].as_str().unwrap()];
                connections.entry(number).or_insert_with(|| Connection {
                    dialer: text(&link["a"]),
                    acceptor: text(&link["b"]),
                    relay: format!("127.0.0.1:{}", link["listen"]),
                    target: format!("127.0.0.1:{}", link["target"]),
                    ..Connection::default()
                });
            }
            let (mut from, what) = (text(&unit["dir"]), what(&unit, &mut streams));
            from.truncate(from.find('>').unwrap_or(0));
            let Some(what) = what else { continue };
            match (&what, connection.and_then(|n| connections.get_mut(&n))) {
                (What::Start, _) => from = text(&unit["node"]),
                (What::Stop, _) => from = stopped(unit["note"].as_str().unwrap()).unwrap().into(),
                (What::Greeting(line), Some(connection)) => {
                    connection.greetings.insert(from.clone(), line.clone());
                }
                (What::Eof, Some(connection)) => {
                    connection.closed_first.get_or_insert_with(|| from.clone());
                }
                _ => {}
            }
            events.push(Event {
                connection,
                from,
                what,
            });
        }
        Self {
            name: name.into(),
            header,
            events,
            connections,
        }
    }

    /// The nodes that take part, and `py`, the hand-written client, where there is one.
    pub(crate) fn sides(&self) -> Vec<String> {
        let mut sides = Vec::new();
        for connection in self.connections.values() {
            for side in [&connection.dialer, &connection.acceptor] {
                if !sides.contains(side) {
                    sides.push(side.clone());
                }
            }
        }
        sides.sort();
        sides
    }

    /// Completes a node's configuration by what its recording does not tell.
    pub(crate) fn configure(&mut self, side: &str, key: &str, value: Json) {
        self.header["peers"][side]["config"][key] = value;
    }

    /// Names the script that ran on a node.
    pub(crate) fn run_script(&mut self, side: &str, script: &str) {
        self.header["peers"][side]["scripts"] = vec![script].into();
    }

    fn config(&self, side: &str) -> &Json {
        &self.header["peers"][side]["config"]
    }

    /// The node ID of a Perl node.
    pub(crate) fn node_id(&self, side: &str) -> Option<&str> {
        self.config(side)["nodeid"].as_str()
    }

    /// The shared secret as `side` has it: a hand-written client has the session's.
    pub(crate) fn secret(&self, side: &str) -> Option<&str> {
        match self.config(side) {
            Json::Null => self.header["secret"].as_str(),
            config => config["secret"].as_str(),
        }
    }

    /// Whether a node runs with `secure` on.
    pub(crate) fn is_secure(&self, side: &str) -> bool {
        self.config(side)["secure"] == 1
    }

    /// Whether a node has a certificate, and so offers TLS.
    pub(crate) fn has_certificate(&self, side: &str) -> bool {
        !self.config(side)["cert_file"].is_null()
    }

    /// The scripts that ran on a node.
    pub(crate) fn scripts(&self, side: &str) -> Vec<String> {
        let scripts = self.header["peers"][side]["scripts"].as_array();
        scripts.into_iter().flatten().map(text).collect()
    }

    /// A list of a node's configuration.
    pub(crate) fn list(&self, side: &str, key: &str) -> Vec<String> {
        let items = self.config(side)[key].as_array().into_iter().flatten();
        items.map(text).collect()
    }
}

/// The node that a note of the recorder says was ended.
fn stopped(note: &str) -> Option<&str> {
    let rest = note
        .strip_prefix("kill -9 ")
        .or_else(|| note.strip_prefix("terminate "))?;
    rest.split(' ').next()
}

fn what(unit: &Json, streams: &mut Streams) -> Option<What> {
    if unit["note"].as_str().and_then(stopped).is_some() {
        return Some(What::Stop);
    }
    let line = || text(&unit["line"]).trim_end_matches('\r').to_owned();
    Some(match (unit["event"].as_str(), unit["kind"].as_str()) {
        (Some("start-node"), _) => What::Start,
        (Some("accept"), _) => What::Accept,
        (Some("target-refused"), _) => What::Refused,
        (Some("eof"), _) => What::Eof,
        (Some("error"), _) => What::Error,
        // What the relay did that recorded what was inside of TLS.
        (Some("tls-roles" | "tls-up"), _) => return None,
        (_, Some("greeting1")) => What::Greeting(line()),
        (_, Some("nonce")) => What::Nonce(line()),
        (_, Some("auth")) => What::Auth(line()),
        (_, Some("msg")) => What::Message(streams.message(unit)),
        (Some(other), _) | (_, Some(other)) if other != "undecoded-rest" => {
            panic!("{other} is new in the recordings")
        }
        _ => return None,
    })
}

/// All bytes by connection and direction, for the one message of which the unit holds the beginning only.
struct Streams {
    file: PathBuf,
    bytes: Option<BTreeMap<(u64, String), Vec<u8>>>,
}

impl Streams {
    fn new(file: PathBuf) -> Self {
        Self { file, bytes: None }
    }

    fn message(&mut self, unit: &Json) -> Vec<u8> {
        let beginning = unhex(unit["hex"].as_str().unwrap().trim_end_matches('.'));
        let len = usize::try_from(unit["len"].as_u64().unwrap()).unwrap();
        if beginning.len() == len {
            return beginning;
        }
        let bytes = self.bytes.get_or_insert_with(|| {
            let mut bytes = BTreeMap::<_, Vec<u8>>::new();
            for chunk in lines(&self.file) {
                if let Some(hex) = chunk["hex"].as_str() {
                    let key = (chunk["conn"].as_u64().unwrap(), text(&chunk["dir"]));
                    bytes.entry(key).or_default().extend(unhex(hex));
                }
            }
            bytes
        });
        let stream = &bytes[&(unit["conn"].as_u64().unwrap(), text(&unit["dir"]))];
        let at = stream
            .windows(beginning.len())
            .position(|window| window == beginning)
            .unwrap();
        stream[at..at + len].to_vec()
    }
}
