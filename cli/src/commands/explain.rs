//! `explain ADDRESS`: why a connection comes up, or does not.

use std::sync::Arc;

use aemp::handshake::{Nonce, Settings};
use aemp::profile::Sources;
use aemp::{Address, Map, Value};

use super::{Description, Step, Takes, show, text};
use crate::chain::Line;
use crate::failure::Failure;
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
    let words = text(&arguments, 0, "an address")?;
    let address: Address = words
        .parse()
        .map_err(|error| Failure::Usage(format!("{words} is no address: {error}")))?;
    Ok(Some(Box::new(move |context| {
        let file = context.file.read()?.to_value();
        let host = aemp::host_name()?;
        let program: Map = [("nodeid", "aemp/%n/%u")].into_iter().collect();
        let mut sources = Sources::new(&host, "explain");
        sources.name = profile.as_deref();
        sources.file = Some(&file);
        sources.program = Some(&program);
        sources.force = true;
        let profile = sources.resolve()?;
        let mut settings = Settings::new(profile.node_id.clone());
        settings.secret = profile.secret;
        settings.framings = profile
            .framing_format
            .unwrap_or_else(|| vec!["cbor".into(), "json".into()]);
        let mut nonce = [0; 32];
        getrandom::fill(&mut nonce)
            .map_err(|error| Failure::Failed(format!("the system has no random bytes: {error}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let transport = Arc::new(aemp::Tcp::new());
        let report = runtime.block_on(network::explain(
            &*transport,
            settings,
            Nonce::new(nonce),
            &address,
            context.options.timeout,
        ));
        if context.options.json {
            let steps = report.0.iter().map(|step| {
                let (state, text) = match &step.outcome {
                    Ok(text) => ("ok", text),
                    Err(text) => ("failed", text),
                };
                let step: Vec<Value> = [step.name, state, text].map(Value::from).into();
                Value::from(step)
            });
            show::print_elements(&steps.collect::<Vec<_>>(), true)?;
        } else {
            let lines = report.0.iter().map(|step| match &step.outcome {
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
