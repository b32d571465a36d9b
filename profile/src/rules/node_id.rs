//! Expands a configured node ID: `%n`, `%u` and a trailing `/` (protocol.md section 1).

use aemp_core::{NodeId, ParseIdError};

/// Replaces `%n` by `host` and `%u` by `word`, and appends `word` to a trailing `/`.
pub(super) fn expand(configured: &str, host: &str, word: &str) -> Result<NodeId, ParseIdError> {
    let mut id = configured.replace("%n", &of_host(host));
    if id.ends_with('/') {
        id.push_str("%u");
    }
    NodeId::new(&id.replace("%u", word))
}

/// The name of a host as a part of a node ID: each character that no ID has is `_`. Systems allow host names with a space
/// and with bytes that are no text, and no node fails by that.
pub(super) fn of_host(host: &str) -> String {
    let fits = |c: char| {
        c != char::REPLACEMENT_CHARACTER && NodeId::new(c.encode_utf8(&mut [0; 4])).is_ok()
    };
    let name = host.chars().map(|c| if fits(c) { c } else { '_' });
    name.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_name_of_a_host_becomes_one_that_a_node_can_have() {
        for (host, id) in [
            ("vm", "vm/w"),
            ("my host", "my_host/w"),
            ("a#b;c,d\u{200b}\n", "a_b_c_d__/w"),
            ("caf\u{fffd}", "caf_/w"),
            ("caf\u{e9}", "caf\u{e9}/w"),
        ] {
            assert_eq!(expand("%n/", host, "w").unwrap().as_str(), id);
        }
    }
}
