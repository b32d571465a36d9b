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

/// The ID of the profile's node; `None` if a random word in it gives each of its nodes another.
fn own_id(context: &Context, profile: Option<&str>) -> Result<Option<NodeId>, Failure> {
    let layers = Layers::read(&context.file)?;
    let profile = layers.sources(profile, &Map::new()).resolve()?;
    let is_random = profile.node_id.as_str().contains(&layers.word);
    Ok((!is_random).then_some(profile.node_id))
}

fn prepare(line: &mut Line<'_>, _: Vec<Value>) -> Result<Option<Step>, Failure> {
    let name = line.profile.clone();
    line.check_profile(name.as_deref())?;
    Ok(Some(Box::new(move |context| {
        let profile = stranger(context, name.as_deref())?;
        let own = own_id(context, name.as_deref())?;
        let prefix = match &name {
            Some(name) => format!("aemp profile {name}"),
            None => String::from("aemp"),
        };
        let mut findings = configuration::look(context, &profile, &prefix);
        let limit = context.options.timeout;
        let runtime = context.runtime()?;
        for bind in &profile.binds {
            findings.push(runtime.block_on(listening::look(
                &profile,
                bind,
                own.as_ref(),
                &prefix,
                limit,
            ))?);
        }
        let answering = listening::answering(&profile, own.as_ref(), &prefix, limit);
        findings.extend(runtime.block_on(answering));
        let mut joined = false;
        for seed in reached(&profile) {
            let finding = runtime.block_on(seeds::look(&profile, seed, &prefix, limit))?;
            joined |= finding.well.is_ok();
            findings.push(finding);
        }
        if joined {
            let work = async |session: &crate::network::Session| {
                let mut found = network::clocks(session).await;
                found.extend(network::living(session, own.as_ref(), &prefix).await);
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
