//! What peers may do, as a configuration says it: the keys `secure` and `allow`.

mod common;

use common::Home;
use common::running::Running;

/// A home with a secret, and a node called `seed` that was run with `line`.
fn seed(line: &[&str]) -> (Home, Running) {
    let home = Home::with_secret();
    home.aemp(&["binds", "127.0.0.1:0"]).succeeds_in_silence();
    let line = [&["nodeid", "seed"], line].concat();
    let seed = Running::start(&home, &line);
    home.aemp(&["seeds", &seed.address]).succeeds_in_silence();
    (home, seed)
}

#[test]
fn secure_keeps_peers_from_calling_functions_and_says_so() {
    let (home, _seed) = seed(&["secure", "on"]);
    let refused = home.aemp(&["cal", "seed", "aemp::stats"]).fails(4).err;
    assert_eq!(
        refused,
        "error: seed: refused: the policy of seed does not permit to call \"aemp::stats\"\n"
    );
    home.aemp(&["cal", "seed", "time"]).succeeds();
    home.aemp(&["trace", "seed"]).succeeds();
}

#[test]
fn allow_says_who_may_do_what() {
    let home = Home::new();
    home.aemp(&["setallow", r#"{"node":"admin/*","may":"all"}"#])
        .succeeds_in_silence();
    let rules = r#"[{"node":"admin/*","may":"all"},{"may":"monitor,directory"}]"#;
    home.aemp(&["setallow", rules]).succeeds_in_silence();
    let shown = home.file();
    assert_eq!(shown["allow"][1]["may"].as_str(), Some("monitor,directory"));
    let wrong = home.aemp(&["setallow", r#"{"may":["cal"]}"#]).fails(2).err;
    assert!(
        wrong.contains("allow on the command line takes a list of rules with may (all, monitor, "),
        "{wrong}"
    );
    assert!(
        wrong.contains("and \"cal\" is none; for example"),
        "{wrong}"
    );

    // The command joins as node aemp/HOST/RANDOM.
    let others = r#"[{"node":"admin/*","may":"all"},{"may":"monitor,directory"}]"#;
    let (home, _seed) = seed(&["allow", others]);
    let stats = ["cal", "seed", "aemp::stats"];
    let refused = home.aemp(&stats).fails(4).err;
    assert!(refused.contains("does not permit to call"), "{refused}");
    home.aemp(&["trace", "seed"]).succeeds();

    let ours = r#"[{"node":"aemp/*","may":"call aemp::*"},{"may":"monitor,directory"}]"#;
    let (home, _seed) = seed(&["allow", ours]);
    home.aemp(&stats).succeeds();
    let refused = home.aemp(&["trace", "seed"]).fails(4).err;
    assert!(
        refused.contains("does not permit to use the directory"),
        "{refused}"
    );
}

#[test]
fn echo_makes_no_request_of_its_node_for_a_stranger() {
    let rules = r#"[{"may":"monitor,directory,relay"}]"#;
    let (home, _seed) = seed(&["services", r#"["aemp::echo"]"#, "allow", rules]);
    for words in [["kil1", "echo", "die"], ["aemp::restart", "", ""]] {
        let line = [&["snd", "seed#echo"], &words[..], &["seed"]].concat();
        home.aemp(&line).succeeds();
    }
    // Messages to it keep their order, so both were handled.
    let answer = home
        .aemp(&["cal", "seed#echo", "still here"])
        .succeeds()
        .out;
    assert_eq!(answer, "\"still here\"\n");
}
