//! The same attacks against nodes that lack one check: each succeeds, so a test of the check can fail.

use std::time::Duration;

use aemp::faults::{Fault, choose};
use aemp::{Context, Message, NodeBuilder, NodeEvent};

use crate::bridge::{BOTH_DIAL_HIM, Bridge, HE_DIALS_BOTH};
use crate::certificates::Made;
use crate::downgrade::{OTHER_CODEC, falls_back, misread, replaced};
use crate::glued::Glued;
use crate::middle::{PLAIN, TLS, nothing};
use crate::nodes::{link, port, soon};
use crate::replay::{record, reflect};
use crate::scene::{
    Kind, Scene, Socket, as_it_is, baited, contains, encrypted, failure, member, takes_cleartext,
    translated, until,
};
use crate::uncertified::{FOREIGN, OLD, STOLEN, enter, lists_the_old_one, takes_anonymous};
use crate::{cleartext, half_open, member as members, slow, uncertified};

/// Nodes of this thread have a fault, until it is dropped.
struct Lacking;

impl Lacking {
    fn new(fault: Fault) -> Self {
        choose(Some(fault));
        Self
    }
}

impl Drop for Lacking {
    fn drop(&mut self) {
        choose(None);
    }
}

/// A limit for an opening that does not come to its end.
fn quick(node: NodeBuilder) -> NodeBuilder {
    node.configure(|config| config.opening_timeout = Duration::from_millis(500))
}

#[tokio::test]
async fn without_the_check_of_addresses_the_bridge_of_one_each_opens() {
    let _lacking = Lacking::new(Fault::AddressUnchecked);
    let scene = Scene::new(as_it_is).await;
    let (d, _said) = scene.between(as_it_is, PLAIN, nothing()).await;
    soon(d.joined()).await.unwrap();
    link(&scene.a, "d").await;
}

#[tokio::test]
async fn without_the_check_of_roles_the_bridge_of_two_dialers_opens_and_tls_leaves_him_nothing() {
    let _lacking = Lacking::new(Fault::RoleUnchecked);
    for (kind, reads) in [
        ((translated as Kind, PLAIN), true),
        ((encrypted, TLS), false),
    ] {
        let scene = Scene::new(kind.0).await;
        let bridge = Bridge::new(&scene, kind, BOTH_DIAL_HIM, nothing()).await;
        let [one, other] = &bridge.nodes;
        soon(one.joined()).await.unwrap();
        soon(other.joined()).await.unwrap();
        other.send("c#nobody", ("confidential",));
        let [_, said] = bridge.said().await;
        assert_eq!(contains(&said, b"confidential"), reads);
    }
}

/// Neither of two nodes that were dialled proves itself first.
#[tokio::test]
async fn without_the_check_of_roles_the_bridge_of_two_listeners_opens_as_little() {
    fn kind(node: NodeBuilder) -> NodeBuilder {
        quick(translated(node))
    }
    let _lacking = Lacking::new(Fault::RoleUnchecked);
    let scene = Scene::new(kind).await;
    let bridge = Bridge::new(&scene, (kind, PLAIN), HE_DIALS_BOTH, nothing()).await;
    // Whoever closes first, both say so of the other.
    scene.refused(&["sent no auth line within 500ms"]).await;
    scene.refused(&["\"a\""]).await;
    scene.refused(&["\"b\""]).await;
    assert!(bridge.nodes[1].connections().is_empty());
}

#[tokio::test]
async fn without_a_look_at_its_own_lines_a_node_takes_its_echo_for_a_peer() {
    let _lacking = Lacking::new(Fault::OwnLinesUnchecked);
    let (d, socket) = baited(translated(member("d"))).await;
    let mut stranger = Socket::from(socket);
    for _ in 0..3 {
        let line = stranger.line().await;
        stranger.send(line.as_bytes()).await;
    }
    link(&d, "d").await;
}

#[tokio::test]
async fn without_an_order_in_the_proof_its_reflection_opens() {
    let _lacking = Lacking::new(Fault::ProofUnordered);
    let (d, _stranger, ..) = reflect().await;
    soon(d.joined()).await.unwrap();
    link(&d, "x").await;
}

