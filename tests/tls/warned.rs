//! What a node logs of its own certificate at its start, where that has ended or will soon.

use std::time::{Duration, SystemTime};

use aemp::Tls;
use rcgen::CertificateParams;

use crate::certificates::{Change, own};
use crate::log::Log;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A certificate that ends after this time.
fn ends_in(params: &mut CertificateParams, time: Duration) {
    params.not_after = (SystemTime::now() + time).into();
}

#[test]
fn a_certificate_that_peers_refuse_or_will_soon_is_warned_of() {
    let cases: [(Change, Option<&str>); 5] = [
        (
            |params| params.not_after = (SystemTime::now() - HOUR).into(),
            Some("this node's certificate has ended: peers refuse it"),
        ),
        (
            |params| ends_in(params, HOUR),
            Some("this node's certificate ends soon"),
        ),
        (
            |params| ends_in(params, 14 * DAY - HOUR),
            Some("this node's certificate ends soon"),
        ),
        (|params| ends_in(params, 14 * DAY + HOUR), None),
        (
            |params| params.not_before = (SystemTime::now() + HOUR).into(),
            Some("this node's certificate is not valid yet: peers refuse it"),
        ),
    ];
    for (change, expected) in cases {
        let made = own("aemp", change);
        let (log, _guard) = Log::start();
        Tls::from_pem(&made.pem([])).unwrap();
        let said = log.take();
        match expected {
            Some(expected) => {
                assert_eq!(said.len(), 1, "{said:?}");
                let parts = ["WARN aemp::tls: ", expected, "subject=CN=aemp"];
                assert!(parts.iter().all(|part| said[0].contains(part)), "{said:?}");
            }
            None => assert!(said.is_empty(), "{said:?}"),
        }
    }
}
