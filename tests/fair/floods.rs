//! While members flood a node, everybody gets answers, lost connections are noticed, and the node ends when it is told.

use std::time::Duration;

use aemp::LocalNode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::flooder::{Flooder, encoded};
use crate::socket::Socket;
use crate::times::{Moment, Times};
use crate::victim::{SHUTDOWN, Victim};
use crate::{alone, port, soon};

/// The longest that an answer to others may take: ten times the figure that counted turns hold, as threads wait for each
/// other.
const OTHERS: Duration = Duration::from_millis(500);

/// The same for an answer to the member that floods, and for the news that its connection is lost.
const OWN: Duration = Duration::from_secs(1);

/// Answers that are waited for while there is a flood: to others, and to who floods.
const ANSWERS: [usize; 2] = [50, 2];

/// Bytes that wait for a peer that takes no answers: nearly `high_water`.
const FULL: usize = 1_000_000;

/// Of the family whose keys are asked for: in this build an answer takes as long as one of ten times as many does in a
/// release.
const KEYS: usize = 6_000;

/// How long answers to `honest` take, one every few milliseconds, at least so many, and as long as `waits` says.
async fn answers(victim: &Victim, honest: &LocalNode, mut waits: impl FnMut() -> bool) -> Times {
    let mut times = Times::default();
    while waits() || times.len() < ANSWERS[0] {
        times.extend([victim.answer(honest).await]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    times
}

/// A task that ends when the victim has noticed that its connection to `peer` is lost, and says when that was.
async fn gone(victim: &Victim, honest: &LocalNode, peer: &str) -> JoinHandle<Moment> {
    let process = victim.process.id();
    let watch = ("watch", port(&format!("{peer}#port")));
    let call = soon(honest.call(port("victim#echo"), watch).into_future());
    let gone = tokio::spawn(async move {
        let (why,): (String,) = call.await.unwrap();
        assert!(why.starts_with("transport_error"), "{why}");
        Moment::now(process)
    });
    // The victim has set the monitor by then.
    victim.answer(honest).await;
    gone
}

/// What `id` floods with, and what that is.
fn floods(id: &str) -> [(&'static str, Value); 5] {
    [
        ("keepalives", json!([])),
        ("requests", json!(["", "time", format!("{id}#port")])),
        ("unknown requests", json!(["", "no::such::function", 1])),
        ("messages to a cheap port", json!(["sink", 1])),
        ("messages to no port", json!(["missing", 1])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_member_floods_all_get_answers_and_its_end_is_noticed() {
    let _alone = alone().await;
    let victim = Victim::start(&[]).await;
    let honest = victim.member("honest").await;
    for framing in ["json", "cbor"] {
        for (kind, message) in floods(framing) {
            let flooder = Flooder::start(&victim, framing, framing, &message).await;
            let mut own = Times::default();
            let missing = || {
                own.extend(flooder.answers());
                own.len() < ANSWERS[1]
            };
            let others = answers(&victim, &honest, missing).await;
            let gone = gone(&victim, &honest, framing).await;
            let closed = flooder.close();
            let noticed = closed.until(&soon(gone).await.unwrap());
            println!("{kind}, {framing}: others {others}; own {own}; end noticed after {noticed}");
            assert!(others.worst() < OTHERS, "{kind}, {framing}: {others}");
            assert!(own.worst() < OWN, "{kind}, {framing}: {own}");
            assert!(noticed.own() < OWN, "{kind}, {framing}: {noticed}");
        }
    }
    let logged = honest.call(port("victim#echo"), ("logged",));
    let (lines, bytes): (usize, usize) = soon(logged).await.unwrap();
    println!("{lines} lines, {bytes} bytes in the log");
    // 500 at once and ten a second, of some hundred bytes.
    assert!((10..1000).contains(&lines), "{lines} lines");
    assert!(bytes < 200 * lines, "{bytes} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooded_node_ends_in_time_when_it_is_told_to() {
    let _alone = alone().await;
    let mut victim = Victim::start(&[]).await;
    let honest = victim.member("honest").await;
    // One that takes no answers.
    let mut deaf = Socket::join("json", victim.at, "deaf").await;
    tokio::spawn(async move {
        let relay = json!(["", "snd", "deaf#port", "x".repeat(10_000)]);
        let relays = encoded("json", &relay).repeat(100);
        loop {
            deaf.send(&relays).await;
        }
    });
    let queued = async || {
        let call = honest.call::<(usize,)>(&port("victim#echo"), ("queued",));
        soon(call).await.unwrap().0
    };
    let full = async { while queued().await < FULL {} };
    soon(full).await;
    // Two keep both threads of the node busy.
    let [(_, keepalive), ..] = floods("x");
    let _flooders = [
        Flooder::start(&victim, "x", "json", &keepalive).await,
        Flooder::start(&victim, "y", "cbor", &keepalive).await,
    ];
    let others = answers(&victim, &honest, || false).await;
    assert!(others.worst() < OTHERS, "{others}");
    let gone = honest.gone(port("victim#echo"));
    let told = victim.now();
    victim.process.signal("-TERM");
    soon(gone).await;
    let noticed = told.until(&victim.now());
    let stopped = victim.process.line("@stopped ").await;
    let took = told.until(&victim.now());
    println!("others {others}; stopped {stopped}; end noticed after {noticed}");
    assert!(noticed.own() < OWN, "{noticed}");
    // Its tasks and its shards may take a second each to end.
    assert!(took.own() < SHUTDOWN + 2 * OWN, "{took}");
    // It says what it could not deliver.
    assert!(stopped.contains("(deaf)"), "{stopped}");
    soon(victim.process.ended()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_ask_for_all_keys_of_a_large_family_hold_up_nobody() {
    let _alone = alone().await;
    let victim = Victim::start(&[]).await;
    let honest = victim.member("honest").await;
    let fill = honest.call(port("victim#echo"), ("fill", "family", KEYS));
    let (): () = soon(fill).await.unwrap();
    let questions = encoded("json", &json!(["", "g_db_keys", "family", 1])).repeat(1000);
    let mut gones = Vec::new();
    let mut askers = Vec::new();
    for id in ["x", "y", "z"] {
        let mut asker = Socket::join("json", victim.at, id).await;
        gones.push(gone(&victim, &honest, id).await);
        asker.send(&questions).await;
        // It takes every answer.
        askers.push(tokio::spawn(async move { asker.closed().await }));
    }
    let others = answers(&victim, &honest, || false).await;
    let closed = victim.now();
    askers.iter().for_each(JoinHandle::abort);
    let mut noticed = Times::default();
    for gone in gones {
        noticed.extend([closed.until(&soon(gone).await.unwrap())]);
    }
    println!("others {others}; ends noticed: {noticed}");
    assert!(others.worst() < OTHERS, "{others}");
    assert!(noticed.worst() < OWN, "{noticed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_to_a_slow_port_holds_up_no_other_member() {
    let _alone = alone().await;
    let mut victim = Victim::start(&[]).await;
    let mut asker = Socket::join("json", victim.at, "asker").await;
    let mut flooder = Socket::join("json", victim.at, "flooder").await;
    // More than a minute of work. Ports of that shard are behind what the shard has taken.
    let flood = encoded("json", &json!(["slow", "x".repeat(30)])).repeat(64_000);
    let flooding = tokio::spawn(async move {
        flooder.send(&flood).await;
        flooder
    });
    victim.process.line("@slow ").await;
    let question = encoded("json", &json!(["", "time", "asker#p"]));
    let mut times = Times::default();
    while times.len() < ANSWERS[0] {
        let asked = victim.now();
        asker.send(&question).await;
        asker.until("[\"p\",").await;
        times.extend([asked.until(&victim.now())]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("others {times}");
    assert!(times.worst() < OTHERS, "{times}");
    flooding.abort();
}

/// Keys that a member says it holds in one message: in this build they cost what ten times as many do in a release.
const HELD: usize = 40_000;

/// `word` with a database, or an update of a family, of keys that begin with `prefix`.
fn entries(word: &str, prefix: &str, value: usize) -> Vec<u8> {
    let keys = (0..HELD).map(|n| (format!("{prefix}-{n}"), json!(value)));
    let keys = Value::Object(keys.collect());
    let words = match word {
        "g_upd" => json!(["", word, "large", keys]),
        _ => json!(["", word, {"large": keys}]),
    };
    encoded("json", &words)
}

/// Joins as node `id`, says `first`, and then each of these messages, again and again.
async fn says_on(
    victim: &Victim,
    id: &str,
    first: Value,
    messages: [Vec<u8>; 2],
) -> JoinHandle<()> {
    let mut member = Socket::join("json", victim.at, id).await;
    member.send(&encoded("json", &first)).await;
    tokio::spawn(async move {
        for message in messages.iter().cycle() {
            member.send(message).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_hold_much_in_the_directory_hold_up_nobody() {
    let _alone = alone().await;
    let victim = Victim::start(&[]).await;
    let honest = victim.member("honest").await;
    let mut times = Times::default();
    // What a program at the victim sets, and what others ask it for.
    let round = async |times: &mut Times| {
        times.extend([victim.answer(&honest).await]);
        let begun = victim.now();
        let set = honest.call(port("victim#echo"), ("fill", "own", 1));
        let (): () = soon(set).await.unwrap();
        let kept = soon(honest.directory().keys("last").into_future()).await;
        times.extend([begun.until(&victim.now())]);
        kept.unwrap().len()
    };
    let global = json!(["", "g_global"]);
    let upd = |id| [0, 1].map(|n| entries("g_upd", &format!("{id}{n}"), n));
    let slave = json!(["", "g_slave", {}]);
    let floods = [
        says_on(&victim, "x", global.clone(), upd("x")).await,
        says_on(
            &victim,
            "y",
            slave,
            [1, 2].map(|n| entries("g_slave", "y", n)),
        )
        .await,
    ];
    // One that holds much goes while the others go on.
    let mut leaving = Socket::join("json", victim.at, "z").await;
    leaving.send(&encoded("json", &global)).await;
    let last = json!(["", "g_upd", "last", {"key": 1}]);
    for message in upd("z").into_iter().chain([encoded("json", &last)]) {
        leaving.send(&message).await;
        round(&mut times).await;
    }
    let all_is_told = async { while round(&mut times).await == 0 {} };
    soon(all_is_told).await;
    let gone = gone(&victim, &honest, "z").await;
    let closed = victim.now();
    drop(leaving);
    let all_is_forgotten = async { while round(&mut times).await > 0 {} };
    soon(all_is_forgotten).await;
    let noticed = closed.until(&soon(gone).await.unwrap());
    floods.iter().for_each(JoinHandle::abort);
    println!("others {times}; end noticed after {noticed}");
    assert!(times.worst() < OTHERS, "{times}");
    assert!(noticed.own() < OWN, "{noticed}");
}