#[tokio::test]
async fn a_proof_that_covers_no_lines_opens_changed_and_recorded_ones() {
    let _lacking = Lacking::new(Fault::LinesUnproved);
    let mut scene = Scene::new(translated).await;
    // A byte of a nonce, and an offer in a greeting.
    for change in [replaced(1, "0", "1"), replaced(0, ";cbor,json;", ";json;")] {
        let (d, said) = scene.between(translated, PLAIN, change).await;
        soon(d.joined()).await.unwrap();
        soon(d.shutdown()).await;
        scene.gone("d").await;
        soon(said).await.unwrap();
    }
    let [of_a, of_d] = record(&mut scene).await;
    let mut stranger = scene.dial().await;
    stranger.send(&of_d).await;
    assert!(matches!(scene.event().await, NodeEvent::Up(link) if link.peer() == "d"));
    let (d, socket) = baited(translated(member("d"))).await;
    let mut stranger = Socket::from(socket);
    stranger.send(&of_a).await;
    soon(d.joined()).await.unwrap();
}

#[tokio::test]
async fn a_proof_that_covers_no_lines_lets_the_offer_of_tls_be_taken_out() {
    let _lacking = Lacking::new(Fault::LinesUnproved);
    let scene = Scene::new(falls_back).await;
    let change = replaced(0, ";tls=1.0", "");
    let (d, said) = scene.between(falls_back, PLAIN, change).await;
    soon(d.joined()).await.unwrap();
    d.send("a#nobody", ("confidential",));
    soon(d.shutdown()).await;
    let [_, said] = soon(said).await.unwrap();
    assert!(contains(&said, b"confidential"));
}

#[tokio::test]
async fn where_any_proof_is_right_none_is_needed() {
    let _lacking = Lacking::new(Fault::ProofUnchecked);
    let scene = Scene::new(as_it_is).await;
    let mut stranger = scene.dial().await;
    stranger.introduce("x", "json").await;
    stranger.send(b"hmac_sha3_512;;json\n").await;
    link(&scene.a, "x").await;
}

#[tokio::test]
async fn a_proof_that_is_sent_unasked_is_there_for_a_stranger_to_try_secrets_on() {
    let scene = Scene::new(as_it_is).await;
    let _lacking = Lacking::new(Fault::ProofUnasked);
    let mut stranger = scene.dial().await;
    stranger.introduce("x", "json").await;
    let (_greeting, _nonce) = (stranger.line().await, stranger.line().await);
    assert!(stranger.line().await.starts_with("hmac_sha3_512;"));
}

#[tokio::test]
async fn without_the_check_of_the_method_one_that_is_off_opens() {
    let _lacking = Lacking::new(Fault::MethodUnchecked);
    let scene = Scene::new(as_it_is).await;
    let mut stranger = scene.dial().await;
    stranger.prove("x", "json").await;
    link(&scene.a, "x").await;
}

#[tokio::test]
async fn without_the_check_of_the_framing_one_that_was_not_offered_opens() {
    let _lacking = Lacking::new(Fault::FramingUnchecked);
    let scene = Scene::new(translated).await;
    let change = replaced(2, ";cbor", ";storable");
    let (d, _said) = scene.between(translated, PLAIN, change).await;
    soon(d.joined()).await.unwrap();
    link(&scene.a, "d").await;
}

#[tokio::test]
async fn without_the_check_of_the_first_byte_a_node_is_deaf_and_nobody_hears_of_it() {
    let _lacking = Lacking::new(Fault::FirstByteUnchecked);
    for (kind, said, made, _) in OTHER_CODEC {
        let scene = Scene::new(kind).await;
        let (d, _said) = misread(&scene, kind, said, made).await;
        soon(d.joined()).await.unwrap();
        d.send("a#heard", ("hello",));
        let sent = || d.stats().connections[0].sent;
        link(&scene.a, "d").await;
        let received = || {
            let links = scene.a.stats().connections.into_iter();
            let mut found = links.filter(|link| link.info.peer() == "d");
            found.next().expect("the link is up").received
        };
        until("all has come", || received().bytes >= sent().bytes).await;
        assert!(sent().messages > 0);
        assert_eq!(received().messages, 0);
    }
}

#[tokio::test]
async fn who_does_not_insist_on_tls_talks_in_plain_text() {
    let _lacking = Lacking::new(Fault::TlsOptional);
    let scene = Scene::new(encrypted).await;
    let (d, said) = scene.between(translated, PLAIN, nothing()).await;
    soon(d.joined()).await.unwrap();
    d.send("a#nobody", ("confidential",));
    soon(d.shutdown()).await;
    let [_, said] = soon(said).await.unwrap();
    assert!(contains(&said, b"confidential"));
}

