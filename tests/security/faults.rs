//! The same attacks against nodes that lack one check: each succeeds, so a test of the check can fail.

use aemp::faults::{Fault, choose};

use crate::downgrade::replaced;
use crate::middle::{PLAIN, join, nothing};
use crate::nodes::{link, soon};
use crate::replay::reflect;
use crate::scene::{Scene, as_it_is, baited, member, translated};

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

#[tokio::test]
async fn without_the_check_of_addresses_the_bridge_of_one_each_opens() {
    let _lacking = Lacking::new(Fault::AddressUnchecked);
    let scene = Scene::new(as_it_is).await;
    let (d, _said) = scene.between(as_it_is, PLAIN, nothing()).await;
    soon(d.joined()).await.unwrap();
    link(&scene.a, "d").await;
}

#[tokio::test]
async fn without_the_check_of_roles_the_bridge_of_two_diallers_opens() {
    let _lacking = Lacking::new(Fault::RoleUnchecked);
    let (one, to_one) = baited(translated(member("one"))).await;
    let (other, to_other) = baited(translated(member("other"))).await;
    tokio::spawn(join([to_one, to_other], PLAIN, nothing()));
    soon(one.joined()).await.unwrap();
    soon(other.joined()).await.unwrap();
}

#[tokio::test]
async fn without_an_order_in_the_proof_its_reflection_opens() {
    let _lacking = Lacking::new(Fault::ProofUnordered);
    let (d, _stranger, ..) = reflect().await;
    soon(d.joined()).await.unwrap();
    link(&d, "x").await;
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
