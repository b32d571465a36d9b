//! Openings that complete.

use super::*;
use crate::text::hex;

/// The next state of `receive`, which must be complete.
fn done<S, T>(received: Result<(usize, Progress<S, T>), HandshakeError>) -> T {
    match received.unwrap() {
        (_, Progress::Done(next)) => next,
        _ => panic!("more is needed"),
    }
}

fn plain(greeted: Greeted) -> Ready {
    match greeted {
        Greeted::Plain(ready) => ready,
        Greeted::Tls(_) => panic!("TLS"),
    }
}

const PERL: &[u8] =
    b"aemp;1;perl;tls_sha3_512,hmac_sha3_512,tls_anon,cleartext;cbor,json,storable;\
    provider=AE-2.02;peeraddr=127.0.0.1:4040;mproto=1;gproto=1\nperl's nonce\n";

/// The auth line of a Perl node that sent [`PERL`], to an end that wrote `ours`.
fn perl_auth(ours: &[u8]) -> Vec<u8> {
    let secret = Secret::from_text(SECRET, 1).unwrap();
    let method = AuthMethod::HmacSha3_512;
    let proof = auth::proof(method, Some(&secret), lines(PERL), lines(ours)).unwrap();
    format!("hmac_sha3_512;{};cbor\n", *proof).into_bytes()
}

fn lines(bytes: &[u8]) -> auth::Lines<'_> {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let (greeting, nonce) = (lines.next().unwrap(), lines.next().unwrap());
    auth::Lines { greeting, nonce }
}

