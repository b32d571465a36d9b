//! Peers that misbehave: they say what no node would, or nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::cluster::SECRET;
use crate::network::Network;
use crate::random::Random;

/// Visits the node `to` for a while.
pub(crate) async fn visit(network: Network, to: String, mut random: Random) {
    let Ok(mut stream) = network.dial(0, &to) else {
        return;
    };
    let secret: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("stranger{}", random.below(3));
    let lines = format!("aemp;1;{name};hmac_sha3_512;json\nnonce\ncleartext;{secret};json\n");
    let end = match random.below(4) {
        // Half of what is to be said, or all of it.
        0 => random.below(lines.len() as u64) as usize,
        _ => lines.len(),
    };
    let say = async {
        stream.write_all(&lines.as_bytes()[..end]).await?;
        for _ in 0..random.below(20) {
            let what: &[u8] = match random.below(8) {
                0 => b"[\"\",\"kil0\",\"nobody\",\"why\"]",
                1 => b"[\"\",\"mon1\",\"nobody\"]",
                2 => b"[\"\",\"mon0\",\"nobody\"]",
                3 => b"[\"nobody\",\"hello\"]",
                4 => b"[\"\",\"AnyEvent::MP::_spawn\",\"x\",\"sim::none\"]",
                5 => b"[\"\",\"snd\",\"n0#nobody\",1,2,3]",
                6 => b"[]  []",
                _ => b"this is no message",
            };
            stream.write_all(what).await?;
            sleep(Duration::from_millis(random.below(100))).await;
        }
        let listens = random.chance(50);
        let rest = async {
            let mut buffer = [0; 512];
            while stream.read(&mut buffer).await? > 0 {}
            Ok::<(), std::io::Error>(())
        };
        if listens {
            rest.await
        } else {
            sleep(Duration::from_secs(5)).await;
            Ok(())
        }
    };
    // Whatever becomes of it, it ends.
    let _ = timeout(Duration::from_secs(10), say).await;
}
