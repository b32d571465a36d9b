//! Two processes, each with its own exporter: what one has caused in the other is in one trace.

use aemp::{LocalNode, PortId, Reason, ReplyTo, routes};
use tracing::{Instrument, info_span};

use crate::nodes::{link, port, soon};
use crate::process::Child;
use crate::spans::{Seen, all, current, find, node};

const CODECS: &str = "AEMP_CODECS";
const SEED: &str = "AEMP_SEED";

/// What the other process runs, as node `id`: a front that asks the store of the first process for a price, and tells its own
/// log; and who asks for the spans of a trace gets them.
pub(crate) async fn child(id: String) {
    let variable = |name| std::env::var(name).unwrap();
    let node = node(&id).seed(variable(SEED)).codecs([variable(CODECS)]);
    let node = node.start().await.unwrap();
    let log = node.port_of_named("log", routes().on("sold", |_, (_,): (u32,)| ()));
    let log = log.unwrap();
    let front = routes().on("order", move |cx, (n, reply): (u32, ReplyTo<u32>)| {
        let _pricing = info_span!("pricing").entered();
        let price = cx.call("shop#store", ("price", n));
        let log = log.clone();
        cx.spawn_then(price, move |cx, price: Result<u32, aemp::CallError>| {
            cx.send(&log, ("sold", n));
            reply.send(cx, price?);
            Ok::<(), Reason>(())
        });
    });
    node.port_of_named("front", front).unwrap();
    let spans = routes().on(
        "spans",
        |cx, (trace, count, reply): (String, usize, PortId)| {
            let node = cx.node();
            cx.spawn(async move { node.send(&reply, (all(&trace, count).await,)) });
        },
    );
    node.port_of_named("spans", spans).unwrap();
    node.joined().await.unwrap();
    println!("@ready ");
    std::future::pending::<()>().await;
}

async fn order(node: &LocalNode) -> String {
    let price: u32 = soon(node.call(port("child#front"), ("order", 3)))
        .await
        .unwrap();
    assert_eq!(price, 15);
    current()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_what_it_causes_in_another_process_are_one_trace() {
    for codec in ["json", "cbor"] {
        let shop = node("shop").bind("127.0.0.1:0").start().await.unwrap();
        let store = routes().answer("price", |cx, (n,): (u32,)| {
            cx.send(cx.node_id(), ("shop::audit", n));
            5 * n
        });
        shop.port_of_named("store", store).unwrap();
        shop.offer_function("shop::audit", |_, (n,): (u32,)| {
            let _audit = info_span!("audit", n).entered();
        });
        let address = shop.addresses()[0].to_string();
        let variables = [(SEED, address), (CODECS, codec.to_owned())];
        let mut child = Child::start("child", variables);
        child.line("@ready ").await;
        let link = link(&shop, "child").await;
        assert_eq!((link.send_codec(), link.recv_codec()), (codec, codec));

        // The second call has nothing to do with the first.
        let trace = order(&shop).instrument(info_span!("checkout")).await;
        let other = order(&shop).instrument(info_span!("checkout")).await;
        assert_ne!(trace, other);

        let here = all(&trace, 4).await;
        let spans = shop.call(port("child#spans"), ("spans", &trace, 3));
        let (there,): (Vec<Seen>,) = soon(spans).await.unwrap();
        let checkout = find(&here, "checkout", "");
        let front = find(&there, "message", "child#front");
        let pricing = find(&there, "pricing", "");
        let store = find(&here, "message", "shop#store");
        let audited = find(&here, "message", "shop");
        let log = find(&there, "message", "child#log");
        let parents = [
            (checkout, "0000000000000000"),
            (front, &checkout.id),
            (pricing, &front.id),
            (store, &pricing.id),
            (audited, &store.id),
            (find(&here, "audit", ""), &audited.id),
            (log, &pricing.id),
        ];
        for (span, parent) in parents {
            assert_eq!(span.parent, parent, "{span:?} in {here:#?} {there:#?}");
        }
        // The request for the function is to the node that the store is on. No answer has a span.
        assert_eq!((here.len(), there.len()), (4, 3), "{here:#?} {there:#?}");
        shop.shutdown().await;
    }
}
