//! A program without free file descriptors: connections wait, and none is lost.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use aemp_core::transport::{SocketConfig, Transport};
use aemp_transport_tcp::Tcp;
use tokio::time::timeout;

const INNER: &str = "AEMP_TCP_FEW_DESCRIPTORS";
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs this program in a shell with a low limit of descriptors, so that the limit applies only to that process.
#[test]
fn accept_goes_on_after_too_many_open_files() {
    if std::env::var_os(INNER).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        return runtime.block_on(run_out_and_recover());
    }
    let done = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "accept_goes_on_after_too_many_open_files"])
        .env(INNER, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{printed}");
}

async fn run_out_and_recover() {
    let mut listener = Tcp::new()
        .listen(
            &"127.0.0.1:*".parse().unwrap(),
            &SocketConfig::new(DEADLINE),
        )
        .await
        .unwrap();
    let at = listener.addresses().remove(0);
    let dialled = std::net::TcpStream::connect(at.target()).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // It is returned as an error, so that the node pauses and logs, and `accept` does not spin.
    for _ in 0..3 {
        let error = timeout(DEADLINE, listener.accept()).await.unwrap();
        let text = error.err().unwrap().to_string();
        assert!(text.contains("Too many open files"), "{text}");
    }
    drop(files);
    let accepted = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    assert_eq!(accepted.peer(), Some(dialled.local_addr().unwrap()));
}
