//! Certificates that are exchanged while nodes run and messages flow.

use aemp::{LocalNode, PortId, Tls, Value};

use crate::certificates::{Made, own, plain};
use crate::nodes::soon;
use crate::pair::{ask, listen, node};

/// A node whose certificate can be exchanged, in a network of one seed.
struct Node {
    node: LocalNode,
    tls: Tls,
}

impl Node {
    async fn start(id: &str, pem: &str, seed: Option<&str>) -> (Self, String) {
        let tls = Tls::from_pem(pem).unwrap();
        let builder = aemp::node().id(id).tls(tls.clone());
        let builder = match seed {
            Some(seed) => builder.seed(seed),
            None => builder,
        };
        let (node, address) = listen(builder).await;
        if seed.is_some() {
            soon(node.joined()).await.unwrap();
        }
        (Self { node, tls }, address)
    }

    fn replace(&self, new: &Made, trusted: &[&Made]) {
        self.tls.replace(&new.pem(trusted.iter().copied())).unwrap();
    }
}

/// A newcomer with this PEM is let in by the node at `seed`, and talks to it; or is not.
async fn newcomer(pem: &str, seed: &str) -> bool {
    let new = node("new", pem).seed(seed).start().await.unwrap();
    let joined = soon(new.joined()).await.is_ok();
    if joined {
        assert_eq!(ask(&new, "a", 1).await, Value::from(1));
    }
    new.shutdown().await;
    joined
}

#[tokio::test]
async fn a_new_certificate_takes_the_place_of_the_old_one_without_a_link_lost() {
    let (old, new) = (own("old", plain), own("new", plain));
    let (a, seed) = Node::start("a", &old.pem([]), None).await;
    let (b, _) = Node::start("b", &old.pem([]), Some(&seed)).await;

    // Messages flow all the while, each answered.
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let flow = tokio::spawn({
        let node = b.node.clone();
        async move {
            let echo: PortId = "a#echo".parse().unwrap();
            let mut count = 0_u64;
            while stopped.try_recv().is_err() {
                let (answer,): (u64,) = soon(node.call(&echo, (String::from("echo"), count)))
                    .await
                    .unwrap();
                assert_eq!(answer, count);
                count += 1;
            }
            count
        }
    });

    let (only_old, only_new) = (old.pem([]), new.pem([]));
    assert!(newcomer(&only_old, &seed).await);
    assert!(!newcomer(&only_new, &seed).await);
    // Step 1: each node trusts both, and still presents the old one.
    a.replace(&old, &[&new]);
    assert!(newcomer(&only_old, &seed).await);
    assert!(newcomer(&old.pem([&new]), &seed).await);
    assert!(newcomer(&new.pem([&old]), &seed).await);
    b.replace(&old, &[&new]);
    // Step 2: each presents the new one, and still trusts the old one.
    a.replace(&new, &[&old]);
    assert_eq!(a.tls.certificate().subject, "CN=new");
    assert_eq!(a.tls.trusted()[0].subject, "CN=old");
    assert!(newcomer(&old.pem([&new]), &seed).await);
    assert!(newcomer(&only_new, &seed).await);
    b.replace(&new, &[&old]);
    // Step 3: the old one is trusted no longer.
    a.replace(&new, &[]);
    b.replace(&new, &[]);
    assert!(!newcomer(&old.pem([&new]), &seed).await);
    assert!(newcomer(&only_new, &seed).await);

    stop.send(()).unwrap();
    assert!(soon(flow).await.unwrap() > 0);
    let link = |node: &LocalNode, peer: &str| {
        let links = node.connections().into_iter();
        links.filter(|link| link.peer() == peer).collect::<Vec<_>>()
    };
    let link_to_b = &link(&a.node, "b")[0];
    assert_eq!(link_to_b.generation(), 1, "the first link is still up");
    assert_eq!(
        link_to_b
            .tls()
            .unwrap()
            .certificate
            .as_ref()
            .unwrap()
            .subject,
        "CN=old"
    );
}

#[tokio::test]
async fn a_pem_that_cannot_be_used_changes_nothing() {
    let (old, new) = (own("old", plain), own("new", plain));
    let tls = Tls::from_pem(&old.pem([])).unwrap();
    let cases = [
        (String::new(), "the PEM has no private key"),
        (new.certificate(), "the PEM has no private key"),
        (new.key(), "the PEM has a private key, and no certificate"),
        (
            new.key() + &old.certificate(),
            "none of the 1 certificates in the PEM belongs to its private key",
        ),
        (
            new.pem([]) + &old.key(),
            "the PEM has 2 private keys, and a node has one",
        ),
        (
            new.pem([]).replace("-----END CERTIFICATE-----", ""),
            "the PEM is damaged: a section has no \"-----END\" line",
        ),
        (
            new.pem([])
                .replace("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE"),
            "the PEM is damaged: a \"-----BEGIN\" line is not complete",
        ),
        (
            new.key() + "-----BEGIN CERTIFICATE-----\nMA?=\n-----END CERTIFICATE-----\n",
            "the PEM is damaged: a section is not base64",
        ),
        (
            new.key() + "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "none of the 1 certificates",
        ),
        (
            new.pem([]) + "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "certificate 2 of the PEM cannot be read",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n".to_owned()
                + &new.certificate(),
            "the private key in the PEM cannot be used",
        ),
    ];
    for (pem, expected) in cases {
        let error = tls.replace(&pem).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(tls.certificate().subject, "CN=old");
        // The same at start.
        let refused = aemp::node().certificate(pem).start().await.unwrap_err();
        let refused = aemp::error::Report(&refused).to_string();
        assert!(
            refused.contains("the certificate cannot be used: ") && refused.contains(expected),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_private_key_is_in_no_debug_output_and_in_no_error() {
    let made = own("aemp", plain);
    let key = made.key();
    let line = key.lines().nth(1).unwrap();
    let tls = Tls::from_pem(&made.pem([])).unwrap();
    let shown = format!("{tls:?}");
    assert!(
        shown.contains("CN=aemp") && !shown.contains(line),
        "{shown}"
    );
    for pem in [
        key.clone(),
        key.replace("PRIVATE KEY", "RSA PRIVATE KEY") + &made.certificate(),
        key.replace("-----END", "") + &made.certificate(),
    ] {
        let error = Tls::from_pem(&pem).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&line[..16]), "{shown}");
    }
}
