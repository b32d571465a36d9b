//! A boxed error has to be `Send + Sync`.
use std::error::Error;

use aemp_core::LocalNode;

fn newcomer(node: &LocalNode) {
    node.port(|_, message| -> Result<(), Box<dyn Error>> {
        let (_,): (u64,) = message.parse()?;
        Ok(())
    });
}

fn main() {}