#[test]
fn the_greeting_says_what_the_protocol_asks_for() {
    let mut settings = settings("server", &["cbor", "json"]);
    settings.provider = "a;b%".into();
    settings.auth_accept.push(AuthMethod::Cleartext);
    let mut opening = acceptor(settings);
    opening.peer = Some("[::ffff:127.0.0.1]:5".parse().unwrap());
    let (_, written) = opening.start().unwrap();
    let expected = format!(
        "aemp;1;server;hmac_sha3_512;cbor,json;provider=a%3bb%25;mproto=1;gproto=1;role=a;peeraddr=127.0.0.1:5\n{}\n",
        "02".repeat(32),
    );
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn cleartext_and_tls_are_offered_only_where_they_count() {
    let mut settings = settings("server", &["json"]);
    settings.auth_accept.push(AuthMethod::Cleartext);
    settings.tls = Tls::Fallback;
    let mut opening = dialer(settings);
    opening.cleartext = true;
    let (_, written) = opening.start().unwrap();
    let written = String::from_utf8(written).unwrap();
    assert!(written.starts_with("aemp;1;server;tls_sha3_512,hmac_sha3_512,cleartext;json;"));
    assert!(written.contains(";role=d;tls=1.0\n"), "{written}");
}

#[test]
fn each_direction_has_the_codec_that_its_sender_can_write_and_its_receiver_likes_best() {
    let (one, other) = pair(
        dialer(settings("one", &["json", "cbor"])),
        acceptor(settings("other", &["cbor", "xml", "json"])),
    );
    let (one, other) = (one.open(), other.open());
    assert_eq!((one.sends(), one.receives()), ("cbor", "json"));
    assert_eq!((other.sends(), other.receives()), ("json", "cbor"));
    assert_eq!(
        one.to_string(),
        "to other: cbor, chosen by us from its list \"cbor,xml,json\"; \
         from other: json, chosen by it from our list \"json,cbor\""
    );
    assert_eq!(one.greeting(), other.peer().line());
    assert_eq!(other.greeting(), one.peer().line());
    assert!(one.peer().says_role() && other.peer().says_role());
    assert_eq!(one.auth_sent(), AuthMethod::HmacSha3_512);
    assert_eq!(other.auth_received(), AuthMethod::HmacSha3_512);
    assert!(!other.is_anonymous() && !other.under_tls());
}

#[test]
fn an_acceptor_says_nothing_of_the_secret_until_the_dialer_has_proved_itself() {
    let (dialer, greeting) = dialer(settings("client", &["json"])).start().unwrap();
    let (acceptor, answer) = acceptor(settings("server", &["json"])).start().unwrap();
    let acceptor = plain(done(acceptor.receive(&greeting)));
    let (acceptor, line) = acceptor.authenticate();
    assert!(line.is_empty());
    let (dialer, line) = plain(done(dialer.receive(&answer))).authenticate();
    let verified = done(acceptor.receive(&line));
    assert_eq!(verified.peer().node().as_str(), "client");
    let (_, line) = verified.finish();
    assert!(line.starts_with(b"hmac_sha3_512;"));
    let (_, nothing) = done(dialer.receive(&line)).finish();
    assert!(nothing.is_empty());
}

#[test]
fn a_perl_dialer_that_sends_its_auth_line_unasked_is_accepted() {
    let mut opening = acceptor(settings("server", &["cbor"]));
    opening.local = Some("127.0.0.1:4040".parse().unwrap());
    let (state, written) = opening.start().unwrap();
    let glued = [PERL, &perl_auth(&written), b"\x81\x60"].concat();
    let (greeting, Progress::Done(greeted)) = state.receive(&glued).unwrap() else {
        panic!("more is needed");
    };
    assert_eq!(greeting, PERL.len());
    assert!(greeted.peer().is_perl() && !greeted.peer().says_role());
    let (state, _) = plain(greeted).authenticate();
    let (auth, Progress::Done(verified)) = state.receive(&glued[greeting..]).unwrap() else {
        panic!("more is needed");
    };
    assert_eq!(&glued[greeting + auth..], b"\x81\x60");
    let (established, _) = verified.finish();
    assert_eq!(established.receives(), "cbor");
}

#[test]
fn a_dialer_that_holds_its_auth_line_loses_nothing_of_a_perl_acceptor_that_does_not() {
    let (state, written) = dialer(settings("client", &["cbor"])).start().unwrap();
    let glued = [PERL, &perl_auth(&written)].concat();
    let (used, Progress::Done(greeted)) = state.receive(&glued).unwrap() else {
        panic!("more is needed");
    };
    let held = plain(greeted);
    assert_eq!((held.sends(), held.role()), ("cbor", Role::Dialer));
    let (state, line) = held.authenticate();
    assert!(line.starts_with(b"hmac_sha3_512;"));
    done(state.receive(&glued[used..]));
}

#[test]
fn the_three_line_peer_gets_in_where_cleartext_is_allowed() {
    let mut settings = settings("server", &["cbor", "json"]);
    settings.auth_accept.push(AuthMethod::Cleartext);
    let mut opening = acceptor(settings);
    opening.cleartext = true;
    opening.local = Some("127.0.0.1:4040".parse().unwrap());
    let mut server = End::new(opening);
    let secret = hex(SECRET.as_bytes());
    server.receive(
        format!("aemp;1;NAME;hmac_sha3_512;json\r\n\r\ncleartext;{secret};json\r\n[\"\"]")
            .as_bytes(),
    );
    let open = server.open();
    assert_eq!(open.auth_received(), AuthMethod::Cleartext);
    assert_eq!((open.sends(), open.receives()), ("json", "json"));
    assert_eq!(server.buffer, b"[\"\"]");
}

#[test]
fn two_nodes_may_authenticate_by_cleartext_where_both_allow_it() {
    let cleartext = |node| {
        let mut settings = settings(node, &["json"]);
        settings.auth_accept = vec![AuthMethod::Cleartext];
        settings.auth_offer = vec![AuthMethod::HmacSha3_512, AuthMethod::Cleartext];
        settings
    };
    let (mut one, mut other) = (dialer(cleartext("one")), acceptor(cleartext("other")));
    (one.cleartext, other.cleartext) = (true, true);
    let (one, _) = pair(one, other);
    assert_eq!(one.open().auth_sent(), AuthMethod::Cleartext);
}

#[test]
fn under_tls_the_lower_nonce_is_the_client_and_the_bytes_after_it_are_left_alone() {
    let tls = |node| {
        let mut settings = settings(node, &["cbor"]);
        settings.tls = Tls::Required;
        settings
    };
    let (one, mut from_one) = dialer(tls("one")).start().unwrap();
    let (other, mut from_other) = acceptor(tls("other")).start().unwrap();
    let greeting = from_one.len();
    from_one.extend(b"\x16\x03\x01");
    from_other.extend(b"\x16\n");
    let (used, Progress::Done(Greeted::Tls(other))) = other.receive(&from_one).unwrap() else {
        panic!("no TLS");
    };
    assert_eq!(used, greeting);
    let Greeted::Tls(one) = done(one.receive(&from_other)) else {
        panic!("no TLS");
    };
    assert_eq!(
        (one.role(), other.role()),
        (TlsRole::Client, TlsRole::Server)
    );
    assert_eq!(one.peer().node().as_str(), "other");

    let (one, line) = one.secured(true).authenticate();
    let (other, _) = other.secured(true).authenticate();
    let (other, line) = done(other.receive(&line)).finish();
    let (one, _) = done(one.receive(&line)).finish();
    assert!(one.under_tls() && other.under_tls());
    assert_eq!(one.auth_sent(), AuthMethod::TlsSha3_512);
    assert_eq!(other.auth_received(), AuthMethod::TlsSha3_512);
}

#[test]
fn without_tls_on_both_sides_tls_methods_do_not_count() {
    let mut with = settings("with", &["cbor"]);
    with.tls = Tls::Fallback;
    let (with, _) = pair(dialer(with), acceptor(settings("without", &["cbor"])));
    assert_eq!(with.open().auth_sent(), AuthMethod::HmacSha3_512);
    assert_eq!(with.open().auth_received(), AuthMethod::HmacSha3_512);
}

#[test]
fn a_tls_method_proves_nothing_on_a_plain_connection_of_a_node_with_a_certificate() {
    for line in ["tls_anon;;cbor", "tls_sha3_512;00;cbor"] {
        let mut with = settings("with", &["cbor"]);
        with.tls = Tls::Fallback;
        with.auth_accept.push(AuthMethod::TlsAnon);
        let mut with = End::new(acceptor(with));
        with.receive(format!("aemp;1;peer;hmac_sha3_512;cbor\n\n{line}\n").as_bytes());
        assert!(matches!(
            with.error(),
            HandshakeError::AuthNotOffered { .. }
        ));
    }
}

#[test]
fn clear_text_proves_nothing_where_it_is_not_allowed() {
    let mut settings = settings("server", &["cbor"]);
    settings.auth_accept.push(AuthMethod::Cleartext);
    let mut server = End::new(acceptor(settings));
    let secret = hex(SECRET.as_bytes());
    server
        .receive(format!("aemp;1;peer;hmac_sha3_512;cbor\n\ncleartext;{secret};cbor\n").as_bytes());
    let text = server.error().to_string();
    assert!(
        text.contains("accepts \"hmac_sha3_512\" here") && !text.contains(&secret),
        "{text}"
    );
}

/// The settings of a node under TLS that authenticates by `method` and accepts anonymous peers.
fn anonymous(node: &str, method: AuthMethod) -> Settings {
    let mut settings = settings(node, &["cbor"]);
    settings.tls = Tls::Required;
    settings.auth_offer = vec![method];
    settings.auth_accept = [&AuthMethod::DEFAULT[..], &[AuthMethod::TlsAnon]].concat();
    settings
}

#[test]
fn an_anonymous_peer_is_marked() {
    let (client, server) = pair(
        dialer(anonymous("anonymous/client", AuthMethod::TlsAnon)),
        acceptor(anonymous("server", AuthMethod::TlsSha3_512)),
    );
    assert!(server.open().is_anonymous());
    assert!(!client.open().is_anonymous());
}

#[test]
fn nobody_gets_a_proof_of_the_secret_who_proves_nothing() {
    let mut client = anonymous("anonymous/client", AuthMethod::TlsAnon);
    client.auth_accept = vec![AuthMethod::HmacSha3_512];
    let mut node = anonymous("server", AuthMethod::TlsSha3_512);
    node.auth_offer = AuthMethod::DEFAULT.to_vec();
    let (client, server) = pair(dialer(client), acceptor(node));
    assert_eq!(
        server.error().to_string(),
        "\"anonymous/client\" authenticates with tls_anon and accepts only hmac_sha3_512 from this node, which proves the \
         secret to nobody who proves nothing: it has to accept tls_sha3_512"
    );
    assert!(!String::from_utf8_lossy(&client.buffer).contains("hmac_sha3_512;"));
}

#[test]
fn an_anonymous_peer_does_not_take_the_place_of_a_member() {
    for id in ["member", "anonymous", "member/anonymous/"] {
        let (_, server) = pair(
            dialer(anonymous(id, AuthMethod::TlsAnon)),
            acceptor(anonymous("server", AuthMethod::TlsSha3_512)),
        );
        let expected = format!(
            "\"{id}\" authenticates with tls_anon, which proves nothing, under an ID that a member could have: \
             the ID of an anonymous node begins with \"anonymous/\""
        );
        assert_eq!(server.error().to_string(), expected);
    }
}

#[test]
fn a_node_that_was_dialled_is_never_anonymous() {
    let mut client = End::new(dialer(anonymous("client", AuthMethod::TlsSha3_512)));
    client.receive(b"aemp;1;peer;tls_sha3_512;cbor;tls=1.0\nnonce\ntls_anon;;cbor\n");
    let error = client.error().to_string();
    let expected = "but this node accepts \"tls_sha3_512,hmac_sha3_512\" here";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn without_a_certificate_a_peer_proves_the_secret_or_is_anonymous() {
    let uncertified = |method| {
        let mut server = End::new(acceptor(anonymous("server", AuthMethod::TlsSha3_512)));
        server.is_certified = false;
        let mut client = End::new(dialer(anonymous("anonymous/client", method)));
        talk(&mut client, &mut server, |there| there);
        server
    };
    assert!(uncertified(AuthMethod::TlsAnon).open().is_anonymous());
    assert!(!uncertified(AuthMethod::HmacSha3_512).open().is_anonymous());
    assert_eq!(
        uncertified(AuthMethod::TlsSha3_512).error().to_string(),
        "\"anonymous/client\" authenticates with tls_sha3_512, which is no proof without a certificate, and it presented none"
    );
}

#[test]
fn tls_insists_on_a_certificate_unless_an_accepted_peer_may_be_anonymous() {
    let greeted = |opening: Opening| {
        let (state, _) = opening.start().unwrap();
        let greeting = b"aemp;1;peer;tls_sha3_512;cbor;tls=1.0\nnonce\n";
        match done(state.receive(greeting)) {
            Greeted::Tls(tls) => tls.accepts_anonymous(),
            Greeted::Plain(_) => panic!("no TLS"),
        }
    };
    let allowing = || anonymous("us", AuthMethod::TlsSha3_512);
    assert!(greeted(acceptor(allowing())));
    assert!(!greeted(dialer(allowing())));
    let mut strict = allowing();
    strict.auth_accept = AuthMethod::DEFAULT.to_vec();
    assert!(!greeted(acceptor(strict)));
}

#[test]
fn addresses_are_compared_whole_unless_the_check_is_off() {
    let relayed = |check| {
        let mut settings = settings("server", &["cbor"]);
        settings.check_peeraddr = check;
        let mut server = acceptor(settings);
        server.local = Some("10.0.0.1:4040".parse().unwrap());
        let mut client = dialer(self::settings("client", &["cbor"]));
        client.peer = Some("192.0.2.1:4040".parse().unwrap());
        pair(client, server).1
    };
    relayed(false).open();
    assert!(matches!(
        relayed(true).error(),
        HandshakeError::PeerAddress { .. }
    ));
}

#[test]
fn a_further_address_is_ones_own_at_its_port_where_it_is_dialled_and_at_any_port_where_it_dials() {
    let seen = |role: Role, own: &[&str], said: &str| {
        let mut settings = settings("us", &["cbor"]);
        settings.own_addresses = own.iter().map(|at| at.parse().unwrap()).collect();
        let mut us = match role {
            Role::Acceptor => acceptor(settings),
            Role::Dialer => dialer(settings),
        };
        us.local = Some("10.0.0.1:4040".parse().unwrap());
        let (state, _) = us.start().unwrap();
        let greeting = format!("aemp;1;peer;hmac_sha3_512;cbor;peeraddr={said}\nnonce\n");
        match state.receive(greeting.as_bytes()) {
            Err(HandshakeError::PeerAddress { .. }) => false,
            Err(error) => panic!("{error}"),
            Ok(_) => true,
        }
    };
    let outside: &[&str] = &["198.51.100.9:1", "192.0.2.1:4140", "[::ffff:192.0.2.2]:1"];
    for (said, dialled, dials) in [
        ("10.0.0.1:4040", true, true),
        ("192.0.2.1:4140", true, true),
        ("192.0.2.2:1", true, true),
        ("192.0.2.1:50123", false, true),
        ("192.0.2.3:4140", false, false),
        ("10.0.0.1:4140", false, false),
        ("192.0.2.1", false, false),
    ] {
        assert_eq!(seen(Role::Acceptor, outside, said), dialled, "{said}");
        assert_eq!(seen(Role::Dialer, outside, said), dials, "{said}");
        let is_local = said == "10.0.0.1:4040";
        assert_eq!(seen(Role::Dialer, &[], said), is_local, "{said}");
    }
}

#[test]
fn a_stranger_cannot_connect_two_listeners_or_two_dialers_to_each_other() {
    let named = |opening: fn(Settings) -> Opening, node, nonce| {
        let mut opening = opening(settings(node, &["cbor"]));
        opening.nonce = Nonce::new([nonce; 32]);
        opening
    };
    for opening in [acceptor, dialer] {
        let (mut one, mut other) = (
            End::new(named(opening, "one", 1)),
            End::new(named(opening, "other", 2)),
        );
        talk(&mut one, &mut other, |there| there);
        for end in [one, other] {
            assert!(matches!(end.error(), HandshakeError::SameRole { .. }));
        }
    }
}

#[test]
fn a_stranger_who_passes_on_the_lines_of_a_dialer_and_a_listener_is_seen_by_the_addresses() {
    let address = |text: &str| Some(text.parse().unwrap());
    let mut client = dialer(settings("client", &["cbor"]));
    let mut server = acceptor(settings("server", &["cbor"]));
    (client.local, client.peer) = (address("127.0.0.1:5001"), address("127.0.0.1:6666"));
    (server.local, server.peer) = (address("127.0.0.1:4040"), address("127.0.0.1:5002"));
    let (client, server) = pair(client, server);
    for end in [client, server] {
        assert!(matches!(end.error(), HandshakeError::PeerAddress { .. }));
    }
}

#[test]
fn a_changed_byte_in_either_greeting_keeps_the_connection_down() {
    let open = |flip: Option<(usize, usize)>| {
        let mut one = End::new(dialer(settings("one", &["cbor"])));
        let mut other = End::new(acceptor(settings("other", &["cbor"])));
        if let Some((end, at)) = flip {
            let written = [&mut one.written, &mut other.written];
            match written[end].get_mut(at) {
                // A CR or LF would change the number of lines, which other tests cover.
                Some(b'\n') | None => return false,
                Some(byte) => *byte ^= 1,
            }
        }
        talk(&mut one, &mut other, |there| there);
        matches!(one.state, Some(State::Open(_))) || matches!(other.state, Some(State::Open(_)))
    };
    assert!(open(None));
    for at in 0..200 {
        assert!(!open(Some((0, at))) && !open(Some((1, at))), "byte {at}");
    }
}

#[test]
fn nothing_printed_for_debugging_has_the_secret() {
    let (state, _) = dialer(settings("client", &["json"])).start().unwrap();
    assert!(!format!("{state:?}").contains("maybe"));
}

/// The exchange of a secret: a node with each pair of secrets, its own and one that it accepts, dials one with each other
/// pair.
#[test]
fn a_secret_is_exchanged_node_by_node() {
    const OLD: &str = "the secret of before";
    const NEW: &str = "the secret from now on";
    // In the order of docs/operating.md; a Perl node goes from the first to the last.
    let steps = [(OLD, None), (OLD, Some(NEW)), (NEW, Some(OLD)), (NEW, None)];
    let with = |node: &str, (own, accepted): (&str, Option<&str>)| {
        let secret = |text| Secret::from_text(text, 16).unwrap();
        let mut settings = settings(node, &["json"]);
        settings.secret = Some(secret(own));
        settings.secret_accept.extend(accepted.map(secret));
        settings
    };
    let mut outcomes = Vec::new();
    for from in steps {
        for to in steps {
            let (dialer, acceptor) = pair(dialer(with("a", from)), acceptor(with("b", to)));
            let is_open = matches!(dialer.state, Some(State::Open(_)));
            assert_eq!(is_open, matches!(acceptor.state, Some(State::Open(_))));
            if !is_open {
                assert!(matches!(
                    acceptor.error(),
                    HandshakeError::ProofWrong { .. }
                ));
            }
            outcomes.push(is_open);
        }
    }
    // A dialer proves its own secret, and the acceptor answers with the same, whatever its own is.
    let expected = [
        [true, true, true, false],
        [true, true, true, false],
        [false, true, true, true],
        [false, true, true, true],
    ];
    assert_eq!(outcomes, expected.as_flattened());
}
