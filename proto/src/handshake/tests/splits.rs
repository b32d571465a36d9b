//! Arbitrary input in arbitrary pieces.

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::test_runner::RngSeed;

use super::*;
use crate::text::hex;

/// A few framings in any order. Two such lists may have none in common.
fn framings() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(vec!["cbor", "json", "xml", "My::Format"], 1..=4).prop_shuffle()
}

/// The sizes of pieces, used in turn.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..90usize, 1..20)
}

/// Input from a peer: valid or malformed greetings and auth lines, with random changes.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let greeting = prop_oneof![
        Just("aemp;1;peer;hmac_sha3_512;json"),
        Just("aemp;1;peer;cleartext,hmac_sha3_512;xml,json;role=d;provider=AE-2.02"),
        Just("aemp;1;server;hmac_sha3_512;json;tls=1.0"),
        Just("aemp;2"),
        Just(""),
    ];
    let nonce = prop_oneof![
        Just("nonce".to_owned()),
        Just(String::new()),
        "x{4080,4100}"
    ];
    let auth = prop_oneof![
        Just(format!("cleartext;{};json;a=b", hex(SECRET.as_bytes()))),
        Just("hmac_sha3_512;00;json".to_owned()),
        Just(String::new()),
        "x{4080,4100}",
    ];
    let ending = prop_oneof![Just("\n"), Just("\r\n")];
    let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    (greeting, nonce, auth, ending, changes).prop_map(|(greeting, nonce, auth, end, changes)| {
        let text = format!("{greeting}{end}{nonce}{end}{auth}{end}[\"\",\"a message\"]");
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// Passes `pieces` to an acceptor. Returns its state as text, the written bytes, and the bytes that it has not
/// consumed.
fn server<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (String, Vec<u8>, Vec<u8>) {
    let mut settings = settings("server", &["cbor", "json"]);
    settings.auth_accept.push(AuthMethod::Cleartext);
    let mut opening = acceptor(settings);
    opening.cleartext = true;
    let mut server = End::new(opening);
    pieces.for_each(|piece| server.receive(piece));
    server.eof();
    (server.outcome(), server.written, server.buffer)
}

proptest! {
    // The same cases in every run, so a failure is caused by a change.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(0), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_ends_come_to_the_same_outcome_however_their_bytes_are_split(
        ours in framings(), theirs in framings(), same_secret in any::<bool>(), sizes in sizes(),
    ) {
        let openings = || {
            let mut one = settings("one", &ours);
            if !same_secret {
                one.secret = Some(Secret::from_text("quite another secret", 16).unwrap());
            }
            (dialer(one), acceptor(settings("other", &theirs)))
        };
        let (one, other) = openings();
        let (whole_one, whole_other) = pair(one, other);

        let (one, other) = openings();
        let (mut one, mut other) = (End::new(one), End::new(other));
        let mut sizes = sizes.iter().cycle();
        talk(&mut one, &mut other, |_| *sizes.next().unwrap());
        prop_assert_eq!(one.outcome(), whole_one.outcome());
        prop_assert_eq!(other.outcome(), whole_other.outcome());

        let common = ours.iter().any(|name| theirs.contains(name));
        let open = matches!(one.state, Some(State::Open(_)));
        prop_assert_eq!(open, common && same_secret);
        if open {
            // The framing in which one end sends is the one that the other receives, and the best in the receiver's
            // list.
            prop_assert_eq!(one.open().sends(), other.open().receives());
            prop_assert_eq!(one.open().receives(), other.open().sends());
            let best = theirs.iter().find(|name| ours.contains(name));
            prop_assert_eq!(one.open().sends(), *best.unwrap());
        }
    }

    #[test]
    fn any_input_has_one_outcome_however_it_is_split(bytes in input(), sizes in sizes()) {
        let whole = server(std::iter::once(&bytes[..]));
        let single = server(bytes.chunks(1));
        prop_assert_eq!(&single.0, &whole.0);
        prop_assert_eq!(&single.1, &whole.1);
        let (mut rest, mut sizes) = (&bytes[..], sizes.iter().cycle());
        let pieces = std::iter::from_fn(|| {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next()?));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let split = server(pieces);
        prop_assert_eq!(&split.0, &whole.0);
        prop_assert_eq!(&split.1, &whole.1);
        if whole.0.starts_with("open") {
            prop_assert_eq!(&split.2, &whole.2);
            prop_assert!(bytes.ends_with(&whole.2));
        }
    }
}
