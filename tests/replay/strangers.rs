//! s06 and s06b: a stranger at the door of our live node says what the recorded one said, case by case, and gets in
//! or not, as it did with the Perl node. The stranger's place is not ours to take: our nodes do not misbehave.

use std::collections::BTreeMap;
use std::time::Duration;

use aemp::LocalNode;
use tokio::sync::mpsc;

use crate::programs::{self, News};
use crate::recording::{Session, folder, lines, unhex};
use crate::relay::Relay;
use crate::script::Script;
use crate::values::sorted;

/// The cases of s06 in which a Perl node lets in what we refuse: it compares versions as numbers (`1.0`, `1abc`).
const STRICTER: [u64; 2] = [4, 5];

/// The stranger closes its direction right after its last byte, as recorded.
const HALF_CLOSED: [u64; 2] = [39, 40];

/// It gets in although the recorded result is the end of the connection, since it had closed its direction.
const IN_AND_CLOSED: u64 = 40;

/// The stranger says our node's greeting back: as it is, and under another name with a proof that is not its own.
/// The recorded one reflected the node's proof, which ours does not give unasked.
const ECHO: (u64, u64) = (33, 34);

/// Cases that say something to the port `sink` at once.
const SAYING: [(u64, &str); 2] = [(36, "in one packet"), (40, "before halfclose")];

/// One case: what the stranger sent, and whether it got in.
#[derive(Default)]
struct Case {
    name: String,
    bytes: Vec<u8>,
    got_in: bool,
}

/// The recorded cases by connection.
fn cases(session: &str) -> BTreeMap<u64, Case> {
    let mut cases = BTreeMap::<u64, Case>::new();
    let (mut name, mut last) = (String::new(), 0);
    for unit in lines(&folder().join(format!("{session}.jsonl"))) {
        if let Some(note) = unit["note"].as_str() {
            if let Some(case) = note.strip_prefix("CASE: ") {
                name = case.into();
            }
            if note.starts_with("RESULT: state=open") {
                // Who has not finished its opening is not in yet.
                let case: &mut Case = cases.get_mut(&last).unwrap();
                case.got_in = case.bytes.iter().filter(|&&byte| byte == b'\n').count() >= 3;
            }
        }
        let Some(number) = unit["conn"].as_u64() else {
            continue;
        };
        if unit["event"] == "accept" {
            last = number;
        }
        let case = cases.entry(number).or_default();
        if case.name.is_empty() {
            case.name.clone_from(&name);
        }
        if let (Some(hex), Some("py>nodeB")) = (unit["hex"].as_str(), unit["dir"].as_str()) {
            case.bytes.extend(unhex(hex));
        }
    }
    cases
}

/// Our node in the place of the one that the strangers came to.
async fn node(session: &Session, relay: &Relay) -> (LocalNode, mpsc::UnboundedReceiver<News>) {
    let [bind] = &session.list("nodeB", "binds")[..] else {
        panic!("one address");
    };
    let builder = aemp::node()
        .id(session.node_id("nodeB").unwrap())
        .secret(session.secret("nodeB").unwrap())
        .bind(bind)
        .transport(relay.clone());
    let builder = builder.configure(|config| {
        config.min_secret = 1;
        config.cleartext = true;
    });
    let node = builder.start().await.unwrap();
    let (tell, news) = mpsc::unbounded_channel();
    programs::show(&node, "sink", tell);
    (node, news)
}

/// Says the case's part. Gives whether the stranger got in.
async fn meet(number: u64, case: &Case, mut script: Script, session: &Session) -> bool {
    if number == ECHO.0 || number == ECHO.1 {
        let greeting = script.line().await.unwrap();
        let nonce = script.line().await.unwrap();
        let other = greeting.replacen(";nodeB;", ";nodeX;", 1);
        script
            .say(if number == ECHO.0 { &greeting } else { &other })
            .await;
        script.say(&nonce).await;
        if number == ECHO.1 {
            let proof = script.proof(true, session.secret("nodeB").unwrap());
            script.say(&format!("hmac_sha3_512;{proof};cbor")).await;
        }
        return script.line().await.is_some();
    }
    let text = String::from_utf8_lossy(&case.bytes);
    let said = text.split('\n').take(2);
    script.theirs = said
        .map(|line| line.trim_end_matches('\r').into())
        .collect();
    script.send(&case.bytes).await;
    if HALF_CLOSED.contains(&number) {
        script.close().await;
    }
    for _ in 0..2 {
        if script.line().await.is_none() {
            return false;
        }
    }
    // Our node's proof comes last, so that it means: come in.
    let Some(auth) = script.line().await else {
        return false;
    };
    let proof = script.proof(false, session.secret("nodeB").unwrap());
    assert!(
        auth.starts_with(&format!("hmac_sha3_512;{proof};")),
        "{number}: {auth}"
    );
    true
}

#[tokio::test(start_paused = true)]
async fn malformed_greetings_get_the_recorded_answer() {
    let session = Session::read("s06-malformed");
    let relay = Relay::default();
    let (node, mut news) = node(&session, &relay).await;
    let (mut inside, mut outside) = (0, 0);
    let cases = cases("s06-malformed");
    for (&number, case) in &cases {
        let connection = &session.connections[&number];
        let stream = relay.dial(
            &connection.target,
            connection.relay.parse().ok(),
            "127.0.0.1:40000".parse().ok(),
        );
        // Clear text is rationed over time, of which none passes by itself here.
        tokio::time::advance(Duration::from_millis(100)).await;
        let got_in = meet(number, case, Script::new(stream), &session).await;
        let recorded = case.got_in || number == IN_AND_CLOSED;
        let expected = recorded && !STRICTER.contains(&number);
        assert_eq!(got_in, expected, "{number}: {}", case.name);
        *if got_in { &mut inside } else { &mut outside } += 1;
        let stricter = if recorded && !got_in {
            ", stricter"
        } else {
            ""
        };
        println!(
            "{number:2} {}: {}{stricter}",
            case.name,
            if got_in { "up" } else { "refused" }
        );
        if let Some((_, said)) = SAYING.iter().find(|(case, _)| *case == number) {
            let expected = vec![sorted((*said).into())];
            assert_eq!(
                news.recv().await,
                Some(News::Message("sink".into(), expected))
            );
        }
    }
    // No case has dropped out.
    assert_eq!((cases.len(), inside, outside), (41, 10, 31));
    node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn strangers_who_dawdle_are_shown_the_door_at_the_deadline() {
    let session = Session::read("s06b-timeouts");
    let relay = Relay::default();
    let (node, _news) = node(&session, &relay).await;
    let cases = cases("s06b-timeouts");
    let mut outcomes = Vec::new();
    for (&number, case) in &cases {
        let connection = &session.connections[&number];
        let stream = relay.dial(
            &connection.target,
            connection.relay.parse().ok(),
            "127.0.0.1:40000".parse().ok(),
        );
        let start = tokio::time::Instant::now();
        let got_in = meet(number, case, Script::new(stream), &session).await;
        // The recorded node waited for its `monitor_timeout`, and anew with each byte; ours has one deadline.
        let waited = start.elapsed() >= Duration::from_secs(1);
        println!("{} {}: {got_in}, {:?}", number, case.name, start.elapsed());
        outcomes.push((number, got_in, waited));
    }
    // Silence, no auth line, and a greeting that comes byte by byte; the last one was in time.
    let expected = [
        (1, false, true),
        (2, false, true),
        (3, false, true),
        (4, true, false),
    ];
    assert_eq!(outcomes, expected);
    node.shutdown().await;
}
