//! Makes the seed corpora of the fuzz targets in `fuzz/corpus`, from the recorded sessions in `tests/transcripts` and the
//! table of hostile input: `cargo run --manifest-path fuzz/Cargo.toml --example seeds`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aemp::codec::{Codec, Envelope, Frame, PeerInfo};
use aemp::{Cbor, Json, Value};
use aemp_fuzz::{PERL, decode_within};
use bytes::BytesMut;

/// The limits of messages that are taken as seeds, in bytes: the recorded ones are shorter, but for a few.
const MAX_SEED: usize = 2000;

/// A request that no Perl node sends: the trace of the message behind it.
const TRACED: &[u8] = b"json\n[\"\",\"aemp::trace\",\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\",\"a=1\"]\
[\"\",\"snd\",\"x#p\",1]";

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Seeds(fuzz.join("corpus"), BTreeMap::new());
    let transcripts =
        fs::read_dir(fuzz.join("../tests/transcripts")).expect("the recorded sessions");
    let mut paths: Vec<_> = transcripts
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.to_string_lossy();
        if name.ends_with(".jsonl") && !name.contains(".frames.") && !name.contains(".events.") {
            seeds.session(&fs::read_to_string(&path).expect("a session"));
        }
    }
    seeds.table(&fs::read_to_string(fuzz.join("../tests/hostile/corpus.txt")).expect("the table"));
    seeds.add("node_port", TRACED);
    for (target, seeds) in &seeds.1 {
        println!("{:>6} {target}", seeds.len());
    }
}

/// The folder of the corpora, and the seeds of each target.
struct Seeds(PathBuf, BTreeMap<&'static str, BTreeSet<Vec<u8>>>);

impl Seeds {
    fn add(&mut self, target: &'static str, seed: &[u8]) {
        let seeds = self.1.entry(target).or_default();
        if !seeds.insert(seed.to_vec()) {
            return;
        }
        let folder = self.0.join(target);
        fs::create_dir_all(&folder).expect("a folder for the seeds");
        fs::write(folder.join(format!("seed-{:05}", seeds.len())), seed).expect("a file");
    }

    /// What each end of each connection of a session sent.
    fn session(&mut self, text: &str) {
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let lines: Vec<serde_json::Value> = lines.collect();
        let mut streams = BTreeMap::<(u64, &str), Vec<u8>>::new();
        for line in &lines {
            if let (Some(conn), Some(from), Some(hex)) = (
                line["conn"].as_u64(),
                line["dir"].as_str(),
                line["hex"].as_str(),
            ) {
                streams.entry((conn, from)).or_default().extend(unhex(hex));
            }
        }
        if let Some(peers) = lines[0]["header"]["peers"].as_object() {
            for peer in peers.values() {
                let file = serde_json::json!({"profile": {"p": peer["config"]}, "version": 1});
                self.add("config", file.to_string().as_bytes());
            }
        }
        for stream in streams.values() {
            self.stream(stream);
        }
    }

    fn stream(&mut self, stream: &[u8]) {
        let mut lines = stream.splitn(4, |&byte| byte == b'\n');
        let (Some(greeting), Some(nonce)) = (lines.next(), lines.next()) else {
            return;
        };
        let greeting = [greeting, b"\n", nonce, b"\n"].concat();
        self.add("greeting", &[b"\x00", &greeting[..]].concat());
        let (Some(_), Some(messages)) = (lines.next(), lines.next()) else {
            return;
        };
        for codec in [&Json as &dyn Codec, &Cbor] {
            for received in decode_within(
                &Default::default(),
                codec,
                PERL,
                messages,
                [messages.len(); 2],
            )
            .received
            {
                self.message(&received);
            }
        }
    }

    fn message(&mut self, Envelope { port, message, .. }: &Envelope) {
        let values = message.to_values().expect("a well-formed message");
        let peer = PeerInfo::new("peer".parse().expect("an ID"), PERL);
        for codec in [&Cbor as &dyn Codec, &Json] {
            let mut wire = BytesMut::new();
            let written =
                aemp::codec::encode(codec, &Frame::new(port.as_str(), &values), &peer, &mut wire);
            if written.is_err() || wire.len() > MAX_SEED {
                continue;
            }
            let cut = [b"\x00", &wire[..]].concat();
            self.add(
                if codec.name() == "cbor" {
                    "cbor"
                } else {
                    "json"
                },
                &cut,
            );
            if port.is_node_port() {
                self.add(
                    "node_port",
                    &[codec.name().as_bytes(), b"\n", &wire].concat(),
                );
            }
            if codec.name() == "cbor" {
                self.add("round_trip", &wire);
                if values
                    .first()
                    .and_then(Value::as_str)
                    .is_some_and(|word| word.starts_with("g_"))
                {
                    self.add("directory", &wire);
                }
            }
        }
        for value in values.iter() {
            let text = value.to_string();
            if text.len() > 2 && text.len() <= MAX_SEED {
                self.add("notation", text.as_bytes());
            }
        }
    }

    /// The lines `codec | what | input | outcome` of the table, but for those with bytes or repetitions in brackets.
    fn table(&mut self, text: &str) {
        for line in text.lines() {
            let fields: Vec<_> = line.split(" | ").collect();
            let [codec, _, input, _] = fields[..] else {
                continue;
            };
            let bytes = match codec {
                _ if input.contains('<') => continue,
                "json" => input.as_bytes().to_vec(),
                "cbor" => unhex(&input.replace(' ', "")),
                _ => continue,
            };
            let target = if codec == "json" { "json" } else { "cbor" };
            self.add(target, &[b"\x11", &bytes[..]].concat());
        }
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digits).collect()
}
