//! `Lab`: six hosts in namespaces, three at each of two switches, and a cable between the switches.

use crate::netns::{Host, Namespaces};

pub(crate) struct Lab(Namespaces);

/// A host's address: its side, and its number there.
pub(crate) fn address(host: &str) -> String {
    let (side, number) = host.split_at(1);
    let side = if side == "l" { 1 } else { 2 };
    format!("10.78.{side}.1{number}")
}

impl Lab {
    pub(crate) fn new() -> Self {
        let mut hosts = Namespaces::new("aempn");
        hosts.add("switch");
        for side in ["l", "r"] {
            hosts.ip("switch", &format!("link add switch-{side} type bridge"));
            hosts.ip("switch", &format!("link set switch-{side} up"));
            for number in 0..3 {
                let host = format!("{side}{number}");
                hosts.add(&host);
                let there = hosts.of("switch");
                hosts.ip(
                    &host,
                    &format!("link add eth type veth peer name {host} netns {there}"),
                );
                hosts.ip(
                    "switch",
                    &format!("link set {host} master switch-{side} up"),
                );
                hosts.ip(&host, &format!("address add {}/16 dev eth", address(&host)));
                hosts.ip(&host, "link set eth up");
            }
        }
        hosts.ip("switch", "link add cable type veth peer name elbac");
        hosts.ip("switch", "link set cable master switch-l up");
        hosts.ip("switch", "link set elbac master switch-r up");
        Self(hosts)
    }

    /// Pulls the cable between the switches.
    pub(crate) fn cut(&self) {
        self.0.ip("switch", "link set cable down");
    }

    pub(crate) fn mend(&self) {
        self.0.ip("switch", "link set cable up");
    }

    /// Lets a node take its place on a host.
    pub(crate) fn start(&self, host: &str, codecs: &str) -> Host {
        self.0
            .start(host, "play_a_part", &format!("{host} {codecs}"), "")
    }
}
