//! What a peer that speaks CBOR can do wrong: its link fails with a text that says what, and nobody else is
//! disturbed.

use aemp::codec::Limits;

use crate::common::linked;
use crate::failures::Scene;
use crate::stranger::Stranger;

#[tokio::test]
async fn a_cbor_message_that_is_none_or_breaks_a_limit_fails_its_link_alone() {
    let mut limits = Limits::default();
    (limits.message_size, limits.depth, limits.items) = (10_000, 20, 1_000);
    let scene = Scene::new(|config| config.limits = limits).await;
    let endless = [&b"\x82\x61p\x7f"[..], &[0x60; 20_000]].concat();
    let size = "a message is longer than the limit of 10000 bytes";
    let items = "a message holds more than the limit of 1000 values";
    let cases: [(&str, &[u8], &str); 12] = [
        (
            "JSON",
            b"[\"p\"]",
            "begins with byte 0x5b, which no cbor message does",
        ),
        (
            "a map",
            b"\xa1\x61p\x01",
            "begins with byte 0xa1, which no cbor message does",
        ),
        // Announced, and refused before it comes.
        ("a long text", b"\x82\x61p\x7a\x00\x00\x4e\x20", size),
        (
            "a text of 2^64-1 bytes",
            b"\x82\x61p\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
            size,
        ),
        (
            "an array of 2^32-1 values",
            b"\x82\x61p\x9a\xff\xff\xff\xff",
            items,
        ),
        (
            "a map of 2^63 pairs",
            b"\x82\x61p\xbb\x80\x00\x00\x00\x00\x00\x00\x00",
            items,
        ),
        ("a text without end", &endless, size),
        (
            "arrays in arrays",
            &[0x81; 50],
            "a message nests deeper than the limit of 20",
        ),
        ("a break on its own", b"\x82\x61p\xff", "of a cbor message"),
        (
            "a text that is not UTF-8",
            b"\x82\x61p\x62\xff\xfe",
            "of a cbor message",
        ),
        ("a reserved length", b"\x82\x61p\x1c", "of a cbor message"),
        (
            "a number for a port",
            b"\x82\x01\x02",
            "the name of the port",
        ),
    ];
    for (what, bytes, expected) in cases {
        let mut stranger = Stranger::join_in("cbor", &scene.network, "a", "x").await;
        linked(&scene.a, "x").await;
        let gone = scene.a.gone("x");
        stranger.send(bytes).await;
        stranger.closed().await;
        let why = crate::common::soon(gone).await;
        assert_eq!(why.kind(), Some("transport_error"), "{what}");
        assert!(why.to_string().contains(expected), "{what}: {why}");
        scene.undisturbed().await;
    }
}
