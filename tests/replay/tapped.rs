//! A session that `aemp tap --record` has written, replayed like those of AnyEvent::MP nodes.

use std::path::Path;

use serde_json::json;

use crate::programs::ECHO;
use crate::recording::{Event, Session, What};
use crate::replay::replay;

/// A call of a seed's echo port, as the seed saw it. What such a recording leaves out is added: the secret, with the
/// nonces that belong to proofs, and what the nodes were told to do.
fn session() -> (Session, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/taps");
    let mut session = Session::read_in(&folder, "echo");
    let (seed, caller) = (String::from("seed"), session.connections[&2].dialer.clone());
    let at = session.connections[&2].relay.clone();
    for side in [&seed, &caller] {
        session.configure(side, "secret", json!("a secret for the replay"));
    }
    session.configure(&seed, "binds", json!([at]));
    session.configure(&seed, "services", json!(["AnyEvent::MP::Global::"]));
    session.run_script(&seed, ECHO);
    session.configure(&caller, "seeds", json!([at]));
    let events = std::mem::take(&mut session.events).into_iter();
    session.events = events.flat_map(with_nonce).collect();
    (session, caller)
}

/// A greeting and the nonce line behind it; anything else as it is.
fn with_nonce(event: Event) -> Vec<Event> {
    let nonce = matches!(event.what, What::Greeting(_)).then(|| Event {
        connection: event.connection,
        from: event.from.clone(),
        what: What::Nonce(format!("{:0>64}", event.from.len())),
    });
    [event].into_iter().chain(nonce).collect()
}

#[tokio::test(start_paused = true)]
async fn what_a_tap_has_recorded_is_replayed_on_both_sides() {
    let (session, caller) = session();
    // All ten units and both nonces, one way or the other; the answer arrives at the caller's program.
    for (side, expected) in [("seed", [5, 7, 0]), (&*caller, [7, 5, 1])] {
        let tally = replay(&session, side).await;
        let numbers = [tally.compared, tally.received, tally.arrived];
        assert_eq!(numbers, expected, "{side}: {tally:?}");
    }
}
