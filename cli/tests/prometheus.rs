//! The endpoint scraped by a real Prometheus, that of Debian's package `prometheus`.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aemp::Value;
use common::Home;
use common::http;
use common::running::{LIMIT, Running, SECRET, free_port};

/// A Prometheus that scrapes one endpoint, and ends with its owner.
struct Prometheus {
    process: Child,
    at: String,
}

impl Prometheus {
    fn start(home: &Home, target: &str) -> Self {
        let config = format!(
            "scrape_configs:\n- job_name: aemp\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  static_configs:\n  \
             - targets: ['{target}']\n"
        );
        let config = home.write("prometheus.yml", &config);
        let at = format!("127.0.0.1:{}", free_port());
        let process = Command::new("prometheus")
            .arg(format!("--config.file={config}"))
            .arg(format!(
                "--storage.tsdb.path={}",
                home.path("data").display()
            ))
            .arg(format!("--web.listen-address={at}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, at }
    }

    /// The value of an expression, once it has one; without it what Prometheus says of its target.
    fn value(&self, query: &str) -> f64 {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/api/v1/query?query={escaped}");
        let deadline = Instant::now() + LIMIT;
        loop {
            // It needs a moment to start.
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let answer = http::ask(&self.at, request.as_bytes());
            let found: Option<Value> = answer
                .ok()
                .and_then(|answer| serde_json::from_str(&answer.body).ok());
            let found = found.unwrap_or(Value::Null);
            if let Some(value) = found["data"]["result"][0]["value"][1].as_str() {
                return value.parse().unwrap();
            }
            assert!(Instant::now() < deadline, "{query}: {found}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs prometheus"]
fn a_real_prometheus_scrapes_a_node_and_finds_its_metrics_well_formed() {
    let home = Home::with_secret();
    let at = format!("127.0.0.1:{}", free_port());
    let line = ["nodeid", "seed", "binds", "127.0.0.1:0", "health", &at];
    let seed = Running::start(&home, &line);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = aemp::node().id(r#"a"b\c"#).secret(SECRET);
    let node = runtime.block_on(node.seed(&seed.address).start()).unwrap();
    runtime.block_on(node.joined()).unwrap();

    let prometheus = Prometheus::start(&home, &at);
    assert_eq!(prometheus.value(r#"up{job="aemp"} == 1"#), 1.0);
    assert_eq!(prometheus.value(r#"aemp_links{node="seed"} == 1"#), 1.0);
    let sent = prometheus.value(r#"aemp_sent_bytes_total{node="seed",peer="a\"b\\c"}"#);
    assert!(sent > 0.0, "{sent}");
    let turned = prometheus.value(r#"sum(aemp_shard_done_total) > 0"#);
    assert!(turned > 0.0, "{turned}");
    runtime.block_on(node.shutdown());
    assert_eq!(prometheus.value(r#"aemp_links{node="seed"} == 0"#), 0.0);

    // What its own checker has to say of the text.
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = http::get(&at, "/metrics").body;
    check
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let said = check.wait_with_output().unwrap();
    let lines = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success() && lines.is_empty(), "{lines}");
}
