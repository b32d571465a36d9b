//! What the configuration says: the secret, the certificate, what peers may do, and what is wrong with the rest.

use std::net::SocketAddr;
use std::time::SystemTime;

use aemp::Values;
use aemp::profile::Profile;
use aemp::{LocalNode, StartError};

use super::super::explain::certificate;
use super::Finding;
use crate::certificates;
use crate::context::Context;

pub(super) fn look(context: &Context, profile: &Profile, prefix: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let secret = match &profile.secret {
        Some(_) if !profile.secret_accept.is_empty() => (
            Ok(format!(
                "is set, and {} more accepted: \"{prefix} delsecret_accept\" when all nodes have this one",
                profile.secret_accept.len()
            )),
            None,
        ),
        Some(_) => (Ok("is set".to_owned()), None),
        None if profile.cert.is_some() => (
            Ok("is not set, and not needed where all nodes have a certificate".to_owned()),
            None,
        ),
        None => (
            Err("is not set, and without it nobody can be authenticated".to_owned()),
            Some("\"aemp gensecret\" on one host, then \"aemp setsecret\" with the same on all others".to_owned()),
        ),
    };
    findings.push(Finding {
        what: "the secret".into(),
        well: secret.0,
        advice: secret.1,
    });
    findings.extend(certified(profile, prefix));
    findings.extend(restricted(profile));
    findings.extend(startable(context, profile, prefix));
    let warnings = profile.warnings.iter().map(|warning| Finding {
        what: "the configuration".into(),
        well: Err(warning.to_string()),
        advice: Some(format!(
            "\"{prefix} showconfig\" shows what holds, and where each value comes from"
        )),
    });
    findings.extend(warnings);
    if profile.seeds.is_empty() {
        findings.push(Finding {
            what: "seeds".into(),
            well: Ok("there are none: this node is a seed itself, or alone".into()),
            advice: None,
        });
    }
    findings
}

/// Whether the certificate can be used, and until when.
fn certified(profile: &Profile, prefix: &str) -> Option<Finding> {
    let what = String::from("the certificate");
    let advice = |words: &str| {
        Some(format!(
            "{words}: \"{prefix} gencert\" on one host makes one, \"{prefix} setcert FILE\" takes one"
        ))
    };
    let Some(loaded) = certificate(profile) else {
        return profile
            .binds
            .iter()
            .any(|bind| !is_loopback(bind))
            .then(|| Finding::ok(what, "is not set: nothing is encrypted after the opening"));
    };
    Some(match loaded {
        Err(error) => Finding {
            what,
            well: Err(error.to_string()),
            advice: advice("another is needed, and no seed is tried with this one"),
        },
        Ok(tls) => {
            let own = tls.certificate();
            if let Some(trouble) = certificates::trouble(&own, SystemTime::now()) {
                return Some(Finding {
                    what,
                    well: Err(trouble),
                    advice: advice("docs/operating.md says how to exchange it"),
                });
            }
            let mut text = format!("fits its key: {}", certificates::shown(&own));
            if let trusted @ 1.. = tls.trusted().len() {
                text += &format!("; {trusted} more are trusted");
            }
            if profile.tls_fallback {
                text += "; but tls_fallback is on: peers without TLS are let in as well";
            }
            Finding {
                what,
                well: Ok(text),
                advice: None,
            }
        }
    })
}

/// Whether others than this machine are not reached by a bind.
fn is_loopback(bind: &str) -> bool {
    let host = bind.rsplit_once(':').map_or(bind, |(host, _)| host);
    let socket: Option<SocketAddr> = format!("{host}:0").parse().ok();
    host == "localhost" || socket.is_some_and(|socket| socket.ip().is_loopback())
}

/// What peers may not do.
fn restricted(profile: &Profile) -> Option<Finding> {
    let what = "secure";
    match (profile.secure, &profile.allow) {
        (true, Some(_)) => Some(Finding::ok(
            what,
            "is on: no peer calls or spawns anything here, whatever allow permits",
        )),
        (true, None) => Some(Finding::ok(
            what,
            "is on: no peer calls or spawns anything here",
        )),
        (false, _) => None,
    }
}

/// What else would keep the node from starting, but for what has a finding of its own.
fn startable(context: &Context, profile: &Profile, prefix: &str) -> Option<Finding> {
    let services = context.registry.names();
    let builder = services.fold(aemp::node(), |builder, name| {
        builder.service(name, |_: &LocalNode, _: Values| {})
    });
    let own = |error: &StartError| {
        matches!(
            error,
            StartError::NoSecret
                | StartError::Certificate(_)
                | StartError::Listen { .. }
                | StartError::Seed { .. }
                | StartError::Address(_)
        )
    };
    let error = builder.fill(profile.clone()).check().err();
    let error = error.filter(|error| !own(error))?;
    Some(Finding::wrong(
        "the configuration",
        error.to_string(),
        format!("\"{prefix} showconfig\" shows what holds, and where each value comes from"),
    ))
}
