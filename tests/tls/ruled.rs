//! Rules of a policy about certificates.

use aemp::policy::{Permission, Rule, Rules};
use aemp::{Context, Message, Tls, reason};

use crate::certificates::{own, plain};
use crate::log::Log;
use crate::nodes::soon;
use crate::pair::{listen, node, until};

#[tokio::test]
async fn a_rule_for_a_certificate_fits_the_peer_that_has_presented_it() {
    let (log, _guard) = Log::start();
    let [ours, operator, worker] = ["a", "operator", "worker"].map(|name| own(name, plain));
    let tls = Tls::from_pem(&operator.pem([])).unwrap();
    for owner in ["CN=operator", &tls.certificate().fingerprint_hex()] {
        let rules = Rules::new([
            Rule::new([Permission::All]).certificate(owner),
            Rule::new([Permission::Monitor]),
        ]);
        let a = node("a", &ours.pem([&operator, &worker])).policy(rules);
        let (a, address) = listen(a).await;
        // Under the same ID.
        for (made, may) in [(&worker, false), (&operator, true)] {
            let peer = node("peer", &made.pem([&ours])).seed(&*address);
            let peer = peer.start().await.unwrap();
            soon(peer.joined()).await.unwrap();
            let port = a.port(|_: &mut Context<'_>, _: Message| ());
            let gone = a.gone(&port);
            peer.kill(&port, reason!["done"]);
            if may {
                assert_eq!(soon(gone).await.kind(), Some("done"));
            } else {
                let parts = [
                    "refused by the policy of this node: kill the port",
                    "from=peer",
                ];
                until("the kill is refused", || !log.with(&parts).is_empty()).await;
            }
            soon(peer.shutdown()).await;
            log.take();
            until("the link is gone", || a.connections().is_empty()).await;
        }
    }
}
