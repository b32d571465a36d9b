//! Each error is provoked, and its text is compared.

use std::time::Duration;

use super::*;
use crate::text::hex;

/// The error of an acceptor that receives `bytes` and then the end of the stream.
fn refusal(bytes: &[u8]) -> String {
    let mut settings = settings("server", &["cbor", "json"]);
    settings.auth_accept.push(AuthMethod::Cleartext);
    let mut opening = acceptor(settings);
    opening.local = Some("127.0.0.1:4040".parse().unwrap());
    opening.cleartext = true;
    let mut server = End::new(opening);
    server.receive(bytes);
    server.eof();
    crate::Report(server.error()).to_string()
}

#[test]
fn what_is_wrong_with_a_peers_lines_is_said_in_full() {
    let long = "x".repeat(4096);
    let echo = format!("aemp;1;server;hmac_sha3_512;json\n{}\n", "02".repeat(32));
    let greeting = "aemp;1;client;hmac_sha3_512;json\nnonce\n";
    let after = |auth: &str| format!("{greeting}{auth}\n");
    let cases = [
        (
            "GET / HTTP/1.1\r\n".into(),
            "the peer does not speak AEMP: expected protocol \"aemp\", found \"GET / HTTP/1.1\"",
        ),
        (
            long.clone(),
            "the peer does not speak AEMP: expected protocol \"aemp\", found \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"...",
        ),
        (
            "aemp-foo;1;n;m;f\n".into(),
            "the peer does not speak AEMP: expected protocol \"aemp\", found \"aemp-foo\"",
        ),
        (
            "aemp-dataconn;1;n;m;f;dataconn_id=1\n".into(),
            "the peer opens a data connection (protocol \"aemp-dataconn\"), and this node takes none",
        ),
        (
            "aemp;2;n;m;f\n".into(),
            "the peer speaks version \"2\" of AEMP, this node speaks version \"1\" only",
        ),
        (
            "aemp;1.0;n;m;f\n".into(),
            "the peer speaks version \"1.0\" of AEMP, this node speaks version \"1\" only",
        ),
        (
            "aemp\n".into(),
            "the peer's greeting has 1 fields, expected at least 5: protocol, version, node ID, auth methods, framings",
        ),
        (
            "aemp;1;n;m\n".into(),
            "the peer's greeting has 4 fields, expected at least 5: protocol, version, node ID, auth methods, framings",
        ),
        (
            "aemp;1;a#b;m;f\n".into(),
            "the peer's greeting names no valid node: \"a#b\" is no node ID: it has white space, a control or invisible character, or one of # ; ,",
        ),
        (
            format!("aemp;1;n;m;f;{long}\n"),
            "the peer's greeting line is longer than 4096 bytes: it is no AEMP node, or attacks",
        ),
        (
            format!("aemp;1;n;m;f\n{long}\n"),
            "the peer's nonce line is longer than 4096 bytes: it is no AEMP node, or attacks",
        ),
        (
            format!("{greeting}{long}"),
            "the peer's auth line is longer than 4096 bytes: it is no AEMP node, or attacks",
        ),
        (
            echo,
            "the peer sends our own nonce line back: an echo, or an attack",
        ),
        (
            "aemp;1;server;hmac_sha3_512;json\nnonce\n".into(),
            "the peer says that it is \"server\", which is this node's own ID: this node dialled itself, or another node has the same ID",
        ),
        (
            "aemp;1;n;m;f;role=x\n\n".into(),
            "\"n\" sends role=\"x\", expected \"d\" (it dialled) or \"a\" (it accepted)",
        ),
        (
            "aemp;1;n;m;f;role=a\n\n".into(),
            "\"n\" says that it accepted this connection, and so did this node: something between the two connects them to each other",
        ),
        (
            "aemp;1;n;m;f;peeraddr=127.0.0.1:4041\n\n".into(),
            "\"n\" sees this node as \"127.0.0.1:4041\", but its own address in this connection is 127.0.0.1:4040: something stands between the two; if that is a known address translation or relay, add the address outside of it to advertise, or switch check_peeraddr off",
        ),
        (
            "aemp;1;n;foo,tls_sha3_512;json\n\n".into(),
            "no auth method in common: \"n\" accepts \"foo,tls_sha3_512\", this node can produce \"hmac_sha3_512\"",
        ),
        (
            "aemp;1;n;hmac_sha3_512;xml,storable\n\n".into(),
            "no codec in common: \"n\" reads \"xml,storable\", this node writes \"cbor,json\"",
        ),
        (
            after(""),
            "the auth line of \"client\" has 1 fields, expected at least 3: method, proof, framing",
        ),
        (
            after("cleartext;00"),
            "the auth line of \"client\" has 2 fields, expected at least 3: method, proof, framing",
        ),
        (
            after("tls_anon;;json"),
            "\"client\" authenticates with \"tls_anon\", but this node accepts \"hmac_sha3_512,cleartext\" here",
        ),
        (
            after("fifteen letters;00;json"),
            "\"client\" authenticates with \"fifteen letters\", but this node accepts \"hmac_sha3_512,cleartext\" here",
        ),
        // It may be a secret.
        (
            after("sixteen letters!;00;json"),
            "\"client\" authenticates with something that is no method, but this node accepts \"hmac_sha3_512,cleartext\" here",
        ),
        (
            after("hmac_with_a_long_name;00;json"),
            "\"client\" authenticates with \"hmac_with_a_long_name\", but this node accepts \"hmac_sha3_512,cleartext\" here",
        ),
        (
            after("cleartext;6A;json"),
            "the cleartext proof of \"client\" is not lower-case hexadecimal",
        ),
        (
            after("hmac_sha3_512;;json"),
            "\"client\" did not prove itself (its hmac_sha3_512 proof does not match): check that both have the same secret",
        ),
        (
            after("cleartext;;json"),
            "\"client\" did not prove itself (its cleartext proof does not match): check that both have the same secret",
        ),
        (
            after(&format!("cleartext;{};yaml", hex(SECRET.as_bytes()))),
            "\"client\" wants to send in framing \"yaml\", but this node reads \"cbor,json\"",
        ),
        (
            String::new(),
            "the peer closed the connection without a greeting",
        ),
        (
            "aemp;1;".into(),
            "the peer closed the connection within its greeting, after 7 bytes",
        ),
        (
            "aemp;1;n;m;f\nno".into(),
            "the peer closed the connection within its greeting, after 15 bytes",
        ),
        (
            greeting.into(),
            "\"client\" refused our greeting (it closed the connection before its auth line; AEMP nodes never say why): see its log, and compare auth methods and codecs; or it has another connection to this node ID",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(refusal(bytes.as_bytes()), expected);
    }
    let not_text = "the peer's greeting names no valid node: \"\u{fffd}\" is not UTF-8";
    assert_eq!(refusal(b"aemp;1;\xff;m;f\n"), not_text);
}

#[test]
fn what_a_peer_sent_cannot_play_tricks_in_a_log() {
    let text = refusal(b"\x1b[2J\x07aemp\r\r\n");
    assert!(text.ends_with(r#"found "\u{1b}[2J\u{7}aemp\r""#), "{text}");
    let text = refusal("aemp;1;a\u{202e}b;m;f\n\n".as_bytes());
    assert!(text.contains(r#""a\u{202e}b""#), "{text}");
}

#[test]
fn a_node_that_dials_itself_can_know_the_nonce_again() {
    let mut server = End::new(acceptor(settings("server", &["json"])));
    let client = End::new(dialer(settings("server", &["json"])));
    server.receive(&client.written);
    let HandshakeError::Myself { node, nonce } = server.error() else {
        panic!("{}", server.outcome());
    };
    assert_eq!(node.as_str(), "server");
    assert_eq!(&nonce[..], Nonce::new([1; 32]).as_bytes());
}

#[test]
fn two_secrets_that_differ_are_named_at_both_ends() {
    let mut wrong = settings("client", &["json"]);
    wrong.secret = Some(Secret::from_text("quite another secret", 16).unwrap());
    let (mut client, server) = pair(dialer(wrong), acceptor(settings("server", &["json"])));
    let expected = "\"client\" did not prove itself (its hmac_sha3_512 proof does not match): \
        check that both have the same secret";
    assert_eq!(server.error().to_string(), expected);
    // The acceptor would send its auth line last, so the dialer only sees that the connection closes.
    client.eof();
    let expected = "\"server\" closed the connection before it said anything (AEMP nodes never say why): it ended, \
        its secret differs, or another node has this node's ID; its log may say more";
    assert_eq!(client.error().to_string(), expected);
}

#[test]
fn a_node_without_a_secret_is_told_so() {
    let mut none = settings("server", &["json"]);
    none.secret = None;
    let error = acceptor(none.clone()).start().unwrap_err().to_string();
    let expected =
        "cannot open a connection: this node has no secret: set the one that all nodes share";
    assert_eq!(error, expected);

    none.tls = Tls::Fallback;
    let (_, server) = pair(dialer(settings("client", &["json"])), acceptor(none));
    let expected = "no auth method in common: \"client\" accepts \"hmac_sha3_512\", this node can produce \"\" \
        (it has no secret)";
    assert_eq!(server.error().to_string(), expected);
}

#[test]
fn a_certificate_does_not_fall_back_to_plain_text_by_itself() {
    let mut secure = settings("server", &["json"]);
    secure.tls = Tls::Required;
    let (_, server) = pair(dialer(settings("client", &["json"])), acceptor(secure));
    let expected = "\"client\" does not offer TLS, and this node has a certificate: \
        give it one too, or allow plain connections with tls_fallback";
    assert_eq!(server.error().to_string(), expected);
}

#[test]
fn settings_that_make_no_valid_greeting_are_refused_before_a_byte_is_sent() {
    type Change = fn(&mut Settings);
    let wrong = |change: Change| {
        let mut settings = settings("server", &["json"]);
        change(&mut settings);
        acceptor(settings).start().unwrap_err().to_string()
    };
    let cases: [(Change, &str); 6] = [
        (|s| s.framings.clear(), "this node has no codec"),
        (
            |s| s.framings.push("a;b".into()),
            "the codec name \"a;b\" is empty or has white space",
        ),
        (
            |s| s.framings.push("".into()),
            "the codec name \"\" is empty or has white space",
        ),
        (
            |s| s.provider = "a\nb".into(),
            "the provider has a control character",
        ),
        (
            |s| s.auth_accept.clear(),
            "no auth method is accepted here: see auth_accept",
        ),
        (
            |s| s.framings = vec!["x".repeat(4096).into()],
            "over 4096: offer fewer codecs",
        ),
    ];
    for (change, expected) in cases {
        let error = wrong(change);
        assert!(error.starts_with("cannot open a connection: "), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    for name in ["a b", "a\u{7}b", "a\u{85}b", "a;b", "a,b"] {
        let error = acceptor(settings("server", &["json", name])).start();
        let error = error.unwrap_err().to_string();
        assert!(error.contains("the codec name "), "{name:?}: {error}");
    }
}

#[test]
fn a_changed_greeting_under_tls_is_not_blamed_on_the_secret() {
    let tls = |node| {
        let mut settings = settings(node, &["json"]);
        settings.tls = Tls::Required;
        settings
    };
    let mut client = End::new(dialer(tls("client")));
    let mut server = End::new(acceptor(tls("server")));
    client.written[10] ^= 1;
    talk(&mut client, &mut server, |there| there);
    let text = server.error().to_string();
    assert!(text.ends_with("(its tls_sha3_512 proof does not match): something between the two changed the greetings"), "{text}");
}

#[test]
fn every_state_says_what_was_missing_when_the_stream_ends_or_time_is_up() {
    let limit = Duration::from_secs(10);
    let greeting = |opening: Opening| opening.start().unwrap().0;
    let peer: &[u8] = b"aemp;1;peer;hmac_sha3_512;json\nnonce\n";
    let secure: &[u8] = b"aemp;1;peer;hmac_sha3_512;json;tls=1.0\nnonce\n";
    let ready_for = |opening: Opening, peer: &[u8]| match greeting(opening).receive(peer).unwrap() {
        (_, Progress::Done(Greeted::Plain(ready))) => ready,
        _ => panic!("not ready"),
    };
    let ready = |opening| ready_for(opening, peer);
    let node = || settings("node", &["json"]);
    let tls = || {
        let mut settings = node();
        settings.tls = Tls::Fallback;
        match greeting(dialer(settings)).receive(secure).unwrap() {
            (_, Progress::Done(Greeted::Tls(tls))) => tls,
            _ => panic!("no TLS"),
        }
    };
    let verified = |opening: fn(Settings) -> Opening, other: fn(Settings) -> Opening| {
        let (state, written) = opening(node()).start().unwrap();
        let mut peer = End::new(other(settings("peer", &["json"])));
        let (_, Progress::Done(Greeted::Plain(ready))) = state.receive(&peer.written).unwrap()
        else {
            panic!("not ready");
        };
        peer.written.clear();
        peer.receive(&written);
        let (state, line) = ready.authenticate();
        peer.receive(&line);
        match state.receive(&peer.written).unwrap() {
            (_, Progress::Done(verified)) => verified,
            _ => panic!("not verified"),
        }
    };
    let perl = b"aemp;1;peer;hmac_sha3_512;json;provider=AE-2.02\nnonce\n";
    let (_, Progress::Done(Greeted::Plain(perl))) = greeting(dialer(node())).receive(perl).unwrap()
    else {
        panic!("not ready");
    };
    let refused = "\"peer\" closed the connection before it said anything (AEMP nodes never say why): it ended, \
        its secret differs, or another node has this node's ID; its log may say more";
    let ended = "\"peer\" closed the connection before it sent a message, although both had proved themselves \
        (AEMP nodes never say why): it ended, or another node has this node's ID; its log may say more";
    let early = "\"peer\" refused our greeting (it closed the connection before its auth line; \
        AEMP nodes never say why): see its log, and compare auth methods and codecs; or it has another connection to this node ID";
    let cases = [
        (
            greeting(dialer(node())).on_eof(),
            "the peer closed the connection without a greeting",
        ),
        (
            greeting(dialer(node())).on_deadline(limit),
            "the peer sent no greeting within 10s",
        ),
        (
            tls().on_eof(),
            "\"peer\" closed the connection before TLS was up (AEMP nodes never say why): see its log",
        ),
        (
            tls().on_deadline(limit),
            "TLS with \"peer\" did not come up within 10s",
        ),
        (ready(dialer(node())).on_eof(), early),
        (
            ready(acceptor(node())).on_deadline(limit),
            "\"peer\" sent no auth line within 10s",
        ),
        (ready(dialer(node())).authenticate().0.on_eof(), refused),
        (perl.authenticate().0.on_eof(), early),
        (
            ready_for(dialer(node()), secure).authenticate().0.on_eof(),
            "\"peer\" closed the connection after the greetings: it has a certificate, and this node has none, so that it \
             does not offer TLS; set cert here, the same as there or one of the same CA",
        ),
        (ready(acceptor(node())).authenticate().0.on_eof(), early),
        (
            ready(dialer(node())).authenticate().0.on_deadline(limit),
            "\"peer\" sent no auth line within 10s",
        ),
        (
            verified(acceptor, dialer).on_eof(),
            "\"peer\" closed the connection before this node's auth line was out",
        ),
        (
            verified(acceptor, dialer).on_deadline(limit),
            "the connection with \"peer\" was not decided within 10s",
        ),
        (verified(acceptor, dialer).finish().0.on_early_eof(), ended),
    ];
    for (error, expected) in cases {
        assert_eq!(error.to_string(), expected);
    }
    let (_, Progress::More(state)) = greeting(dialer(node())).receive(b"aemp;").unwrap() else {
        panic!("done");
    };
    let expected = "the peer sent 5 bytes of its greeting and not the rest within 10s";
    assert_eq!(state.on_deadline(limit).to_string(), expected);
}
