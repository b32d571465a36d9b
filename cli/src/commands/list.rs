//! `addseed`, `delseed` and the like: one element of a list more or fewer.

use aemp::Value;
use aemp::profile::{Document, Scope};
use aemp::profile::{Key, nearest};

use super::{Description, Step, Takes, change, set};
use crate::checking::check;
use crate::failure::{Failure, meant};
use crate::layers::effective;
use crate::line::Line;
use crate::output;

const fn command(
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    examples: &'static [&'static str],
    prepare: fn(&mut Line<'_>, Vec<Value>) -> Result<Option<Step>, Failure>,
) -> Description {
    Description {
        name,
        arguments,
        about,
        examples,
        takes: Takes::Exactly(1),
        prepare,
    }
}

pub(super) const ADD_SEED: Description = command(
    "addseed",
    "HOST:PORT",
    "Add a seed behind those there are, in a profile behind those that it inherits",
    &[
        "addseed 192.0.2.1:4040",
        "profile worker addseed '[2001:db8::1]:4040'",
    ],
    |line, arguments| add(line, Key::Seeds, arguments),
);
pub(super) const DEL_SEED: Description = command(
    "delseed",
    "HOST:PORT",
    "Take a seed away",
    &["delseed 192.0.2.1:4040"],
    |line, arguments| delete(line, Key::Seeds, arguments),
);
pub(super) const ADD_BIND: Description = command(
    "addbind",
    "HOST:PORT",
    "Add an address to listen on, in a profile behind those that it inherits",
    &["addbind '*:4040'", "profile local addbind 127.0.0.1:4041"],
    |line, arguments| add(line, Key::Binds, arguments),
);
pub(super) const DEL_BIND: Description = command(
    "delbind",
    "HOST:PORT",
    "Take an address to listen on away",
    &["delbind '*:4040'"],
    |line, arguments| delete(line, Key::Binds, arguments),
);
pub(super) const ADD_ADVERTISE: Description = command(
    "addadvertise",
    "HOST:PORT",
    "Add an address to publish, in a profile behind those that it inherits; binds stands for those bound, which are not published \
     beside others without it",
    &[
        "addadvertise 198.51.100.7:4140",
        "profile worker addadvertise 198.51.100.7:4140 addadvertise binds",
    ],
    |line, arguments| add(line, Key::Advertise, arguments),
);
pub(super) const DEL_ADVERTISE: Description = Description {
    name: "deladvertise",
    arguments: "[HOST:PORT]",
    about: "Take an address to publish away; at the end of a line without one the whole list, as for every key",
    examples: &[
        "deladvertise 198.51.100.7:4140",
        "profile worker deladvertise",
    ],
    takes: Takes::AtMost(1),
    prepare: |line, arguments| match arguments.is_empty() {
        true => set::delete(line, Key::Advertise).map(Some),
        false => {
            // A word that is none is the next command's, which has to stand on a line of its own.
            check(
                Key::Advertise,
                &elements(Key::Advertise, arguments.clone()).into(),
                None,
            )?;
            delete(line, Key::Advertise, arguments)
        }
    },
};
pub(super) const ADD_SERVICE: Description = command(
    "addservice",
    "NAME|JSON",
    "Add a service, with arguments as a JSON list, in a profile behind those that it inherits",
    &[
        "addservice app::hello",
        r#"profile seed addservice '["app::hello","arg",2]'"#,
    ],
    |line, arguments| {
        let step = add(line, Key::Services, arguments.clone())?;
        Ok(step.map(|step| known(arguments, step)))
    },
);
pub(super) const DEL_SERVICE: Description = command(
    "delservice",
    "NAME|JSON",
    "Take a service away",
    &["delservice app::hello"],
    |line, arguments| delete(line, Key::Services, arguments),
);

/// The elements that one argument stands for.
fn elements(key: Key, arguments: Vec<Value>) -> Vec<Value> {
    let mut elements = Vec::new();
    for argument in arguments {
        match argument {
            Value::Text(word) => match key.word(&word) {
                Value::Array(parts) => elements.extend(parts),
                one => elements.push(one),
            },
            // A service with its arguments is a list itself.
            one => elements.push(one),
        }
    }
    elements
}

/// The elements that the list has now, in a profile those that it inherits if it has no list of its own.
fn present(document: &Document, scope: Scope<'_>, key: Key) -> Result<Vec<Value>, Failure> {
    let profile = match scope {
        Scope::Global => None,
        Scope::Profile(name) => Some(name),
    };
    Ok(match effective(document, profile, key)? {
        Some(Value::Array(items)) => items.into_vec(),
        Some(Value::Text(text)) => match key.word(&text) {
            Value::Array(items) => items.into_vec(),
            one => vec![one],
        },
        None | Some(Value::Null) => Vec::new(),
        Some(other) => vec![other],
    })
}

fn add(line: &mut Line<'_>, key: Key, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let more = elements(key, arguments);
    check(key, &more.clone().into(), None)?;
    let step = change(line, move |document, scope| {
        let mut list = present(document, scope, key)?;
        for element in &more {
            if !list.contains(element) {
                list.push(element.clone());
            }
        }
        document.set(scope, key.name(), list.into());
        Ok(None)
    })?;
    Ok(Some(step))
}

fn delete(line: &mut Line<'_>, key: Key, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let fewer = elements(key, arguments);
    let step = change(line, move |document, scope| {
        let before = present(document, scope, key)?;
        let mut list = before.clone();
        list.retain(|element| !fewer.contains(element));
        if list.len() < before.len() {
            document.set(scope, key.name(), list.into());
            return Ok(None);
        }
        let name = key.name();
        Ok(Some(format!(
            "nothing was taken away: {name} has no such element there"
        )))
    })?;
    Ok(Some(step))
}

/// Says so if a program with services of its own has not the one that is added.
fn known(arguments: Vec<Value>, step: Step) -> Step {
    Box::new(move |context| {
        let name = match arguments.first() {
            Some(Value::Array(parts)) => parts.first().and_then(Value::as_str),
            Some(one) => one.as_str(),
            None => None,
        };
        if let Some(name) = name {
            let names: Vec<_> = context.registry.names().collect();
            if !names.is_empty() && !names.contains(&name) {
                let nearest = meant(nearest(name, names));
                output::hint(&format!(
                    "this program has no service {name:?} itself{nearest}"
                ));
            }
        }
        step(context)
    })
}
