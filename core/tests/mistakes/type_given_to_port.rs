//! So it is with a type that is a port.
use aemp_core::{Context, LocalNode, Message, Port, Reason};

struct Counter(u64);

impl Port for Counter {
    fn receive(&mut self, _: &mut Context<'_>, _: Message) -> Result<(), Reason> {
        self.0 += 1;
        Ok(())
    }
}

fn newcomer(node: &LocalNode) {
    let _ = node.port_named("counter", Counter(0));
}

fn main() {}
