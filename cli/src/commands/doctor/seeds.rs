//! A seed: how far a connection to it gets, and what to do about the rest.

use std::time::Duration;

use aemp::Address;
use aemp::profile::Profile;
use aemp::transport::Transport;

use super::super::explain::explained;
use super::Finding;
use crate::failure::Failure;
use crate::network::Trouble;

/// How far a connection to a seed gets.
pub(super) async fn look(
    profile: &Profile,
    seed: &str,
    prefix: &str,
    limit: Duration,
) -> Result<Finding, Failure> {
    let what = format!("seed {seed}");
    let address = seed.parse::<Address>().map_err(|error| error.to_string());
    let address = address.and_then(|address| {
        let checked = aemp::Tcp::new().check_connect(&address);
        checked.map(|()| address).map_err(|error| error.to_string())
    });
    let address = match address {
        Ok(address) => address,
        Err(error) => {
            let advice = format!("\"{prefix} setseeds HOST:PORT\"");
            return Ok(Finding::wrong(what, error, advice));
        }
    };
    let report = explained(profile, &address, limit).await?;
    let failed = report
        .steps
        .iter()
        .find_map(|step| Some((step.name, step.outcome.as_ref().err()?)));
    let Some((step, why)) = failed else {
        let said = |name| {
            report
                .steps
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
        return Ok(Finding::ok(what, text));
    };
    let advice = match (report.trouble, step) {
        (Some(Trouble::Between), _) => {
            format!(
                "a proxy, a tunnel or a router that translates addresses passes the connection on: use the seed's own address; \
                 where it has to go through it, both ends name the address outside, \"{prefix} advertise HOST:PORT\", or \
                 compare none, \"{prefix} check_peeraddr off\""
            )
        }
        (Some(Trouble::Codecs), _) => {
            format!("let both have a codec in common: \"{prefix} framing_format cbor,json\"")
        }
        (Some(Trouble::NoNode), _) => {
            "what listens there is no AEMP node: is that the seed's port?".to_owned()
        }
        (Some(Trouble::Own), _) => format!(
            "another node has the ID of this one: give each its own, \"{prefix} nodeid NAME\""
        ),
        (None, "connect") => {
            "is a node running there, and no firewall between? on its host, \"aemp doctor\""
                .to_owned()
        }
        (None, "TLS") => format!(
            "both need the same certificate, or one of the same CA and that CA: \"{prefix} setcert FILE\" with what \
             \"aemp gencert\" made on one host"
        ),
        (None, "authentication") => format!(
            "both need the same secret: \"{prefix} setsecret\"; where they have, its log says more"
        ),
        (None, _) => format!("\"{prefix} explain {seed}\" shows each step, and its log says more"),
    };
    Ok(Finding::wrong(what, format!("{step}: {why}"), advice))
}
