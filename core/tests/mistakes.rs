//! What the compiler says of the commonest mistakes: each of `mistakes/*.rs` fails to compile with the text beside it.
//!
//! The texts are of one version of the compiler. With another one nothing is compared; see CONTRIBUTING.md.

use std::process::Command;

/// The release whose texts these are.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn mistakes_are_told_in_the_words_of_this_crate() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    match version {
        Ok(version) if version.starts_with(RUSTC) => {
            trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
        }
        version => println!("not compared: these are the texts of {RUSTC}x, this is {version:?}"),
    }
}
