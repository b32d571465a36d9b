//! `directory`: what is in a family.

use std::collections::BTreeMap;

use aemp::{Text, Value};

use super::{Failure, Session};

/// Asks the network for a family.
pub(crate) async fn family(
    session: &Session,
    family: &str,
) -> Result<BTreeMap<Text, Value>, Failure> {
    let asked = session.node.directory().family(family);
    Ok(asked.within(session.limit).await?)
}
