//! An `aemp` command with a service of its own:
//! `cargo run -p aemp-cli --example own_services -- run nodeid greeter services '[["app::greeter","hello"]]'`, with a secret
//! from `aemp gensecret`, runs a node whose port `greeter` answers `greet`.

use std::process::ExitCode;

use aemp::{PortId, routes};

fn main() -> ExitCode {
    let services = aemp_cli::Registry::new().service("app::greeter", |node, (word,): (String,)| {
        let greeter = routes().on("greet", move |cx, (name, reply): (String, PortId)| {
            cx.send(&reply, (format!("{word}, {name}"),));
        });
        node.port_of_named("greeter", greeter).map(drop)
    });
    aemp_cli::main_with(services)
}
