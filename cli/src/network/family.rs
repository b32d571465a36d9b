//! `directory`: which families there are, what is in one, and how it changes.

use std::collections::BTreeMap;
use std::time::Duration;

use aemp::directory::Change;
use aemp::directory::DirectoryRole;
use aemp::stats::ConnectionInfo;
use aemp::{Text, Value};

use super::{Failure, Session, stats};
use crate::progress;

/// Who is waited for.
const DIRECTORY: &str = "the directory";

/// How often it is looked whether there is a master.
const LOOK: Duration = Duration::from_millis(5);

/// Asks the network for a family.
pub(crate) async fn family(
    session: &Session,
    family: &str,
) -> Result<BTreeMap<Text, Value>, Failure> {
    let asked = session.node.directory().family(family);
    let asked = asked.within(session.limit);
    Ok(progress::during(DIRECTORY, session.limit, asked).await?)
}

/// The families that the global node knows which works for us, with how many keys. Only nodes that allow inspection
/// tell: the protocol has no request for it.
pub(crate) async fn families(session: &Session) -> Result<BTreeMap<String, u64>, Failure> {
    let master = async {
        loop {
            if let DirectoryRole::Client(master) = session.node.directory().role() {
                return master;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let master = session.wait(DIRECTORY, master).await?;
    let links = session.node.connections();
    let is_perl = |link: &ConnectionInfo| *link.peer() == master && link.is_perl();
    if links.iter().any(is_perl) {
        let text =
            "an AnyEvent::MP node cannot list families; name one, as in \"aemp directory workers\"";
        return Err(Failure::answer(&master, text));
    }
    Ok(stats(session, &master).await?.families)
}

/// Follows a family, until `tell` says that it is enough.
pub(crate) async fn follow(
    session: &Session,
    family: &str,
    mut tell: impl FnMut(Change) -> Result<(), crate::failure::Failure>,
) -> Result<(), crate::failure::Failure> {
    let watch = session.node.directory().watch(family);
    let mut watch = watch.map_err(Failure::from)?;
    while let Some(change) = watch.recv().await {
        tell(change)?;
    }
    Ok(())
}
