//! What the network says: by how much the clocks differ, and whether a node has the profile's ID already.

use std::net::{SocketAddr, TcpListener};
use std::time::SystemTime;

use aemp::error::Report;
use aemp::{NodeId, PortId, Value};

use super::Finding;
use crate::network::{self, Session};
use crate::time;

/// A clock that is off by more than this is worth a word.
const CLOCK: f64 = 2.0;

/// By how much the clocks of connected nodes differ from ours.
pub(super) async fn clocks(session: &Session) -> Vec<Finding> {
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

/// A node that lives and has the ID of the profile: the network refuses a second one.
pub(super) async fn living(
    session: &Session,
    own: Option<&NodeId>,
    prefix: &str,
) -> Option<Finding> {
    let id = own?;
    let asked = vec![Value::from("time")];
    network::cal(session, &PortId::from(id.clone()), asked)
        .await
        .ok()?;
    let listens = addresses(session, id).await;
    let at = match listens.is_empty() {
        true => String::from("listening nowhere"),
        false => format!("at {}", listens.join(", ")),
    };
    let what = format!("the node {id}");
    Some(match listens.iter().any(|address| is_here(address)) {
        true => Finding::ok(
            what,
            format!("runs already on this machine, {at}; a second one is refused while it does"),
        ),
        false => Finding::wrong(
            what,
            format!("runs already, and not on this machine, {at}: a second one is refused"),
            format!(
                "give each an ID of its own: \"{prefix} nodeid NAME\", or one that ends in / for a random word"
            ),
        ),
    })
}

/// Where a node listens, as far as the directory knows.
async fn addresses(session: &Session, id: &NodeId) -> Vec<String> {
    let listens = network::family(session, "'l").await.unwrap_or_default();
    let addresses = listens.get(id.as_str()).and_then(Value::as_array);
    let texts = addresses.unwrap_or_default().iter();
    texts
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect()
}

/// Whether an address is of this machine: only then can it be listened on.
fn is_here(address: &str) -> bool {
    let socket: Option<SocketAddr> = address.parse().ok();
    socket.is_some_and(|socket| TcpListener::bind((socket.ip(), 0)).is_ok())
}
