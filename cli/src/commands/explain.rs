//! `explain ADDRESS`: why a connection comes up, or does not.

use std::time::Duration;

use aemp::handshake::{self, Nonce, Settings};
use aemp::profile::{Key, Profile};
use aemp::tls::PemError;
use aemp::{Address, Map, Tls, Value};

use super::{Description, Step, Takes};
use crate::arguments::text;
use crate::context::{Context, NODE_ID};
use crate::failure::Failure;
use crate::layers::Layers;
use crate::line::Line;
use crate::network::Report;
use crate::random::random;
use crate::show;
use crate::{network, output};

pub(super) const EXPLAIN: Description = Description {
    name: "explain",
    arguments: "ADDRESS",
    about: "Open a connection step by step, and show both greetings, each check, and which codec is chosen and why",
    examples: &[
        "explain seed.example.net:4040",
        "profile worker explain 127.0.0.1:4040",
    ],
    takes: Takes::Exactly(1),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let profile = line.profile.clone();
    line.check_profile(profile.as_deref())?;
    let words = text(&arguments, 0, "an address")?;
    let address: Address = words
        .parse()
        .map_err(|error| Failure::Usage(format!("{words} is no address: {error}")))?;
    Ok(Some(Box::new(move |context| {
        let profile = stranger(context, profile.as_deref())?;
        let runtime = context.runtime()?;
        let report = runtime.block_on(explained(&profile, &address, context.options.timeout))?;
        if context.options.json {
            let steps = report.steps.iter().map(|step| {
                let (state, text) = match &step.outcome {
                    Ok(text) => ("ok", text),
                    Err(text) => ("failed", text),
                };
                let step: Vec<Value> = [step.name, state, text].map(Value::from).into();
                Value::from(step)
            });
            show::print_elements(&steps.collect::<Vec<_>>(), true)?;
        } else {
            let lines = report.steps.iter().map(|step| match &step.outcome {
                Ok(text) => format!("ok      {}: {text}\n", step.name),
                Err(text) => format!("FAILED  {}: {text}\n", step.name),
            });
            output::write(&lines.collect::<String>())?;
        }
        match report.is_good() {
            true => Ok(()),
            false => Err(network::Failure::NotUp {
                address: address.to_string(),
            }
            .into()),
        }
    })))
}

/// What a node of the profile would be told, under an ID that no node has, so that it is not taken for one that runs.
pub(super) fn stranger(context: &Context, profile: Option<&str>) -> Result<Profile, Failure> {
    let program: Map = [(Key::NodeId.name(), NODE_ID)].into_iter().collect();
    let layers = Layers::read(&context.file)?;
    let mut sources = layers.sources(profile, &program);
    sources.force = true;
    Ok(sources.resolve()?)
}

/// Opens a connection as `profile` says, and reports.
pub(super) async fn explained(
    profile: &Profile,
    address: &Address,
    limit: Duration,
) -> Result<Report, Failure> {
    let mut settings = Settings::new(profile.node_id.clone());
    settings.secret = profile.secret.clone();
    let all = || vec!["cbor".into(), "json".into()];
    settings.framings = profile.framing_format.clone().unwrap_or_else(all);
    settings.auth_offer.clone_from(&profile.auth_offer);
    settings.auth_accept.clone_from(&profile.auth_accept);
    settings.check_peeraddr = profile.check_peeraddr;
    settings.own_addresses = profile.own_addresses();
    let tls = certificate(profile).transpose();
    let tls = tls.map_err(|error| Failure::Failed(format!("cert cannot be used: {error}")))?;
    settings.tls = match (&tls, profile.tls_fallback) {
        (None, _) => handshake::Tls::Off,
        (Some(_), true) => handshake::Tls::Fallback,
        (Some(_), false) => handshake::Tls::Required,
    };
    let nonce = Nonce::new(random()?);
    let transport = aemp::Tcp::new();
    let report = network::explain(&transport, settings, tls.as_ref(), nonce, address, limit);
    Ok(report.await)
}

/// The certificate of a profile, if it has one.
pub(super) fn certificate(profile: &Profile) -> Option<Result<Tls, PemError>> {
    let cert = profile.cert.as_ref()?;
    Some(Tls::from_pem(cert.as_pem()))
}
