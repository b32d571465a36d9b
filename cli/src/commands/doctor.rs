//! `doctor`: what keeps a node of this configuration from its network, and what to type.

use std::io;
use std::time::{Duration, SystemTime};

use aemp::profile::Profile;
use aemp::transport::{SocketConfig, Transport};
use aemp::{Address, PortId, Report, Value};

use super::explain::{certificate, explained, stranger};
use super::{Description, Step, Takes};
use crate::certificates;
use crate::failure::Failure;
use crate::line::Line;
use crate::show;
use crate::{network, output, time};

pub(super) const DOCTOR: Description = Description {
    name: "doctor",
    arguments: "",
    about: "Check the configuration, each address to listen on, and each seed from its name to its clock; say what to type",
    examples: &["doctor", "profile worker doctor"],
    takes: Takes::Exactly(0),
    prepare,
};

/// A clock that is off by more than this is worth a word.
const CLOCK: f64 = 2.0;

/// What was looked at, whether it is well, and what to do if it is not.
struct Finding {
    what: String,
    well: Result<String, String>,
    advice: Option<String>,
}

fn prepare(line: &mut Line<'_>, _: Vec<Value>) -> Result<Option<Step>, Failure> {
    let name = line.profile.clone();
    line.check_profile(name.as_deref())?;
    Ok(Some(Box::new(move |context| {
        let profile = stranger(context, name.as_deref())?;
        let prefix = match &name {
            Some(name) => format!("aemp profile {name}"),
            None => String::from("aemp"),
        };
        let mut findings = configuration(&profile, &prefix);
        let limit = context.options.timeout;
        let runtime = context.runtime()?;
        for bind in &profile.binds {
            findings.push(runtime.block_on(bound(&profile, bind, limit))?);
        }
        let mut joined = false;
        for seed in &profile.seeds {
            let finding = runtime.block_on(seeded(&profile, seed, &prefix, limit))?;
            joined |= finding.well.is_ok();
            findings.push(finding);
        }
        if joined {
            let clock =
                context.in_network(name.as_deref(), async |session| Ok(clocks(session).await))?;
            findings.extend(clock);
        }
        report(&findings, context.options.json)
    })))
}

fn configuration(profile: &Profile, prefix: &str) -> Vec<Finding> {
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
    Some(match certificate(profile)? {
        Err(error) => Finding {
            what,
            well: Err(error.to_string()),
            advice: advice("another is needed"),
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

/// Whether a node can listen there, or does.
async fn bound(profile: &Profile, bind: &str, limit: Duration) -> Result<Finding, Failure> {
    let what = format!("bind {bind}");
    let finding = |well, advice: Option<&str>| Finding {
        what: what.clone(),
        well,
        advice: advice.map(str::to_owned),
    };
    let address: Address = match bind.parse() {
        Ok(address) => address,
        Err(error) => {
            return Ok(finding(
                Err(format!("{error}")),
                Some("write HOST:PORT, or *:PORT"),
            ));
        }
    };
    let listening = aemp::Tcp::new()
        .listen(&address, &SocketConfig::new(limit))
        .await;
    let error = match listening {
        Ok(listener) => {
            let at: Vec<String> = listener
                .addresses()
                .iter()
                .map(ToString::to_string)
                .collect();
            return Ok(finding(
                Ok(format!(
                    "is free; others would reach it at {}",
                    at.join(", ")
                )),
                None,
            ));
        }
        Err(error) => error,
    };
    if error.kind() == io::ErrorKind::AddrInUse && bind != "*" && !bind.starts_with("*:") {
        // Most likely the node of this very profile.
        let answer = explained(profile, &address, limit).await?;
        if let Some(greeting) = answer.0.iter().find(|step| step.name == "its greeting")
            && let Ok(text) = &greeting.outcome
        {
            return Ok(finding(Ok(format!("is in use, by {text}")), None));
        }
    }
    Ok(finding(
        Err(error.to_string()),
        Some("choose another port with \"setbinds HOST:PORT\", or stop what listens there"),
    ))
}

/// How far a connection to a seed gets.
async fn seeded(
    profile: &Profile,
    seed: &str,
    prefix: &str,
    limit: Duration,
) -> Result<Finding, Failure> {
    let what = format!("seed {seed}");
    let address: Address = match seed.parse() {
        Ok(address) => address,
        Err(error) => {
            return Ok(Finding {
                what,
                well: Err(format!("{error}")),
                advice: Some(format!("\"{prefix} setseeds HOST:PORT\"")),
            });
        }
    };
    let report = explained(profile, &address, limit).await?;
    let failed = report
        .0
        .iter()
        .find_map(|step| Some((step.name, step.outcome.as_ref().err()?)));
    let Some((step, why)) = failed else {
        let said = |name| {
            report
                .0
                .iter()
                .find(|step| step.name == name)?
                .outcome
                .as_deref()
                .ok()
        };
        let codec = |name| {
            said(name)
                .and_then(|text| text.split(':').next())
                .unwrap_or("?")
        };
        let tls = said("TLS").map_or_else(String::new, |tls| format!("; {tls}"));
        let text = format!(
            "lets us in: {}{tls}; we send {}, it sends {}",
            said("its greeting").unwrap_or_default(),
            codec("codec to it"),
            codec("codec from it")
        );
        return Ok(Finding {
            what,
            well: Ok(text),
            advice: None,
        });
    };
    let advice = match step {
        "connect" => {
            "is a node running there, and no firewall between? on its host, \"aemp doctor\""
                .to_owned()
        }
        "TLS" => format!(
            "both need the same certificate, or one of the same CA and that CA: \"{prefix} setcert FILE\" with what \
             \"aemp gencert\" made on one host"
        ),
        "authentication" => format!(
            "both need the same secret: \"{prefix} setsecret\"; where they have, its log says more"
        ),
        "its greeting" => format!(
            "does a node listen there, and have both a codec in common? \"{prefix} framing_format cbor,json\""
        ),
        _ => format!("\"{prefix} explain {seed}\" shows each step"),
    };
    Ok(Finding {
        what,
        well: Err(format!("{step}: {why}")),
        advice: Some(advice),
    })
}

/// By how much the clocks of connected nodes differ from ours.
async fn clocks(session: &network::Session) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in session.node.connections() {
        let port = PortId::from(link.peer().clone());
        let before = SystemTime::now();
        let asked = network::cal(session, &port, vec![Value::from("time")]).await;
        let half = before.elapsed().unwrap_or_default() / 2;
        let now = time::seconds(before + half);
        let theirs = asked.map_err(|error| Report(&error).to_string());
        let well = theirs.and_then(|answer| {
            let told = answer.first().and_then(Value::as_f64);
            let told = told.ok_or_else(|| String::from("does not tell the time"))?;
            let difference = told - now;
            let text = format!("differs from ours by {difference:+.3} s");
            if difference.abs() > CLOCK {
                Err(text)
            } else {
                Ok(text)
            }
        });
        let advice = well
            .is_err()
            .then(|| "nothing depends on it but times in logs; let both hosts synchronise".into());
        findings.push(Finding {
            what: format!("the clock of {}", link.peer()),
            well,
            advice,
        });
    }
    findings
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
