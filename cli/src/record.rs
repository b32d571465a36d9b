//! A recorded session of a node's links: what a test replays.
//!
//! The file has the form of the protocol's recorded sessions (`tests/transcripts` in the repository, the files
//! `NAME.frames.jsonl`): a header line, then a line of JSON for each unit. What differs: the openings are as the ends
//! told of them once they were open, nonces and proofs left out, so that nothing in it helps to guess the secret; and links
//! that were up when the recording began are written as if they had come up then.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aemp::Value;
use serde_json::{Value as Json, json};

use crate::network::{Crossed, TappedLink};

/// A recording on its way into a file.
pub(crate) struct Record {
    path: PathBuf,
    /// The units, until the header is known.
    units: BufWriter<File>,
    count: u64,
    node: String,
    description: String,
    /// When it began, in seconds since 1970.
    begin: Option<f64>,
    /// When the last unit was.
    last: f64,
    peers: BTreeMap<String, Json>,
    links: BTreeMap<String, Json>,
}

/// Where units are until the recording ends.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Makes a file that is not there yet, for its owner only: whatever is secret in messages is in it.
fn create(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

impl Record {
    /// Begins a recording in `path`. Neither that nor the file of the units may exist yet: an earlier recording may have
    /// left it.
    pub(crate) fn begin(path: &Path, node: &str, description: &str) -> io::Result<Self> {
        let units = create(&part(path))?;
        // Held from now on, so that a long recording does not fail at its end.
        if let Err(error) = create(path) {
            fs::remove_file(part(path))?;
            return Err(error);
        }
        Ok(Self {
            path: path.into(),
            units: BufWriter::new(units),
            count: 0,
            node: node.into(),
            description: description.into(),
            begin: None,
            last: 0.0,
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
        })
    }

    /// A link is up: who dialled whom, and what each said first.
    pub(crate) fn up(&mut self, link: &TappedLink, time: f64) -> io::Result<()> {
        let t = self.time(time);
        let [ours, theirs] = &link.greetings;
        for (node, greeting) in [(&self.node, ours), (&link.peer, theirs)] {
            if !self.peers.contains_key(node) {
                self.peers.insert(node.clone(), peer(node, greeting));
                let started = json!({"t": t, "event": "start-node", "node": node});
                writeln!(self.units, "{started}")?;
            }
        }
        let [dialer, acceptor] = link.ends(&self.node, link.dialled);
        let port = |greeting: &str| -> Option<u16> {
            let address = key(greeting, "peeraddr")?;
            address.rsplit_once(':')?.1.parse().ok()
        };
        let listens = port(if link.dialled { ours } else { theirs });
        let ends = json!({"listen": listens, "target": listens, "a": dialer, "b": acceptor});
        let accept =
            json!({"link": self.name(link), "conn": link.number, "t": t, "event": "accept"});
        self.links.insert(self.name(link), ends);
        writeln!(self.units, "{accept}")?;
        // The dialer speaks first, and the acceptor proves itself last.
        let order = [link.dialled, !link.dialled];
        for sent in order {
            let greeting = if sent { ours } else { theirs };
            let unit = json!({"kind": "greeting1", "line": greeting, "parsed": parsed(greeting)});
            self.unit(link, sent, time, unit)?;
        }
        for sent in order {
            let method = &link.auths[usize::from(!sent)];
            let framing = link.codec(sent);
            let parsed = json!({"method": method, "data": "", "framing": framing});
            let line = format!("{method};;{framing}");
            self.unit(
                link,
                sent,
                time,
                json!({"kind": "auth", "line": line, "parsed": parsed}),
            )?;
        }
        Ok(())
    }

    /// A message crossed a link.
    pub(crate) fn message(&mut self, link: &TappedLink, message: &Crossed) -> io::Result<()> {
        let whole = message.bytes.len() as u64 == message.len;
        let hex = hex::encode(&message.bytes) + if whole { "" } else { ".." };
        let elements = link.read(message).map(|(port, values)| {
            let port = Json::from(port.as_str());
            let values = values.iter().map(element);
            std::iter::once(port).chain(values).collect::<Vec<_>>()
        });
        let framing = link.codec(message.sent);
        let unit = json!({"kind": "msg", "framing": framing, "hex": hex, "len": message.len, "msg": elements});
        self.unit(link, message.sent, message.time, unit)
    }

    /// A link is down. Who has ended it is not known: the peer is named.
    pub(crate) fn down(&mut self, link: &TappedLink, time: f64, reason: &str) -> io::Result<()> {
        self.unit(link, false, time, json!({"event": "eof", "note": reason}))
    }

    /// So many messages were left out.
    pub(crate) fn missed(&mut self, count: u64) -> io::Result<()> {
        let note = json!({"note": format!("{count} messages were missed here")});
        writeln!(self.units, "{note}")
    }

    /// Ends the recording: the header, and all units behind it. Gives how many units there are.
    pub(crate) fn end(mut self) -> io::Result<u64> {
        self.units.flush()?;
        let session = self.path.file_name().unwrap_or_default().to_string_lossy();
        let session = session
            .trim_end_matches(".jsonl")
            .trim_end_matches(".frames");
        let header = json!({"header": {
            "session": session,
            "description": self.description,
            "t0": self.begin,
            "peers": self.peers,
            "links": self.links,
        }});
        let part = part(&self.path);
        let mut file = BufWriter::new(File::create(&self.path)?);
        writeln!(file, "{header}")?;
        for line in BufReader::new(File::open(&part)?).lines() {
            writeln!(file, "{}", line?)?;
        }
        file.flush()?;
        fs::remove_file(part)?;
        Ok(self.count)
    }

    /// Writes a unit of one direction. What is written is there, whatever becomes of this process.
    fn unit(&mut self, link: &TappedLink, sent: bool, time: f64, unit: Json) -> io::Result<()> {
        let [from, to] = link.ends(&self.node, sent);
        let dir = format!("{from}>{to}");
        let t = self.time(time);
        let mut whole = json!({"link": self.name(link), "conn": link.number, "dir": dir, "t": t});
        if let (Json::Object(whole), Json::Object(unit)) = (&mut whole, unit) {
            whole.extend(unit);
        }
        self.count += 1;
        writeln!(self.units, "{whole}")?;
        self.units.flush()
    }

    fn name(&self, link: &TappedLink) -> String {
        let [dialer, acceptor] = link.ends(&self.node, link.dialled);
        format!("{dialer}-{acceptor}")
    }

    /// Seconds since the beginning, to the microsecond. Units are told of in their order, and clocks may be set back.
    fn time(&mut self, time: f64) -> f64 {
        let begin = *self.begin.get_or_insert(time);
        self.last = self.last.max(((time - begin) * 1e6).round() / 1e6);
        self.last
    }
}

/// What the header says of a node.
fn peer(node: &str, greeting: &str) -> Json {
    let framings: Vec<&str> = field(greeting, 4).split(',').collect();
    json!({
        "impl": key(greeting, "provider"),
        "config": {"nodeid": node, "framing_format": framings},
    })
}

fn field(greeting: &str, at: usize) -> &str {
    greeting.split(';').nth(at).unwrap_or_default()
}

fn key<'a>(greeting: &'a str, name: &str) -> Option<&'a str> {
    let fields = greeting.split(';').skip(5);
    let mut values = fields.filter_map(|field| field.split_once('='));
    values.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn parsed(greeting: &str) -> Json {
    let one = |at| [field(greeting, at)];
    let keys: Vec<&str> = greeting.split(';').skip(5).collect();
    json!({
        "proto": field(greeting, 0), "version": one(1), "node": one(2), "auth": one(3), "framing": one(4), "kv": keys,
    })
}