#[tokio::test]
async fn glued_bytes_that_count_as_encrypted_open_and_are_delivered() {
    let scene = Scene::new(encrypted).await;
    let lacking = Lacking::new(Fault::GluedKept);
    let glued = Glued::new(&scene).await;
    // Bytes of TLS may arrive glued at the other end.
    drop(lacking);
    let _d = glued.pass_on().await;
    let heard = scene.heard().await;
    assert_eq!(heard[0].tag().as_deref(), Some("forged"));
}

#[tokio::test]
async fn without_the_check_of_certificates_strangers_open_with_their_own() {
    let cases: [(Fault, Kind, Option<&Made>); 4] = [
        (
            Fault::CertificateUnchecked,
            lists_the_old_one,
            Some(&FOREIGN),
        ),
        (Fault::CertificateUnchecked, lists_the_old_one, Some(&OLD)),
        (Fault::SignatureUnchecked, encrypted, Some(&STOLEN)),
        (Fault::CertificateUnneeded, takes_anonymous, None),
    ];
    for (fault, kind, made) in cases {
        let _lacking = Lacking::new(fault);
        let scene = Scene::new(kind).await;
        let answer = enter(&scene, made).await;
        assert!(answer.starts_with("tls_sha3_512;"), "{fault:?}: {answer:?}");
        assert!(!link(&scene.a, "x").await.is_anonymous());
    }
}

#[tokio::test]
async fn clear_text_that_is_accepted_from_everywhere_opens_from_elsewhere() {
    let _lacking = Lacking::new(Fault::CleartextAnywhere);
    let (a, proof) = cleartext::from("192.0.2.1:1").await;
    assert!(proof.starts_with("hmac_sha3_512;"));
    link(&a, "x").await;
}

#[tokio::test]
async fn without_a_limit_any_number_of_secrets_can_be_tried() {
    let _lacking = Lacking::new(Fault::GuessesUnlimited);
    let scene = Scene::new(takes_cleartext).await;
    assert!(cleartext::guess(&scene).await.contains(",cleartext;"));
}

#[tokio::test]
async fn with_an_idle_timeout_only_one_byte_now_and_then_holds_an_opening_open() {
    let _lacking = Lacking::new(Fault::DeadlineRestarts);
    let scene = Scene::new(slow::patient).await;
    let mut stranger = slow::hold(&scene).await;
    assert!(stranger.line().await.starts_with("aemp;1;a;"));
    stranger.line().await;
    assert!(stranger.line().await.starts_with("hmac_sha3_512;"));
}

#[tokio::test]
async fn without_a_limit_strangers_stay_however_many_they_are() {
    let _lacking = Lacking::new(Fault::BacklogUnbounded);
    let scene = Scene::new(slow::small).await;
    let mut strangers = slow::crowd(&scene).await;
    strangers[0].prove("x", "json").await;
    link(&scene.a, "x").await;
}

#[tokio::test]
async fn where_no_proof_is_needed_to_hold_a_name_its_node_is_kept_out() {
    let _lacking = Lacking::new(Fault::UnprovedHolds);
    let scene = Scene::new(as_it_is).await;
    let mut stranger = scene.dial().await;
    stranger.introduce("x", "json").await;
    assert!(stranger.line().await.starts_with("aemp;1;a;"));
    let x = quick(member("x")).seed(scene.at.to_string());
    let x = x.start().await.unwrap();
    let why = failure(&x).await;
    assert!(
        why.contains("\"a\" sent no auth line within 500ms"),
        "{why}"
    );
}

/// Longer than a node is held up by somebody who answers at a seed in its name.
#[tokio::test]
async fn where_no_proof_is_needed_to_hold_a_name_who_answers_at_a_seed_keeps_its_node_out() {
    let _lacking = Lacking::new(Fault::UnprovedHolds);
    let limit = Duration::from_secs(4);
    let (_a, _stranger, x) = half_open::held_up(limit).await;
    let why = failure(&x).await;
    assert!(why.contains("\"a\" sent no auth line within 4s"), "{why}");
}

