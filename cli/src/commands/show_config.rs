//! `showconfig [NAME] [key value]...`: what a node would be told that starts with this profile.

use aemp::error::Report;
use aemp::profile::{Key, Place, Profile};
use aemp::{Map, Value};

use super::{Description, Step, Takes};
use crate::arguments::text;
use crate::checking::check;
use crate::context::Context;
use crate::failure::{Failure, meant};
use crate::layers::{Layers, effective};
use crate::line::Line;
use crate::show;
use crate::{output, pager};

pub(super) const SHOW_CONFIG: Description = Description {
    name: "showconfig",
    arguments: "[NAME] [KEY VALUE]...",
    about: "Show what holds for a profile, and where each value comes from",
    examples: &[
        "showconfig seed",
        "showconfig seed monitor_timeout 10 force on",
        "--json showconfig seed",
    ],
    takes: Takes::Rest,
    prepare,
};

/// What the words behind the name say.
#[derive(Default)]
pub(super) struct Given {
    name: Option<String>,
    values: Vec<(Value, Value)>,
    force: bool,
    norc: bool,
}

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let given = Given::read(line, &arguments)?;
    Ok(Some(Box::new(move |context| print(context, given))))
}

impl Given {
    /// Reads `[NAME] [KEY VALUE]...`.
    pub(super) fn read(line: &mut Line<'_>, mut arguments: &[Value]) -> Result<Self, Failure> {
        let mut given = Self::default();
        // Pairs only leave no word for a name (protocol.md section 10, as run has it).
        if arguments.len() % 2 == 1 {
            given.name = Some(text(arguments, 0, "a profile's name")?.to_string());
            arguments = &arguments[1..];
        } else {
            given.name = line.profile.clone();
        }
        for pair in arguments.chunks(2) {
            let key = text(pair, 0, "a key")?;
            let value = &pair[1];
            match key.as_str() {
                "profile" => given.name = Some(text(pair, 1, "a profile's name")?.to_string()),
                "force" => given.force = flag("force", value)?,
                "norc" => given.norc = flag("norc", value)?,
                name => {
                    let key = Key::from_name(name).ok_or_else(|| {
                        Failure::Usage(format!(
                            "there is no key {name:?}{}",
                            meant(Key::nearest(name))
                        ))
                    })?;
                    let value = match value {
                        Value::Text(word) => key.word(word),
                        other => other.clone(),
                    };
                    given.values.push((key.name().into(), value));
                }
            }
        }
        let mut min_secret = given.value(Key::MinSecret);
        if !given.norc {
            let name = given.name.as_deref();
            line.check_profile(name)?;
            let of_file = effective(line.draft()?, name, Key::MinSecret)?;
            min_secret = min_secret.or(of_file);
        }
        for (name, value) in &given.values {
            if let Some(key) = name.as_str().and_then(Key::from_name) {
                check(key, value, min_secret.clone())?;
            }
        }
        Ok(given)
    }

    fn value(&self, key: Key) -> Option<Value> {
        let mut values = self.values.iter().rev();
        let found = values.find(|(name, _)| name.as_str() == Some(key.name()));
        found.map(|(_, value)| value.clone())
    }

    /// The configuration that holds for a node that is to start.
    pub(super) fn resolve(&self, context: &Context) -> Result<Profile, Failure> {
        let program = Map::from(self.values.clone());
        let layers = Layers::read(&context.file)?;
        let mut sources = layers.sources(self.name.as_deref(), &program);
        // What stands on the command line is meant.
        sources.force = true;
        sources.norc = self.norc;
        Ok(sources.resolve()?)
    }
}

fn flag(name: &str, value: &Value) -> Result<bool, Failure> {
    let value = match value {
        Value::Text(word) => Key::Secure.word(word),
        other => other.clone(),
    };
    match value {
        Value::Bool(flag) => Ok(flag),
        other => Err(Failure::Usage(format!(
            "{name} is on or off, and {other} is neither"
        ))),
    }
}

fn print(context: &mut Context, given: Given) -> Result<(), Failure> {
    let program = Map::from(given.values);
    let mut layers = Layers::read(&context.file)?;
    // It is shown as it stands.
    layers.word = "%u".into();
    let mut sources = layers.sources(given.name.as_deref(), &program);
    sources.force = given.force;
    sources.norc = given.norc;
    let values = sources.values()?;
    match sources.resolve() {
        Ok(profile) => profile
            .warnings
            .iter()
            .for_each(|warning| output::hint(&warning.to_string())),
        Err(error) => output::hint(&format!(
            "a node that is told this does not start: {}",
            Report(&error)
        )),
    }
    let name = given.name.as_deref().unwrap_or(&layers.host);
    let found = |key| values.iter().find(|(known, ..)| *known == key);
    let is_guarded = [Key::Secret, Key::Cert]
        .into_iter()
        .any(|key| found(key).is_some());
    let all = Key::ALL.map(|key| {
        let found = found(key);
        let (value, place) = match found {
            // The program's values are those of the command line here.
            Some((_, value, Place::Program)) => (value.clone(), Place::CommandLine.to_string()),
            Some((_, value, place)) => (value.clone(), place.to_string()),
            None => (key.default_value(name, is_guarded), "built in".to_owned()),
        };
        (
            key.name(),
            show::veiled(key.name(), &value, context.options.reveal),
            place,
        )
    });
    if context.options.json {
        let map = all.into_iter().map(|(key, value, _)| (key, value));
        return show::print_json(&map.collect());
    }
    let width = all.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value, place) in all {
        let value = show::json(&value, false);
        text.push_str(&format!("{key:width$}  {value}  ({place})\n"));
    }
    pager::page(&text)
}