/// `value` as the recorded sessions show it, as far as JSON has it: bytes in hexadecimal, anything else by its text.
fn element(value: &Value) -> Json {
    match value {
        Value::Bytes(bytes) => json!({"$bytes": hex::encode(&**bytes)}),
        Value::Array(items) => items.iter().map(element).collect(),
        Value::Map(map) if map.iter().all(|(key, _)| key.as_str().is_some()) => {
            let name = |key: &Value| key.as_str().unwrap_or_default().to_owned();
            let pairs = map.iter();
            pairs
                .map(|(key, value)| (name(key), element(value)))
                .collect()
        }
        other => aemp::convert::to_json(other)
            .unwrap_or_else(|_| json!({"$diagnostic": other.to_string()})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_lacks_is_recorded_by_its_text() {
        let cases = [
            (f64::NAN.into(), json!({"$diagnostic": "NaN"})),
            (
                f64::NEG_INFINITY.into(),
                json!({"$diagnostic": "-Infinity"}),
            ),
            (Value::Simple(23), json!({"$diagnostic": "undefined"})),
            (
                vec![Value::Tag(32, Box::new("a:b".into()))].into(),
                json!([{"$diagnostic": "32(\"a:b\")"}]),
            ),
            (
                aemp::Integer::MIN.into(),
                json!({"$diagnostic": "-18446744073709551616"}),
            ),
            (u64::MAX.into(), json!(u64::MAX)),
        ];
        for (value, recorded) in cases {
            assert_eq!(element(&value), recorded, "{value}");
        }
    }
}
