//! Networks with certificates: what `gencert` makes is enough, and what the tools say of it.

mod common;

use aemp::Value;

use common::Home;
use common::running::{Running, SECRET, listed};

/// A home in which `gencert` was run, and the seed of its network.
fn network() -> (Home, Running) {
    let home = Home::new();
    home.aemp(&["gencert", "binds", "127.0.0.1:0"])
        .succeeds_in_silence();
    home.aemp(&["services", r#"["aemp::echo"]"#])
        .succeeds_in_silence();
    let seed = Running::start(&home, &["nodeid", "seed"]);
    home.aemp(&["seeds", &seed.address]).succeeds_in_silence();
    (home, seed)
}

/// The configuration of `home` on another host, which has none of its own certificate.
fn copy(home: &Home) -> Home {
    let other = Home::new();
    other.write("config", &home.read("config"));
    other
}

#[test]
fn gencert_and_a_shared_configuration_make_an_encrypted_network() {
    let (home, seed) = network();
    let _worker = Running::start(&copy(&home), &["nodeid", "worker"]);
    listed(&home, 2);
    let answer = home.aemp(&["cal", "worker#echo", "hello"]).succeeds().out;
    assert_eq!(answer, "\"hello\"\n");

    let explained = home.aemp(&["explain", &seed.address]).succeeds().out;
    let line = |name: &str| {
        let start = format!("ok      {name}: ");
        let mut lines = explained.lines();
        let line = lines.find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {name} in {explained}"))
    };
    let tls = line("TLS");
    assert!(tls.starts_with("TLS 1.3, TLS13_"), "{tls}");
    assert!(tls.contains("; its certificate: CN=aemp (sha256 "), "{tls}");
    assert!(tls.contains("; ours: CN=aemp (sha256 "), "{tls}");
    assert!(tls.contains("valid until "), "{tls}");
    assert_eq!(
        line("authentication"),
        "each proved itself by its certificate (tls_sha3_512)"
    );

    let told = home.aemp(&["doctor"]).succeeds().out;
    for expected in [
        "ok     the secret is not set, and not needed where all nodes have a certificate\n",
        "ok     the certificate fits its key: CN=aemp (sha256 ",
        "lets us in: node seed",
        "; TLS 1.3, TLS13_",
        "; its certificate: CN=aemp (sha256 ",
    ] {
        assert!(told.contains(expected), "{told}");
    }

    let stats = home.aemp(&["cal", "seed", "aemp::stats"]).succeeds().out;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    let links = &stats["links"];
    let Value::Array(links) = links else {
        panic!("{stats}")
    };
    assert!(links.len() >= 2, "{stats}");
    for link in links {
        assert_eq!(link["tls"]["version"].as_str(), Some("TLS 1.3"), "{link}");
        assert_eq!(link["tls"]["subject"].as_str(), Some("CN=aemp"), "{link}");
        assert_eq!(link["anonymous"], Value::from(false), "{link}");
    }
}

#[test]
fn explain_and_doctor_say_whose_certificate_is_refused_and_why() {
    let (home, seed) = network();
    // The host has a certificate of its own instead.
    let other = copy(&home);
    other.aemp(&["--force", "gencert"]).succeeds();
    let told = other.aemp(&["explain", &seed.address]).succeeds_with(4).out;
    let ours = "FAILED  TLS: the peer's certificate \"CN=aemp\", issued by \"CN=aemp\", is not trusted: this node trusts \
                \"CN=aemp\" (";
    let theirs =
        "FAILED  TLS: the peer does not trust this node's certificate (TLS alert UnknownCA)";
    // As the nonces decide which end verifies first.
    assert!(told.contains(ours) || told.contains(theirs), "{told}");
    let told = other.aemp(&["doctor"]).succeeds_with(1).out;
    assert!(
        told.contains("both need the same certificate, or one of the same CA and that CA"),
        "{told}"
    );

    // It has none, and the secret alone.
    let without = copy(&home);
    let secret = without.write("secret", SECRET);
    without
        .aemp(&["delcert", "--secret-file", &secret, "setsecret"])
        .succeeds_in_silence();
    let told = without
        .aemp(&["explain", &seed.address])
        .succeeds_with(4)
        .out;
    assert!(told.contains("no auth method in common"), "{told}");
    without.aemp(&["cal", "seed", "time"]).fails(4);
}

#[test]
fn doctor_warns_of_a_certificate_that_peers_refuse() {
    let home = Home::new();
    let pem = |from: (i32, u8, u8), until: (i32, u8, u8)| {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = rcgen::KeyPair::generate().unwrap();
        key.serialize_pem() + &params.self_signed(&key).unwrap().pem()
    };
    let cases = [
        (
            pem((2020, 1, 1), (2021, 1, 1)),
            "has ended: peers refuse it",
        ),
        (
            pem((2090, 1, 1), (2091, 1, 1)),
            "is not valid before 2090-01-01T00:00:00Z",
        ),
    ];
    for (pem, expected) in cases {
        let file = home.write("pem", &pem);
        home.aemp(&["setcert", &file, "binds", "127.0.0.1:0"])
            .succeeds_in_silence();
        let told = home.aemp(&["doctor"]).succeeds_with(1).out;
        assert!(
            told.contains("WRONG  the certificate: ") && told.contains(expected),
            "{told}"
        );
    }
}
