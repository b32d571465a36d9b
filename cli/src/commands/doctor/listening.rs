//! An address to listen on: whether a node can, or does.

use std::io;
use std::time::Duration;

use aemp::profile::{Endpoint, Profile};
use aemp::transport::{SocketConfig, Transport};
use aemp::{Address, NodeId};

use super::super::explain::explained;
use super::Finding;
use crate::failure::Failure;
use crate::health;

/// Whether a node can listen at `bind`, as one of the profile does that starts.
pub(super) async fn look(
    profile: &Profile,
    bind: &str,
    own: Option<&NodeId>,
    prefix: &str,
    limit: Duration,
) -> Result<Finding, Failure> {
    let what = format!("bind {bind}");
    let address: Address = match bind.parse() {
        Ok(address) => address,
        Err(error) => {
            let advice = String::from("write HOST:PORT, or *:PORT");
            return Ok(Finding::wrong(what, format!("{error}"), advice));
        }
    };
    let tcp = aemp::Tcp::new();
    let listening = tcp.listen(&address, &SocketConfig::new(limit)).await;
    let error = match listening {
        Ok(listener) => {
            let at: Vec<String> = listener
                .addresses()
                .iter()
                .map(ToString::to_string)
                .collect();
            let text = format!("is free; others would reach it at {}", at.join(", "));
            return Ok(Finding::ok(what, text));
        }
        Err(error) => error,
    };
    let advice = format!(
        "choose another port with \"{prefix} setbinds HOST:PORT\", or stop what listens there"
    );
    if error.kind() == io::ErrorKind::AddrInUse {
        return Ok(match listener(profile, &address, limit).await? {
            // Where each node of the profile has an ID of its own, the next one fails.
            Some(node) if own == Some(&node) => Finding::ok(
                what,
                format!("is in use, by {node}, a node of this profile"),
            ),
            Some(node) => Finding::wrong(what, format!("{error}; it is the node {node}"), advice),
            None => Finding::wrong(what, error.to_string(), advice),
        });
    }
    Ok(Finding::wrong(what, error.to_string(), advice))
}

/// Whether a node of the profile can answer for its health, where the profile says so.
pub(super) async fn answering(
    profile: &Profile,
    own: Option<&NodeId>,
    prefix: &str,
    limit: Duration,
) -> Option<Finding> {
    let at = profile.health.as_ref()?;
    let what = format!("health {at}");
    let Err(error) = health::listen(at) else {
        return Some(Finding::ok(what, "is free"));
    };
    if error.kind() == io::ErrorKind::AddrInUse
        && let Some(own) = own
        && is_answered_by(own, at, limit).await
    {
        let text = format!("is in use, by {own}, a node of this profile");
        return Some(Finding::ok(what, text));
    }
    let advice = format!(
        "choose another address with \"{prefix} sethealth HOST:PORT\", or stop what listens there"
    );
    Some(Finding::wrong(what, error.to_string(), advice))
}

/// Whether the endpoint at `at` is that of the node `own`.
async fn is_answered_by(own: &NodeId, at: &Endpoint, limit: Duration) -> bool {
    let asked = tokio::time::timeout(limit, health::ask(at, health::LIVE)).await;
    let checks = asked.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_default();
    checks.contains(&health::Check::of_running(own))
}

/// The node that listens at a bind, if it is one.
async fn listener(
    profile: &Profile,
    bind: &Address,
    limit: Duration,
) -> Result<Option<NodeId>, Failure> {
    let each = match bind.target().strip_prefix("*:") {
        Some(port) => own_addresses(port, limit).await,
        None => vec![bind.clone()],
    };
    for address in each {
        let report = explained(profile, &address, limit).await?;
        if report.node.is_some() {
            return Ok(report.node);
        }
    }
    Ok(None)
}

/// The addresses that a bind to `*` stands for, with this port.
async fn own_addresses(port: &str, limit: Duration) -> Vec<Address> {
    let Ok(every) = "*".parse() else {
        return Vec::new();
    };
    let listening = aemp::Tcp::new()
        .listen(&every, &SocketConfig::new(limit))
        .await;
    let Ok(listener) = listening else {
        return Vec::new();
    };
    let with_port = |address: Address| {
        let (host, _) = address.target().rsplit_once(':')?;
        format!("{host}:{port}").parse().ok()
    };
    let addresses = listener.addresses().into_iter();
    addresses.filter_map(with_port).collect()
}
