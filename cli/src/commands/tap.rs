//! `tap NODE [FILTER]`: follows the messages that cross a node's links.

use std::io;
use std::path::{Path, PathBuf};

use aemp::{NodeId, PortId, Value};

use super::{Description, Step, Takes};
use crate::arguments::{node, text};
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Crossed, Seen, TappedLink, Wanted};
use crate::record::Record;
use crate::{output, running, show, time};

pub(super) const TAP: Description = Description {
    name: "tap",
    arguments: "NODE [FILTER]",
    about: "Follow the messages that cross a node's links, until it is interrupted; with FILTER those of which the peer, \
            the port ID or the tag contains it. The node has to allow it: the service aemp::tap. --record FILE writes them \
            for a test to replay",
    examples: &[
        "tap seed",
        "tap seed 'worker#jobs'",
        "--record session.frames.jsonl tap seed",
        "--json --rate 100 --size 200 tap seed",
    ],
    takes: Takes::AtMost(2),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let to = node(&arguments)?;
    let matching = match arguments.len() {
        0 | 1 => String::new(),
        _ => text(&arguments, 1, "what to look for")?.to_string(),
    };
    let wanted = Wanted {
        matching,
        rate: line.options.rate,
        size: line.options.size,
    };
    let profile = line.profile.clone();
    line.check_profile(profile.as_deref())?;
    let record = line.options.record.clone();
    Ok(Some(Box::new(move |context| {
        let mut shown = Shown {
            node: to.clone(),
            json: context.options.json,
            path: record,
            record: None,
            description: format!("aemp tap {to} {}", wanted.matching)
                .trim_end()
                .into(),
        };
        let done = context.in_network(profile.as_deref(), async |session| {
            let follow = network::tap(session, &to, &wanted, |seen| shown.tell(seen));
            running::until_told(follow).await
        });
        let ended = shown.end();
        match done {
            Ok(()) | Err(Failure::Stopped) => ended.and(done),
            failed => failed,
        }
    })))
}

fn cannot(path: &Path, error: io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::AlreadyExists => "; nothing is overwritten, so choose another name",
        _ => "",
    };
    Failure::Failed(format!(
        "{} cannot be recorded into: {error}{advice}",
        path.display()
    ))
}

/// What is followed, on its way to people or a file.
struct Shown {
    node: NodeId,
    json: bool,
    /// Where it is to be recorded.
    path: Option<PathBuf>,
    /// The recording, once the node tells.
    record: Option<Record>,
    description: String,
}

impl Shown {
    fn tell(&mut self, seen: Seen<'_>) -> Result<(), Failure> {
        if let Some(path) = self.path.clone() {
            let written = self.write(&path, &seen);
            written.map_err(|error| cannot(&path, error))?;
        }
        match self.json {
            true => self.print_json(seen),
            false => self.print(seen),
        }
    }

    fn write(&mut self, path: &Path, seen: &Seen<'_>) -> io::Result<()> {
        let Some(record) = &mut self.record else {
            // It begins when the node does.
            self.record = Some(Record::begin(path, self.node.as_str(), &self.description)?);
            return Ok(());
        };
        match seen {
            Seen::Begun(..) => Ok(()),
            Seen::Up(link, time) => record.up(link, *time),
            Seen::Message(link, message) => record.message(link, message),
            Seen::Down(link, time, reason) => record.down(link, *time, reason),
            Seen::Missed(count) => record.missed(*count),
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        if let (Some(path), Some(record)) = (&self.path, self.record.take()) {
            let count = record.end().map_err(|error| cannot(path, error))?;
            output::hint(&format!("{count} units are in {}", path.display()));
        }
        Ok(())
    }

    /// Who sent a message, the port that it is for, and its elements.
    fn parts(&self, link: &TappedLink, message: &Crossed) -> (String, String, Option<Vec<Value>>) {
        let [from, to] = link.ends(self.node.as_str(), message.sent);
        let (port, values) = link.read(message).unzip();
        let port = port.and_then(|port| Some(PortId::new(NodeId::new(to).ok()?, port).to_string()));
        (from.into(), port.unwrap_or_else(|| to.into()), values)
    }

    fn print(&self, seen: Seen<'_>) -> Result<(), Failure> {
        let line = match seen {
            Seen::Begun(rate, size) => {
                output::hint(&format!(
                    "{} messages in a second at most, {} bytes of each",
                    rate, size
                ));
                return Ok(());
            }
            Seen::Up(link, at) => {
                let TappedLink {
                    peer,
                    sends,
                    receives,
                    ..
                } = link;
                format!("{} UP {peer}: {sends} to it, {receives} from it", clock(at))
            }
            Seen::Down(link, at, reason) => format!("{} DOWN {}: {reason}", clock(at), link.peer),
            Seen::Missed(count) => format!("MISSED {count} messages"),
            Seen::Message(link, message) => {
                let (from, to, values) = self.parts(link, &message);
                let elements = match values {
                    Some(values) => show::notation(&values),
                    None => {
                        let beginning = message.bytes[..message.bytes.len().min(64)].to_vec();
                        format!(
                            "{} bytes of {}, which begin with {}",
                            message.len,
                            link.codec(message.sent),
                            Value::Bytes(Box::new(beginning.into()))
                        )
                    }
                };
                format!("{} {from} > {to}  {elements}", clock(message.time))
            }
        };
        output::write(&format!("{line}\n"))
    }

    /// An array for each: `message`, time, from, to, elements (null where they cannot be read), bytes.
    fn print_json(&self, seen: Seen<'_>) -> Result<(), Failure> {
        let row: Vec<Value> = match seen {
            Seen::Begun(rate, size) => vec!["tapping".into(), rate.into(), size.into()],
            Seen::Up(link, at) => {
                let texts = [&link.peer, &link.sends, &link.receives];
                let texts = texts.map(|text| Value::from(text.as_str()));
                ["up".into(), at.into()].into_iter().chain(texts).collect()
            }
            Seen::Down(link, at, reason) => vec![
                "down".into(),
                at.into(),
                link.peer.as_str().into(),
                reason.into(),
            ],
            Seen::Missed(count) => vec!["missed".into(), count.into()],
            Seen::Message(link, message) => {
                let (from, to, values) = self.parts(link, &message);
                let (time, len) = (message.time.into(), message.len.into());
                let values = values.map(Value::from);
                vec![
                    "message".into(),
                    time,
                    from.into(),
                    to.into(),
                    values.into(),
                    len,
                ]
            }
        };
        show::print_elements(&row, true)
    }
}

/// The time of day, to the millisecond.
fn clock(seconds: f64) -> String {
    let whole = time::written(seconds);
    whole.get(11..23).unwrap_or(&whole).into()
}
