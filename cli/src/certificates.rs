//! Certificates as people read them.

use std::time::{Duration, SystemTime};

use aemp::logs::Excerpt;
use aemp::transport::Certificate;

/// A certificate whose validity ends within this time is worth a word.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

const DAY: u64 = 24 * 3600;

/// Whose it is, its fingerprint and its end, in a line.
pub(crate) fn shown(certificate: &Certificate) -> String {
    let print = certificate.fingerprint_hex();
    format!(
        "{} (sha256 {}..), valid until {}",
        Excerpt(&certificate.subject),
        &print[..16],
        date(certificate.not_after)
    )
}

/// What keeps peers from accepting it now or soon.
pub(crate) fn trouble(certificate: &Certificate, now: SystemTime) -> Option<String> {
    let name = shown(certificate);
    if now < certificate.not_before {
        let from = date(certificate.not_before);
        return Some(format!(
            "{name}, is not valid before {from}: is the clock right?"
        ));
    }
    match certificate.not_after.duration_since(now) {
        Err(_) => Some(format!("{name}, has ended: peers refuse it")),
        Ok(left) if left < SOON => Some(format!("{name}, ends in {} days", left.as_secs() / DAY)),
        Ok(_) => None,
    }
}

/// A date and time of day, to the second.
pub(crate) fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_trouble_before_its_time_shortly_before_its_end_and_after_it() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let day = Duration::from_secs(DAY);
        let trouble_of = |from: SystemTime, until: SystemTime| {
            let certificate =
                Certificate::new(vec![], "CN=\u{1b}[2Ja", "CN=a", from..until, [0xab; 32]);
            trouble(&certificate, now)
        };
        assert_eq!(trouble_of(now - day, now + 15 * day), None);
        let name = r"CN=\u{1b}[2Ja (sha256 abababababababab..)";
        assert_eq!(
            trouble_of(now - day, now + 5 * day).unwrap(),
            format!("{name}, valid until 2027-01-20T08:00:00Z, ends in 5 days")
        );
        assert_eq!(
            trouble_of(now - 2 * day, now - day).unwrap(),
            format!("{name}, valid until 2027-01-14T08:00:00Z, has ended: peers refuse it")
        );
        let early = trouble_of(now + day, now + 30 * day).unwrap();
        assert!(
            early.contains("is not valid before 2027-01-16T08:00:00Z"),
            "{early}"
        );
    }
}
