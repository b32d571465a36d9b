//! Peers that misbehave: they say what no node would, or too much, or nothing, and some take the name of a node.

use std::time::Duration;

use aemp::PortId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::cluster::SECRET;
use crate::model::LIE;
use crate::network::Network;
use crate::random::Random;

/// Whom a stranger visits, and what it knows.
pub(crate) struct Visit {
    pub(crate) network: Network,
    pub(crate) to: String,
    pub(crate) nodes: Vec<String>,
    pub(crate) ports: Vec<PortId>,
}

impl Visit {
    fn port(&self, random: &mut Random) -> String {
        let port = random.pick(&self.ports);
        port.map_or("nobody", |port| port.port().as_str()).into()
    }

    /// Something that it says, as often as it likes.
    fn says(&self, random: &mut Random, honest: bool) -> Vec<u8> {
        let port = self.port(random);
        let says = match random.below(22) {
            0 => String::from("[\"\",\"kil0\",\"nobody\",\"why\"]"),
            1 => format!("[\"\",\"mon1\",\"{port}\"]"),
            2 => format!("[\"\",\"mon0\",\"{port}\"]"),
            3 => String::from("[\"nobody\",\"hello\"]"),
            4 => String::from("[\"\",\"AnyEvent::MP::_spawn\",\"x\",\"sim::none\"]"),
            5 => String::from("[\"\",\"snd\",\"n0#nobody\",1,2,3]"),
            6 => String::from("[]  []"),
            7 => format!("[\"\",\"mon1\",\"{port}\"]").repeat(random.between(5, 300) as usize),
            // Ports of others die only if those say so. Who has the name of a node is believed.
            8 | 9 if honest => format!("[\"\",\"kil0\",\"{port}\",\"{LIE}\"]"),
            10 => format!(
                "[\"nobody\",\"{}",
                "x".repeat(random.between(1, 20_000) as usize)
            ),
            11 => String::from("[\"\",\"time\",\"n0\",\"aemp::alive\",1]"),
            12..21 => return misuse(&port, random).into_bytes(),
            _ => String::from("this is no message"),
        };
        says.into_bytes()
    }
}

/// What a member can say that is not for it to say, where `port` is a port of the node.
fn misuse(port: &str, random: &mut Random) -> String {
    let node = random.below(5);
    match random.below(10) {
        // Requests in another's name, one in another.
        0 => format!("[\"\",\"snd\",\"n{node}#\",\"kil1\",\"{port}\",\"{LIE}\"]"),
        1 => {
            let inner = "\"snd\",\"n0#\",".repeat(random.between(1, 50) as usize);
            format!("[\"\",{inner}\"time\",\"n{node}#\"]")
        }
        // Kills of what is not a port of the workload, or of one, which the port's monitors tell.
        2 => String::from("[\"\",\"kil1\",\"\",\"why\"]"),
        3 => format!("[\"\",\"kil1\",\"?{node}\",\"why\"]"),
        4 => format!("[\"\",\"kil1\",\"{port}\",\"murder\"]"),
        // A new port, or one under a name that the node has given. Others' names are for them to give.
        5 => {
            let own = !port.starts_with('r');
            let name = match own && random.chance(50) {
                true => port.into(),
                false => format!("stray{}", random.next()),
            };
            let defect = random.below(4);
            format!("[\"\",\"AnyEvent::MP::_spawn\",\"{name}\",\"sim::port\",{defect}]")
        }
        6 => {
            let wrong = [
                "\"g_set\",null",
                "\"g_slave\",1",
                "\"g_slave\",{\"f\":[1]}",
                "\"g_upd\",\"f\",1",
                "\"g_upd\",\"f\",{\"k\":1},[]",
                "\"g_mon1\",null",
                "\"g_find\",{}",
                "\"g_found\",\"n0\",[\"nowhere:1\"]",
                "\"g_db_keys\",\"\",[[]]",
                "\"g_reply\",7,7",
                "\"g_chg2\",\"f\"",
                "\"g_what\"",
            ];
            let wrong = random.pick(&wrong).copied().unwrap_or_default();
            format!("[\"\",{wrong}]")
        }
        // Over the limits of depth and size.
        7 => format!("[\"nobody\",{}", "[".repeat(600)),
        8 => format!("[\"nobody\",\"{}\"]", "x".repeat(9000)),
        _ => format!("[\"\",\"sim::panics\",{}]", random.chance(50)),
    }
}

/// Visits a node for a while.
pub(crate) async fn visit(visit: Visit, mut random: Random) {
    let own = format!("stranger{}", random.below(3));
    let stolen = random.pick(&visit.nodes).cloned();
    let stolen = stolen.filter(|name| random.chance(15) && *name != visit.to);
    if stolen.is_some() {
        visit.network.count("stranger with the name of a node");
    }
    let honest = stolen.is_none();
    let name = stolen.unwrap_or(own);
    let Ok(mut stream) = visit.network.dial(0, "stranger", &visit.to) else {
        return;
    };
    let secret: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    let lines = format!("aemp;1;{name};hmac_sha3_512;json\nnonce\ncleartext;{secret};json\n");
    let end = match random.below(4) {
        // Half of what is to be said, or all of it.
        0 => random.below(lines.len() as u64) as usize,
        _ => lines.len(),
    };
    let say = async {
        stream.write_all(&lines.as_bytes()[..end]).await?;
        for _ in 0..random.below(20) {
            let what = visit.says(&mut random, honest);
            stream.write_all(&what).await?;
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
