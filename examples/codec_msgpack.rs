//! A codec of one's own: MessagePack, by way of values, from a serde library. Three nodes on loopback: `new` and `newer` have
//! it, `old` has CBOR only. Shows what each connection speaks, a value that arrives as it was sent, and one that
//! MessagePack has no form for.

use std::time::Duration;

use aemp::codec::{BoxError, Capabilities, Head, Out, Tags, ValueCodec, ValueFormat};
use aemp::{LocalNode, PortId, Value, routes};
use bytes::Bytes;

const SECRET: &str = "correct horse battery staple";

/// MessagePack, which rmp_serde writes and reads.
pub(crate) struct MsgPack;

impl ValueFormat for MsgPack {
    fn name(&self) -> &str {
        "msgpack"
    }

    /// All but tags, simple values, and integers below 64 bits.
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::ALL;
        capabilities.tags = Tags::None;
        capabilities.simple = false;
        capabilities.min_integer = i64::MIN.into();
        capabilities
    }

    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError> {
        let first = bytes[0];
        // The number of so many bytes behind the first.
        let number = |width: usize| {
            let bytes = bytes.get(1..=width)?;
            Some(bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
        };
        let string = |width| Some(Head::Scalar(1 + width + number(width)? as usize));
        let array = |width| Some(Head::Array(1 + width, Some(number(width)?)));
        let map = |width| Some(Head::Map(1 + width, Some(number(width)?)));
        let low = Some(u64::from(first & 0x0f));
        Ok(match first {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Some(Head::Scalar(1)),
            0x80..=0x8f => Some(Head::Map(1, low)),
            0x90..=0x9f => Some(Head::Array(1, low)),
            0xa0..=0xbf => Some(Head::Scalar(1 + usize::from(first & 0x1f))),
            0xc4..=0xc6 => string(1 << (first - 0xc4)),
            0xca..=0xcb => Some(Head::Scalar(1 + (4 << (first - 0xca)))),
            0xcc..=0xd3 => Some(Head::Scalar(1 + (1 << (first & 3)))),
            0xd9..=0xdb => string(1 << (first - 0xd9)),
            0xdc..=0xdd => array(2 << (first - 0xdc)),
            0xde..=0xdf => map(2 << (first - 0xde)),
            _ => return Err(format!("an extension (0x{first:02x})").into()),
        })
    }

    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError> {
        Ok(rmp_serde::encode::write(out, message)?)
    }

    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError> {
        Ok(rmp_serde::from_slice(bytes)?)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let new = start("new", true, None).await?;
    let newer = start("newer", true, Some(&new)).await?;
    let old = start("old", false, Some(&new)).await?;
    newer.joined().await?;
    old.joined().await?;

    println!("each connection speaks the best that both ends have:");
    for node in [&newer, &old] {
        let [link] = &node.connections()[..] else {
            continue;
        };
        println!("  {} -> {}: {}", node.id(), link.peer(), link.send_codec());
    }

    println!("\nwhat is sent arrives as it was:");
    let echo = new.port_of(routes().on("echo", |cx, (what, reply): (Value, PortId)| {
        cx.send(&reply, (what,))
    }));
    let bytes = Value::from(Bytes::from_static(b"\0\xff"));
    let rich = vec![bytes, u64::MAX.into(), f64::INFINITY.into()];
    for node in [&newer, &old] {
        let call = node
            .call(&echo, ("echo", &rich))
            .within(Duration::from_secs(5));
        let (back,): (Value,) = call.await?;
        println!("  {} calls {}: {back}", node.id(), echo.node());
    }

    println!("\nwhat MessagePack has no form for is refused, with the path to it:");
    let date = Value::Tag(0, Box::new("2026-11-25T00:00:00Z".into()));
    let order = ("store", [("sent", date)].into_iter().collect::<aemp::Map>());
    let refused = newer.try_send(&echo, &order).err();
    println!(
        "  error: {}",
        refused.ok_or("a tag went through MessagePack")?
    );
    old.try_send(&echo, &order)?;
    println!("  old, which speaks CBOR, sends it");
    Ok(())
}

async fn start(id: &str, msgpack: bool, seed: Option<&LocalNode>) -> Result<LocalNode, BoxError> {
    let mut node = aemp::node().id(id).secret(SECRET).bind("127.0.0.1:0");
    if msgpack {
        node = node
            .codec(ValueCodec::new(MsgPack)?)
            .codecs(["msgpack", "cbor"]);
    }
    for address in seed.iter().flat_map(|seed| seed.addresses()) {
        node = node.seed(address.to_string());
    }
    Ok(node.start().await?)
}
