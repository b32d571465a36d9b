//! s09b: a node whose only seed is its own address, seen through the relay. Both ends have one name, so the recorder
//! took the second greeting for an auth line.

use std::time::Duration;

use crate::recording::{Session, What};
use crate::relay::Relay;
use crate::script::Script;

/// The greeting's beginning up to the node ID, and where its sender saw the other end.
fn gist(greeting: &str) -> (String, String) {
    let fields: Vec<_> = greeting.split(';').collect();
    let mut keys = fields[5..].iter();
    let peeraddr = keys.find_map(|key| key.strip_prefix("peeraddr="));
    (fields[..3].join(";"), peeraddr.unwrap().into())
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_its_own_seed_drops_it_as_recorded() {
    let session = Session::read("s09b-self-seed");
    let greeting = |what: &What| match what {
        What::Greeting(line) | What::Auth(line) => Some(gist(line)),
        _ => None,
    };
    let recorded: Vec<_> = session
        .events
        .iter()
        .filter_map(|event| greeting(&event.what))
        .collect();
    let connection = &session.connections[&1];
    let at = recorded[1].1.parse().ok();
    let relay = Relay::default();
    let node = aemp::node()
        .id(session.node_id("nodeA").unwrap())
        .secret(session.secret("nodeA").unwrap())
        .bind(&connection.target)
        .seed(&connection.relay)
        .transport(relay.clone())
        .configure(|config| config.min_secret = 1)
        .start()
        .await
        .unwrap();
    let mut dialer = Script::new(relay.accept(&connection.relay, at).await);
    let seen = relay.dial(&connection.target, connection.relay.parse().ok(), at);
    let mut acceptor = Script::new(seen);
    for _ in 0..2 {
        let (from, back) = (dialer.line().await.unwrap(), acceptor.line().await.unwrap());
        acceptor.say(&from).await;
        dialer.say(&back).await;
    }
    let greetings = [gist(&dialer.ours[0]), gist(&acceptor.ours[0])];
    assert_eq!(greetings[..], recorded[..]);
    // No auth line, on either end.
    assert_eq!(
        (dialer.end().await, acceptor.end().await),
        (Vec::new(), Vec::new())
    );
    node.joined().await.unwrap();
    assert_eq!(
        node.directory().role(),
        aemp::directory::DirectoryRole::Global
    );
    let again = relay.accept(&connection.relay, None);
    assert!(
        tokio::time::timeout(Duration::from_secs(300), again)
            .await
            .is_err()
    );
    assert_eq!(node.connections().len(), 0);
    println!("s09b-self-seed: 4 lines of ours, both greetings compared; dropped, as recorded");
}
