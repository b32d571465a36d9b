//! Commands and services against nodes in this process, over TCP on loopback.

use std::time::Duration;

use aemp::{LocalNode, NodeId, PortId, Value};

use crate::Registry;
use crate::network::{Failure, Session, cal, eval, explain, ports, snd, stats, trace};

const SECRET: &str = "correct horse battery staple";

async fn server(id: &str, seed: Option<&str>) -> LocalNode {
    let mut node = aemp::node().id(id).secret(SECRET).bind("127.0.0.1:0");
    if let Some(seed) = seed {
        node = node.seed(seed);
    }
    let node = Registry::new().fill(node);
    let node = node.value("services", vec![Value::from("aemp::echo")]);
    node.start().await.unwrap()
}

async fn session(seed: &LocalNode) -> Session {
    let at = seed.addresses()[0].to_string();
    let node = aemp::node().id("aemp/cli").secret(SECRET).seed(at);
    let node = node.start().await.unwrap();
    node.joined().await.unwrap();
    Session {
        node,
        limit: Duration::from_secs(5),
    }
}

fn port(id: &str) -> PortId {
    id.parse().unwrap()
}

#[tokio::test]
async fn commands_reach_nodes_that_the_seed_knows() {
    let seed = server("seed", None).await;
    let at = seed.addresses()[0].to_string();
    let worker = server("worker", Some(&at)).await;
    worker.joined().await.unwrap();
    let session = session(&seed).await;

    let answer = cal(&session, &port("worker#echo"), vec!["hi".into(), 7.into()]).await;
    assert_eq!(answer.unwrap(), ["hi".into(), Value::from(7)]);
    snd(&session, &port("worker#nobody"), vec!["hi".into()])
        .await
        .unwrap();
    let gone = cal(&session, &port("worker#nobody"), vec![])
        .await
        .unwrap_err();
    assert!(
        gone.to_string().starts_with("worker#nobody: no_such_port"),
        "{gone}"
    );
    let unknown = snd(&session, &port("nobody#x"), vec![]).await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "nobody#x: transport_error: nobody, no known address"
    );

    let node: NodeId = "worker".parse().unwrap();
    let refused = eval(&session, &node, "1+1").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "worker answers: this node evaluates no code"
    );
    let mut heard = Vec::new();
    trace(
        &session,
        &node,
        |(node, answer): (NodeId, Result<Vec<NodeId>, Failure>)| {
            heard.push((node.to_string(), answer.unwrap().len()));
        },
    )
    .await;
    heard.sort();
    assert_eq!(heard, [("seed".to_owned(), 2), ("worker".to_owned(), 2)]);

    worker.allow_inspection(aemp::Inspection::new());
    let told = stats(&session, &node).await.unwrap();
    assert!(
        told.links
            .iter()
            .any(|link| link.peer == "seed" && link.sends == "cbor")
    );
    let ports = ports(&session, &node).await.unwrap();
    assert!(ports.iter().any(|port| port.name == "echo"));
    let error = stats(&session, &"seed".parse().unwrap()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("seed answers: aemp::stats is not offered there")
    );

    // The service's port is in the directory, and others can have one spawned.
    let echoes = session.node.directory().keys("aemp_echo").await.unwrap();
    assert_eq!(echoes, ["seed#echo", "worker#echo"]);
    let spawned = session.node.spawn(&node, "aemp::echo", ()).unwrap();
    assert_eq!(
        cal(&session, &spawned, vec![1.into()]).await.unwrap(),
        [Value::from(1)]
    );
}

#[tokio::test]
async fn an_opening_is_explained_step_by_step() {
    use aemp::handshake::{Nonce, Secret, Settings};
    let server = server("server", None).await;
    let settings = |secret: &str, framings: &[&str]| {
        let mut settings = Settings::new("me".parse().unwrap());
        settings.secret = Some(Secret::from_text(secret, 16).unwrap());
        settings.framings = framings.iter().map(|&name| name.into()).collect();
        settings
    };
    let limit = Duration::from_secs(5);
    let at = server.addresses()[0].clone();
    let run = async |settings: Settings, at: &aemp::Address| {
        explain(
            &aemp::Tcp::new(),
            settings,
            None,
            Nonce::new([7; 32]),
            at,
            limit,
        )
        .await
    };
    let good = run(settings(SECRET, &["json"]), &at).await;
    assert!(good.is_good());
    let names: Vec<_> = good.steps.iter().map(|step| step.name).collect();
    assert_eq!(
        names,
        [
            "connect",
            "our greeting",
            "its greeting",
            "codec to it",
            "authentication",
            "codec from it"
        ]
    );
    let text = format!("{good:?}");
    assert!(!text.contains(SECRET) && text.contains("json: chosen by it"));

    let wrong = run(settings("another secret of 16 bytes", &["json"]), &at).await;
    let last = wrong.steps.last().unwrap();
    assert_eq!(last.name, "authentication");
    assert!(
        last.outcome.as_ref().unwrap_err().contains("secret"),
        "{last:?}"
    );
    let none = run(settings(SECRET, &["msgpack"]), &at).await;
    assert_eq!(none.steps.last().unwrap().name, "its greeting");
    let nobody = run(settings(SECRET, &["json"]), &"127.0.0.1:1".parse().unwrap()).await;
    assert_eq!((nobody.steps.len(), nobody.steps[0].name), (1, "connect"));
}
