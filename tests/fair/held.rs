//! What members make a node hold.

use crate::socket::Socket;
use crate::victim::{PEERS_LIMIT, Victim};
use crate::{alone, link};

/// Bytes of a message that is never whole.
const SENT: usize = 8 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_under_many_names_takes_no_more_memory_than_all_may() {
    let _alone = alone().await;
    let victim = Victim::start(&[]).await;
    let honest = victim.member("honest").await;
    let before = victim.memory();
    // A text of 15 MiB.
    let mut beginning = b"\x82\x64sink\x7a\x00\xf0\x00\x00".to_vec();
    beginning.resize(SENT, b'x');
    let mut members = Vec::new();
    for n in 0..40 {
        let mut member = Socket::join("cbor", victim.at, &format!("x{n}")).await;
        member.send(&beginning).await;
        members.push(member);
    }
    victim.answer(&honest).await;
    let more = victim.memory() - before;
    println!("{} MiB more", more >> 20);
    // Less than half of what was sent.
    assert!((SENT..2 * PEERS_LIMIT).contains(&more), "{more} bytes");
    assert_eq!(link(&honest, "victim").await.generation(), 1);
}
