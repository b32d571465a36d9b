//! Certificates that are refused: each end says whose it was and why. And chains that are accepted.

use crate::certificates::{Made, ca, expired, for_clients, for_code, future, own, plain};
use crate::log::Log;
use crate::nodes::{link, soon};
use crate::pair::{Dialer, ROLES, node, start};

/// A connection from `b` to `a`, and what each end says where it does not come up.
struct Outcome {
    /// The reason at `b`; empty where the link is up.
    dialer: String,
    /// The line of the log of `a`; empty likewise.
    acceptor: String,
}

async fn connect(role: Dialer, a: &str, b: &str) -> Outcome {
    let (log, _guard) = Log::start();
    let (dialer, acceptor) = role.nonces(node("b", b), node("a", a));
    let (a, b, joined) = start(acceptor, dialer).await;
    let dialer = joined.map_or_else(
        |error| aemp::error::Report(&*error.error).to_string(),
        |()| String::new(),
    );
    if dialer.is_empty() {
        link(&a, "b").await;
    } else {
        let refused = || !log.with(&["a connection was refused"]).is_empty();
        crate::pair::until("the refusal is logged", refused).await;
    }
    let refused = log.with(&["a connection was refused"]);
    // What they log while they stop belongs to no later case.
    for node in [a, b] {
        soon(node.shutdown()).await;
    }
    Outcome {
        dialer,
        acceptor: refused.concat(),
    }
}

/// `b` is refused by `a`, and hears the code for it.
async fn refuses(a: &str, b: &str, why: &str, heard: &str) {
    for role in ROLES {
        let outcome = connect(role, a, b).await;
        let expected = format!("TLS with \"b\" failed: {why}");
        assert!(
            outcome.acceptor.contains(&expected),
            "{role:?}: {} is not {expected}",
            outcome.acceptor
        );
        let expected = format!("TLS with \"a\" failed: {heard}");
        assert!(
            outcome.dialer.contains(&expected),
            "{role:?}: {} is not {expected}",
            outcome.dialer
        );
        // And where `b` accepts the connection.
        let outcome = connect(role, b, a).await;
        let expected = format!("TLS with \"a\" failed: {why}");
        assert!(outcome.dialer.contains(&expected), "{}", outcome.dialer);
        let expected = format!("TLS with \"b\" failed: {heard}");
        assert!(outcome.acceptor.contains(&expected), "{}", outcome.acceptor);
    }
}

async fn accepts(a: &str, b: &str) {
    for role in ROLES {
        for (a, b) in [(a, b), (b, a)] {
            let outcome = connect(role, a, b).await;
            assert_eq!((&*outcome.dialer, &*outcome.acceptor), ("", ""));
        }
    }
}

/// Key and certificate of `made`, and a CA that `a` and `b` trust.
fn pem(made: &Made, ca: &Made) -> String {
    made.pem([ca])
}

const EXPIRED: &str = "the peer refuses this node's certificate: it has expired, or is not valid yet by the peer's clock \
                       (TLS alert CertificateExpired)";
const FOREIGN: &str = "the peer does not trust this node's certificate (TLS alert UnknownCA)";

#[tokio::test]
async fn an_expired_certificate_is_refused_also_if_it_is_the_own_one() {
    let shared = own("shared", expired);
    let (a, b) = (shared.pem([]), shared.pem([]));
    for role in ROLES {
        let outcome = connect(role, &a, &b).await;
        let why = "the peer's certificate \"CN=shared\" has expired: it was valid until 2021-02-03T00:00:00Z";
        let both = outcome.dialer + &outcome.acceptor;
        assert!(both.contains(why), "{both}");
    }
    let ca = own("the CA", ca);
    let (good, old) = (ca.issue("good", plain), ca.issue("old", expired));
    let why =
        "the peer's certificate \"CN=old\" has expired: it was valid until 2021-02-03T00:00:00Z";
    refuses(&pem(&good, &ca), &pem(&old, &ca), why, EXPIRED).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    let ca = own("the CA", ca);
    let (good, new) = (ca.issue("good", plain), ca.issue("new", future));
    let why = "the peer's certificate \"CN=new\" is not valid yet: it is valid from 2090-04-05T00:00:00Z; is the clock of \
               this host right?";
    refuses(&pem(&good, &ca), &pem(&new, &ca), why, EXPIRED).await;
}

