//! A configured node ID as the ID that the node gets: `%n`, `%u` and a trailing `/` (protocol.md section 1).

use aemp_core::{NodeId, ParseIdError};

/// Puts `host` in the place of `%n`, and `word` in that of `%u` and behind a trailing `/`.
pub(super) fn expand(configured: &str, host: &str, word: &str) -> Result<NodeId, ParseIdError> {
    let mut id = configured.replace("%n", host);
    if id.ends_with('/') {
        id.push_str("%u");
    }
    NodeId::new(&id.replace("%u", word))
}
