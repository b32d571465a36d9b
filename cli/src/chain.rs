//! The words of a command line as commands: each takes as many words as it has arguments, and the next one begins
//! (protocol.md section 10).

use aemp::Value;
use serde::de::IgnoredAny;

use crate::arguments::is_address;
use crate::commands::{self, Step, Takes};
use crate::failure::{Failure, meant};
use crate::line::Line;
use crate::options::Options;

/// What the words say to do, in order.
pub(crate) fn parse(words: &[String], options: &Options) -> Result<Vec<Step>, Failure> {
    let mut words = values(words)?.into_iter();
    let mut line = Line::new(options);
    let mut steps = Vec::new();
    let mut names = Vec::new();
    while let Some(word) = words.next() {
        let Value::Text(name) = word else {
            return Err(Failure::Usage(format!(
                "a command belongs here, and {word} is none; \"aemp --help\" lists them"
            )));
        };
        let command = commands::find(&name).ok_or_else(|| unknown(&name))?;
        let arguments: Vec<Value> = match command.takes() {
            _ if command.has_all(options) => Vec::new(),
            Takes::Exactly(count) => {
                let arguments: Vec<_> = words.by_ref().take(count).collect();
                if arguments.len() < count {
                    let needs = command.arguments();
                    return Err(Failure::Usage(format!(
                        "{name} takes {needs}, and the line ends before that; see \"aemp help {name}\""
                    )));
                }
                arguments
            }
            Takes::AtMost(count) => words.by_ref().take(count).collect(),
            Takes::Rest => words.by_ref().collect(),
        };
        line.open = false;
        names.push(name);
        steps.extend(command.prepare(&mut line, arguments)?);
    }
    if line.open {
        return Err(Failure::Usage(
            "profile NAME is followed by the commands that change that profile, for example \
             \"aemp profile seed binds '*:4040'\""
                .into(),
        ));
    }
    for (option, commands) in options.of_few_commands() {
        if !names.iter().any(|name| commands.contains(&&**name)) {
            return Err(Failure::Usage(format!(
                "{option} is for the command {}, which the line does not have",
                commands.join(" or ")
            )));
        }
    }
    Ok(steps)
}

fn unknown(name: &str) -> Failure {
    let nearest = meant(commands::nearest(name));
    Failure::Usage(format!(
        "there is no command {name:?}{nearest}; \"aemp --help\" lists them"
    ))
}

/// The words as values: what begins like JSON is JSON, and a first one that begins with `[` is all of them.
fn values(words: &[String]) -> Result<Vec<Value>, Failure> {
    let is_list = |word: &&String| word.starts_with('[') && !is_address(word);
    if let Some(first) = words.first().filter(is_list) {
        let Value::Array(all) = json(first, true)? else {
            return Err(Failure::Usage("a JSON list was begun, and is none".into()));
        };
        if words.len() > 1 {
            return Err(Failure::Usage(
                "a first argument that begins with [ is the whole command line, and more follows it".into(),
            ));
        }
        return Ok(all.into_vec());
    }
    let mut before = "";
    let mut values = Vec::new();
    for word in words {
        let secrets = ["setsecret", "secret", "setsecret_accept", "secret_accept"];
        let show = !secrets.contains(&before);
        values.push(value(word, show)?);
        before = word;
    }
    Ok(values)
}

fn value(word: &str, show: bool) -> Result<Value, Failure> {
    if word.starts_with(['[', '{', '"']) && !is_address(word) {
        json(word, show)
    } else {
        Ok(word.into())
    }
}

/// The value that `word` is in JSON. Errors repeat it only if it is one to `show`.
fn json(word: &str, show: bool) -> Result<Value, Failure> {
    let parsed: Result<IgnoredAny, _> = serde_json::from_str(word);
    parsed.map_err(|error| {
        let written = "a text that begins so is written as JSON, in quotation marks";
        Failure::Usage(if show {
            let quoted = serde_json::to_string(word).unwrap_or_default();
            format!("{word} begins like JSON and is none: {error}; {written}: '{quoted}'")
        } else {
            format!("the secret begins like JSON and is none: {error}; {written}")
        })
    })?;
    // JSON is a part of diagnostic notation, and numbers are exact in that, or errors.
    aemp::notation::parse(word).map_err(|error| {
        Failure::Usage(match show {
            true => format!("{word}: {error}"),
            false => "the secret cannot be read".to_owned(),
        })
    })
}
