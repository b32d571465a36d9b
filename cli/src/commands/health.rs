//! `health [PROFILE]`: asks a node that `run` has started how it is. `health HOST:PORT` sets the key of that name, as the name of
//! every key does.

use std::net::IpAddr;

use aemp::profile::{Endpoint, Key};
use aemp::{Map, Value};

use super::{Description, Step, Takes, set};
use crate::arguments::text;
use crate::context::Context;
use crate::failure::Failure;
use crate::health::{self, Check, LIVE, READY};
use crate::layers::Layers;
use crate::line::Line;
use crate::{network, output, progress, show};

pub(super) const HEALTH: Description = Description {
    name: "health",
    arguments: "[PROFILE | HOST:PORT]",
    about: "Ask the node of a profile whether it is live and ready, where its key health says; with --live only whether it is live. \
            With HOST:PORT set that key",
    examples: &[
        "health seed",
        "--live health seed",
        "profile seed health 127.0.0.1:8080",
    ],
    takes: Takes::AtMost(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let name = match arguments.first() {
        None => line.profile.clone(),
        Some(_) => {
            let word = text(&arguments, 0, "a profile's name")?;
            if word.contains(':') {
                return set::set(line, Key::Health, arguments).map(Some);
            }
            Some(word.to_string())
        }
    };
    line.check_profile(name.as_deref()).map_err(|error| {
        let word = name.as_deref().unwrap_or_default();
        match is_part_of_address(word) {
            true => Failure::Usage(format!(
                "{error}; as an address to set it would be HOST:PORT, for example 127.0.0.1:8080"
            )),
            false => error,
        }
    })?;
    Ok(Some(Box::new(move |context| {
        look(context, name.as_deref())
    })))
}

/// Whether a word looks like a host or a port, one without the other.
fn is_part_of_address(word: &str) -> bool {
    word == "*"
        || word == "localhost"
        || word.parse::<u16>().is_ok()
        || word.parse::<IpAddr>().is_ok()
}

fn look(context: &Context, name: Option<&str>) -> Result<(), Failure> {
    let layers = Layers::read(&context.file)?;
    let profile = layers.sources(name, &Map::new()).resolve()?;
    let Some(at) = profile.health else {
        let prefix = name.map_or_else(
            || String::from("aemp"),
            |name| format!("aemp profile {name}"),
        );
        return Err(Failure::Failed(format!(
            "nobody answers for {}, which has no key health: \"{prefix} health 127.0.0.1:8080\" says where, for nodes that start \
             from then on",
            name.map_or_else(
                || String::from("this configuration"),
                |name| format!("profile {name:?}")
            ),
        )));
    };
    let paths: &[&str] = match context.options.live {
        true => &[LIVE],
        false => &[LIVE, READY],
    };
    let mut checks = Vec::new();
    let runtime = context.runtime()?;
    for path in paths {
        checks.extend(runtime.block_on(ask(context, &at, path))?);
    }
    print(&checks, context.options.json)?;
    match Check::all_are_well(&checks) {
        true => Ok(()),
        false => Err(Failure::Failed(format!("the node at {at} is not well"))),
    }
}

async fn ask(context: &Context, at: &Endpoint, path: &str) -> Result<Vec<Check>, Failure> {
    let limit = context.options.timeout;
    let target = at.to_string();
    let asked = tokio::time::timeout(limit, health::ask(at, path));
    let asked = progress::during(&target, limit, asked).await;
    let answer = asked.map_err(|_| network::Failure::TimedOut {
        target: target.clone(),
        limit,
    })?;
    Ok(answer.map_err(|why| network::Failure::NoHealth { at: target, why })?)
}

fn print(checks: &[Check], json: bool) -> Result<(), Failure> {
    if !json {
        let lines = checks.iter().map(|check| format!("{check}\n"));
        return output::write(&lines.collect::<String>());
    }
    let rows = checks.iter().map(|check| {
        let (state, text) = match &check.found {
            Ok(text) => ("ok", text),
            Err(text) => ("wrong", text),
        };
        let row = [check.what.as_str(), state, text].map(Value::from);
        Value::from(row.to_vec())
    });
    show::print_elements(&rows.collect::<Vec<_>>(), true)
}