#[tokio::test]
async fn a_foreign_certificate_is_refused() {
    let ours = own("ours", plain);
    // With the names of ours, and as the CA that AnyEvent::MP makes of it.
    for (name, change) in [
        ("theirs", plain as fn(&mut _)),
        ("ours", ca),
        ("ours", plain),
    ] {
        // It trusts ours, so that only ours refuses.
        let theirs = own(name, change);
        let why = format!(
            "the peer's certificate \"CN={name}\", issued by \"CN={name}\", is not trusted: this node trusts \"CN=ours\" ("
        );
        refuses(&ours.pem([]), &theirs.pem([&ours]), &why, FOREIGN).await;
    }
}

#[tokio::test]
async fn a_chain_to_a_configured_ca_is_accepted_and_to_another_is_not() {
    let (ours, theirs) = (own("the CA", ca), own("the CA", ca));
    let (a, b) = (ours.issue("a", plain), ours.issue("b", plain));
    accepts(&pem(&a, &ours), &pem(&b, &ours)).await;
    // Through one between, which the peer has to present.
    let between = ours.issue("between", ca);
    let c = between.issue("c", plain);
    accepts(&pem(&a, &ours), &c.pem([&between, &ours])).await;
    // A certificate for one end of TLS serves both, as nonces decide which it is.
    let for_one = ours.issue("for one", for_clients);
    accepts(&pem(&a, &ours), &pem(&for_one, &ours)).await;

    let foreign = theirs.issue("foreign", plain);
    let why = "the peer's certificate \"CN=foreign\", issued by \"CN=the CA\", is not trusted: this node trusts \"CN=a\" (";
    refuses(&pem(&a, &ours), &foreign.pem([&ours]), why, FOREIGN).await;
    // Who is no CA signs nothing, the own certificate included.
    let child = a.issue("child", plain);
    let why = "the peer's certificate \"CN=child\", issued by \"CN=a\", is not trusted: this node trusts \"CN=a\" (";
    refuses(&a.pem([&b]), &child.pem([&a]), why, FOREIGN).await;
    let child = b.issue("child", plain);
    let why = "the peer's certificate \"CN=child\", issued by \"CN=b\", is not trusted: this node trusts \"CN=a\" (";
    refuses(&a.pem([&b]), &child.pem([&a]), why, FOREIGN).await;
    let old = ours.issue("old", |params| {
        ca(params);
        expired(params);
    });
    let of_old = old.issue("of old", plain);
    let why =
        "the peer's certificate \"CN=old\" has expired: it was valid until 2021-02-03T00:00:00Z";
    refuses(&pem(&a, &ours), &of_old.pem([&old, &ours]), why, EXPIRED).await;
    // Also where the node that verifies has it in its own PEM.
    let a_and_old = a.pem([&old, &ours]);
    refuses(&a_and_old, &of_old.pem([&old, &ours]), why, EXPIRED).await;
    let code = ours.issue("code", for_code);
    let why = "the peer's certificate \"CN=code\" is refused: RequiredEkuNotFound";
    let heard = "the peer refuses this node's certificate (TLS alert BadCertificate)";
    refuses(&pem(&a, &ours), &pem(&code, &ours), why, heard).await;
}

#[tokio::test]
async fn a_certificate_that_is_listed_is_accepted_whatever_it_says_it_is_for() {
    let (a, b) = (own("a", plain), own("b", ca));
    accepts(&a.pem([&b]), &b.pem([&a])).await;
    let code = own("code", for_code);
    accepts(&a.pem([&code]), &code.pem([&a])).await;
}

#[tokio::test]
async fn the_name_in_a_certificate_cannot_disturb_a_log() {
    let ours = own("ours", plain);
    let theirs = own("\x1b[2J\n2031-01-01 all is well", plain);
    let outcome = connect(Dialer::Client, &ours.pem([]), &theirs.pem([&ours])).await;
    let name = outcome.acceptor;
    assert!(!name.contains('\x1b') && !name.contains('\n'), "{name}");
    assert!(name.contains("all is well"), "{name}");
}
