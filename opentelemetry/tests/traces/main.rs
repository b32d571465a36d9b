//! Traces across ports, nodes and processes, with the layer of OpenTelemetry and an exporter in memory.
#![allow(clippy::unwrap_used)]

mod here;
mod inboxes;
#[path = "../../../tests/common/nodes.rs"]
mod nodes;
mod panics;
mod peers;
#[path = "../../../tests/common/process.rs"]
#[allow(dead_code, reason = "the port of other tests")]
mod process;
mod processes;
mod spans;
#[path = "../../../tests/common/stranger.rs"]
mod stranger;

/// Nothing, but in the other processes of this program.
#[test]
fn child() {
    process::run(processes::child);
}
