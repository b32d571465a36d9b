//! What a program prints whose `main` returns an error. A program of its own: it is the parent, and the child that fails.
#![allow(clippy::unwrap_used)]

use std::process::Command;

const CHILD: &str = "AEMP_EXIT_CHILD";

#[tokio::main]
async fn main() -> aemp::Result<()> {
    if std::env::var_os(CHILD).is_some() {
        let node = aemp::node().secret("correct horse battery staple");
        node.bind("pigeon:loft").start().await?;
        return Ok(());
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.env(CHILD, "").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        printed,
        "Error: cannot listen on pigeon:loft: no transport for scheme \"pigeon\", this node has [\"tcp\"]\n"
    );
    println!("test an_error_that_main_returns_is_printed_as_text ... ok");
    Ok(())
}
