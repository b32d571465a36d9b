//! Floods: a member that sends without a pause, whether it reads what comes back or not, and a port that always has a
//! message for itself.
//!
//! The clock stands still while there is work, so how long others wait is counted in work: a message is one, and a read
//! from a flood as many as core counts it for. Each round of the runtime the [`watch`] has its turn, as every task has that
//! is ready, and lets a little time pass.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{advance, sleep, timeout};

use crate::cluster::{SECRET, World};
use crate::network::End;
use crate::random::Random;
use crate::stranger::Visit;

/// Reads that a flood lasts.
const READS: usize = 200;

/// Bytes of a read.
const READ: usize = 512;

/// What a read counts besides its messages.
const READ_COUNTS: u64 = 64;

/// What may be done before another task has its turn: to let time pass, the [`watch`] needs two of its own, and each is one
/// of a link or shard.
const FAIR: u64 = 3 * 4096;

/// How much time passes in a round of the runtime.
const ROUND: Duration = Duration::from_millis(2);

/// Messages that a port sends to itself.
pub(crate) const SPINS: u64 = 5 * 4096;

/// What a connection has to read, again and again.
pub(crate) struct Flood {
    /// Comes first, and once.
    first: Vec<u8>,
    message: Vec<u8>,
    reads: usize,
}

impl Flood {
    /// What is read next, with what that counts; nothing in the end.
    pub(crate) fn read(&mut self, most: usize) -> Option<(Vec<u8>, u64)> {
        self.reads = self.reads.checked_sub(1)?;
        let first = std::mem::take(&mut self.first);
        if !first.is_empty() && first.len() <= most {
            return Some((first, READ_COUNTS));
        }
        let times = most.min(READ) / self.message.len();
        let bytes = self.message.repeat(times);
        (times > 0).then(|| (bytes, READ_COUNTS + times as u64))
    }
}

/// What a flood consists of.
fn message(visit: &Visit, random: &mut Random) -> String {
    let port = random.pick(&visit.ports);
    let port = port.map_or("nobody", |port| port.port().as_str());
    let node = random.pick(&visit.nodes).map_or("n0", String::as_str);
    match random.below(10) {
        0 => String::from("[]"),
        1 => String::from("[\"nobody\",1]"),
        2 => format!("[\"{port}\",\"noise\",1]"),
        3 => String::from("[\"\",\"time\",\"flooder#p\"]"),
        4 => String::from("[\"\",\"g_db_keys\",\"family\",1]"),
        5 => format!("[\"\",\"snd\",\"{node}#nobody\",\"x\"]"),
        6 => String::from("[\"\",\"snd\",\"flooder#p\",\"x\"]"),
        7 => format!("[\"\",\"mon1\",\"{port}\"]"),
        8 => format!("[\"\",\"snd\",\"{node}#\",\"snd\",\"{node}#\",\"time\",\"{node}#\"]"),
        _ => String::from("[\"\",\"devnull\"]"),
    }
}

/// Floods a node, as a member that has proved itself.
pub(crate) async fn visit(visit: Visit, mut random: Random) {
    let Ok(mut stream) = visit.network.dial(0, "flooder", &visit.to) else {
        return;
    };
    let secret: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lines = format!("aemp;1;flooder;hmac_sha3_512;json\nnonce\ncleartext;{secret};json\n");
    let message = message(&visit, &mut random).into_bytes();
    let floods = async {
        stream.write_all(lines.as_bytes()).await?;
        // Greeting, nonce and proof.
        for _ in 0..3 {
            while stream.read_u8().await? != b'\n' {}
        }
        let question = stream.asks();
        let first = format!("[\"\",\"time\",\"flooder#p\",\"{question}\"]");
        stream.flood(Flood {
            first: first.into_bytes(),
            message,
            reads: READS,
        });
        if random.chance(50) {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await? > 0 {}
        } else {
            sleep(Duration::from_secs(3)).await;
        }
        Ok::<(), std::io::Error>(())
    };
    // Whatever becomes of it, it ends.
    let _ = timeout(Duration::from_secs(5), floods).await;
}

/// Looks that everybody has a turn, as long as there is work.
async fn watch(world: World) {
    let mut before = world.network.worked();
    let mut idle = 0;
    while idle < 20 {
        advance(ROUND).await;
        let now = world.network.worked();
        idle = if now == before { idle + 1 } else { 0 };
        let most = now - before;
        before = now;
        let how = match world.network.unanswered() {
            Some(since) if now - since > FAIR => "its own question is not answered",
            _ if most > FAIR => "no other has its turn",
            _ => continue,
        };
        let how = format!("{most} messages in a round, and {how}");
        world.model().unfair(how);
        break;
    }
    world.network.rests();
}

/// Has a flood, or what else works on and on, watched; false if there is one.
pub(crate) fn begin(world: &World) -> bool {
    let begins = world.network.works();
    if begins {
        tokio::spawn(watch(world.clone()));
    }
    begins
}

impl End {
    /// Makes the other end have this to read, once it has read all that was written.
    fn flood(&self, flood: Flood) {
        self.wire(|wire| wire.flood(flood));
    }
}
