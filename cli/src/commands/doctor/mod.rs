//! `doctor`: what keeps a node of this configuration from its network, and what to type.
//!
//! What the configuration says is in `configuration`, each address to listen on in `listening`, each seed in `seeds`, and what the
//! network says of the clocks and of the node's ID in `network`.

mod configuration;
mod listening;
mod network;
mod seeds;

use aemp::profile::Profile;
use aemp::{Map, NodeId, Value};

use super::explain::stranger;
use super::{Description, Step, Takes};
use crate::context::Context;
use crate::failure::Failure;
use crate::layers::Layers;
use crate::line::Line;
use crate::{output, show};

pub(super) const DOCTOR: Description = Description {
    name: "doctor",
    arguments: "",
    about: "Check the configuration, each address to listen on, each seed from its name to its clock, and whether the node's ID \
            is taken; say what to type",
    examples: &["doctor", "profile worker doctor"],
    takes: Takes::Exactly(0),
    prepare,
};

/// What was looked at, whether it is well, and what to do if it is not.
struct Finding {
    what: String,
    well: Result<String, String>,
    advice: Option<String>,
}

impl Finding {
    fn ok(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            well: Ok(text.into()),
            advice: None,
        }
    }

    fn wrong(
        what: impl Into<String>,
        text: impl Into<String>,
        advice: impl Into<Option<String>>,
    ) -> Self {
        Self {
            what: what.into(),
            well: Err(text.into()),
            advice: advice.into(),
        }
    }
}

/// The ID that nodes of the profile have, before and behind the random word that may be in it.
struct OwnId {
    before: String,
    behind: Option<String>,
}

impl OwnId {
    fn read(context: &Context, profile: Option<&str>) -> Result<Self, Failure> {
        let layers = Layers::read(&context.file)?;
        let profile = layers.sources(profile, &Map::new()).resolve()?;
        let id = profile.node_id.as_str();
        Ok(match id.split_once(&layers.word) {
            Some((before, behind)) => Self {
                before: before.to_owned(),
                behind: Some(behind.to_owned()),
            },
            None => Self {
                before: id.to_owned(),
                behind: None,
            },
        })
    }

    /// The whole of it, if all nodes of the profile have the same.
    fn fixed(&self) -> Option<NodeId> {
        match self.behind {
            None => self.before.parse().ok(),
            Some(_) => None,
        }
    }

    /// Whether a node with this ID can be one of the profile.
    fn is_of(&self, node: &NodeId) -> bool {
        let id = node.as_str();
        match &self.behind {
            None => id == self.before,
            Some(behind) => id
                .strip_prefix(&self.before)
                .is_some_and(|rest| rest.len() > behind.len() && rest.ends_with(behind)),
        }
    }
}

fn prepare(line: &mut Line<'_>, _: Vec<Value>) -> Result<Option<Step>, Failure> {
    let name = line.profile.clone();
    line.check_profile(name.as_deref())?;
    Ok(Some(Box::new(move |context| {
        let profile = stranger(context, name.as_deref())?;
        let own = OwnId::read(context, name.as_deref())?;
        let prefix = match &name {
            Some(name) => format!("aemp profile {name}"),
            None => String::from("aemp"),
        };
        let mut findings = configuration::look(context, &profile, &prefix);
        let limit = context.options.timeout;
        let runtime = context.runtime()?;
        for bind in &profile.binds {
            findings.push(runtime.block_on(listening::look(&profile, bind, &own, limit))?);
        }
        let mut joined = false;
        for seed in reached(&profile) {
            let finding = runtime.block_on(seeds::look(&profile, seed, &prefix, limit))?;
            joined |= finding.well.is_ok();
            findings.push(finding);
        }
        if joined {
            let work = async |session: &crate::network::Session| {
                let mut found = network::clocks(session).await;
                found.extend(network::living(session, &own, &prefix).await);
                Ok(found)
            };
            findings.extend(context.in_network(name.as_deref(), work)?);
        }
        report(&findings, context.options.json)
    })))
}

/// The seeds that can be tried: none with a certificate that cannot be used, which is a finding of its own.
fn reached(profile: &Profile) -> &[String] {
    match super::explain::certificate(profile) {
        Some(Err(_)) => &[],
        _ => &profile.seeds,
    }
}

fn report(findings: &[Finding], json: bool) -> Result<(), Failure> {
    if json {
        let rows = findings.iter().map(|finding| {
            let (state, text) = match &finding.well {
                Ok(text) => ("ok", text),
                Err(text) => ("wrong", text),
            };
            let row = [finding.what.as_str(), state, text].map(Value::from);
            let advice = Value::from(finding.advice.as_deref());
            Value::from(row.into_iter().chain([advice]).collect::<Vec<_>>())
        });
        show::print_elements(&rows.collect::<Vec<_>>(), true)?;
    } else {
        let mut text = String::new();
        for Finding { what, well, advice } in findings {
            text += &match well {
                Ok(well) => format!("ok     {what} {well}\n"),
                Err(wrong) => format!("WRONG  {what}: {wrong}\n"),
            };
            if let Some(advice) = advice {
                text += &format!("       {advice}\n");
            }
        }
        output::write(&text)?;
    }
    match findings
        .iter()
        .filter(|finding| finding.well.is_err())
        .count()
    {
        0 => Ok(()),
        1 => Err(Failure::Failed("one thing is wrong".into())),
        n => Err(Failure::Failed(format!("{n} things are wrong"))),
    }
}