#[tokio::test]
async fn a_dead_link_that_is_not_probed_keeps_its_node_out() {
    let _lacking = Lacking::new(Fault::DeadLinkKept);
    let scene = Scene::new(takes_cleartext).await;
    let _dead = half_open::dead(&scene).await;
    let x = member("x").seed(scene.at.to_string());
    let x = x.start().await.unwrap();
    let why = failure(&x).await;
    assert!(why.contains("\"a\" closed the connection"), "{why}");
    scene
        .refused(&["\"x\" has another connection that is open and alive"])
        .await;
}

#[tokio::test]
async fn without_its_refusal_a_member_kills_the_node_port() {
    let _lacking = Lacking::new(Fault::NodePortKilled);
    let scene = Scene::new(takes_cleartext).await;
    scene.node_port().await.unwrap();
    let mut x = members::join(&scene).await;
    x.send(members::KILL_THE_NODE_PORT).await;
    members::settled(&mut x).await;
    assert!(scene.node_port().await.is_err());
}

#[tokio::test]
async fn without_its_limit_a_message_of_any_size_depth_or_number_of_values_is_delivered() {
    let faults = [
        Fault::SizeUnlimited,
        Fault::DepthUnlimited,
        Fault::ItemsUnlimited,
    ];
    for (fault, (message, _)) in faults.into_iter().zip(members::too_much()) {
        let _lacking = Lacking::new(fault);
        let scene = Scene::new(members::takes_little).await;
        let mut x = members::join(&scene).await;
        x.send(&message).await;
        assert_eq!(scene.heard().await.len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn without_a_limit_any_number_of_bytes_waits_for_who_reads_nothing() {
    let _lacking = Lacking::new(Fault::QueueUnlimited);
    let scene = Scene::new(members::bounded).await;
    let _x = members::read_nothing(&scene, 8 * members::QUEUE).await;
    let link = members::counted(&scene.a).expect("the connection stands");
    assert!(link.queued >= 8 * members::QUEUE);
}

#[tokio::test]
async fn without_a_limit_a_member_holds_any_number_of_monitors() {
    let _lacking = Lacking::new(Fault::MonitorsUnlimited);
    let scene = Scene::new(members::bounded).await;
    let mut x = members::monitor(&scene, 100 * members::MONITORS).await;
    members::settled(&mut x).await;
    let link = members::counted(&scene.a).expect("the connection stands");
    assert_eq!(link.watches, 100 * members::MONITORS);
}

/// The reader and the port have a thread each, and all threads of the node lack the check.
#[test]
fn a_reader_that_does_not_wait_fills_the_memory_behind_a_slow_port() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(|| choose(Some(Fault::ReaderUnheld)))
        .enable_all()
        .build()
        .unwrap();
    let flood = async {
        let scene = Scene::new(takes_cleartext).await;
        members::flood(&scene).await.1
    };
    let most = runtime.block_on(flood);
    assert!(most > 2 * members::GIVEN, "{most} bytes wait");
}

#[tokio::test]
async fn where_policy_is_not_asked_a_member_kills_what_it_may_not() {
    let _lacking = Lacking::new(Fault::PolicyUnasked);
    let scene = Scene::new(members::permits_nothing).await;
    let mut x = members::join(&scene).await;
    let gone = scene.a.gone("a#echo");
    x.send(members::KILL_ECHO).await;
    assert_eq!(soon(gone).await.kind(), Some("die"));
}

#[tokio::test]
async fn a_request_that_is_relayed_to_another_node_is_carried_out_there() {
    let _lacking = Lacking::new(Fault::RelayUnchecked);
    let scene = Scene::new(takes_cleartext).await;
    let there = scene.member.port(|_: &mut Context<'_>, _: Message| ());
    let gone = scene.member.gone(&there);
    let mut x = members::join(&scene).await;
    let name = there.port();
    x.send(format!(r#"["","snd","member#","kil1","{name}","die"]"#).as_bytes())
        .await;
    assert_eq!(soon(gone).await.kind(), Some("die"));
}

#[tokio::test]
async fn an_anonymous_peer_that_is_not_marked_does_what_members_may() {
    let _lacking = Lacking::new(Fault::AnonymousUnmarked);
    let scene = Scene::new(takes_anonymous).await;
    let gone = scene.a.gone("a#echo");
    let _stranger = uncertified::kill(&scene).await;
    assert_eq!(soon(gone).await.kind(), Some("die"));
}
