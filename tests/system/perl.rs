//! AnyEvent::MP nodes as peers, scripted: their values as ports of ours get them, and what does not go back to them.

use aemp::PortId;

use crate::common::{linked, soon};
use crate::failures::Scene;
use crate::stranger::Stranger;

/// A Perl node `perl` that is connected to `a`.
async fn perl(scene: &Scene, framing: &str) -> Stranger {
    let perl = Stranger::join_as_perl(framing, &scene.network, "a", "perl").await;
    linked(&scene.a, "perl").await;
    perl
}

#[tokio::test]
async fn the_greatest_double_that_perl_writes_is_one_and_from_others_an_error() {
    let scene = Scene::new(|_| ()).await;
    let mut inbox = scene.a.inbox();
    let name = inbox.id().port().clone();
    let floats = "1.79769313486232e+308,-1.79769313486232e+308,1.8e+308,-1e999,0.333333333333333";
    let message = format!(r#"["{name}",{floats}]"#);
    let mut perl = perl(&scene, "json").await;
    perl.send(message.as_bytes()).await;
    type Floats = (f64, f64, f64, f64, f64);
    let came: Floats = soon(inbox.recv()).await.unwrap().parse().unwrap();
    let infinity = f64::INFINITY;
    let expected = (f64::MAX, f64::MIN, infinity, -infinity, 0.333333333333333);
    assert_eq!(came, expected);
    // What a port sends back of them is the same number to Perl.
    let port: PortId = "perl#port".parse().unwrap();
    scene.a.send(&port, (came.0,));
    perl.until(r#"["port",1.7976931348623157e+308]"#).await;

    let mut other = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let gone = scene.a.gone(&"x".parse().unwrap());
    other.send(message.as_bytes()).await;
    other.closed().await;
    let why = soon(gone).await.to_string();
    assert!(
        why.contains("the float 1.79769313486232e+308 is out of range"),
        "{why}"
    );
    scene.undisturbed().await;
}
