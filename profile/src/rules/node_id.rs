//! Expands a configured node ID: `%n`, `%u` and a trailing `/` (protocol.md section 1).

use aemp_core::{NodeId, ParseIdError};

/// Replaces `%n` by `host` and `%u` by `word`, and appends `word` to a trailing `/`.
pub(super) fn expand(configured: &str, host: &str, word: &str) -> Result<NodeId, ParseIdError> {
    let mut id = configured.replace("%n", host);
    if id.ends_with('/') {
        id.push_str("%u");
    }
    NodeId::new(&id.replace("%u", word))
}
