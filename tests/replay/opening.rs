//! The first half of a replay: nodes start, connections are made, and the three lines of either end are exchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use aemp::Value;
use tokio::sync::mpsc;

use crate::decrypted::Decrypted;
use crate::directory::Asked;
use crate::programs::{self, ECHO};
use crate::recording::What;
use crate::replay::{Actor, Link, Replay, SOON};
use crate::rules::Rule;
use crate::script::Script;
use crate::values::{self, Names};

/// The `peeraddr` of a recorded greeting: where its sender saw the other end.
fn peeraddr(greeting: Option<&String>) -> Option<SocketAddr> {
    keys(greeting?).get("peeraddr")?.parse().ok()
}

fn keys(greeting: &str) -> BTreeMap<&str, &str> {
    let fields = greeting.split(';').skip(5);
    fields.filter_map(|field| field.split_once('=')).collect()
}

impl Replay<'_> {
    /// Starts our node in the place of the side; of a hand-written client, for connection `number`.
    pub(crate) async fn start(&mut self, key: u64, number: Option<u64>) {
        let session = self.session;
        let (id, codecs, seeds) = match number {
            None => (
                session.node_id(self.side).unwrap().to_owned(),
                session.list(self.side, "framing_format"),
                session.list(self.side, "seeds"),
            ),
            Some(number) => {
                let connection = self.connection(number);
                let greeting = &connection.greetings[self.side];
                let codecs = greeting.split(';').nth(4).unwrap().split(',');
                let codecs = codecs.map(str::to_owned).collect();
                (self.us(number), codecs, vec![connection.relay.clone()])
            }
        };
        let cleartext = session.events.iter().any(|event| {
            event.from != self.side
                && matches!(&event.what, What::Auth(line) if line.starts_with("cleartext;"))
        });
        let (tell, news) = mpsc::unbounded_channel();
        let mut builder = aemp::node()
            .id(id)
            .transport(self.relay.clone())
            .configure(|config| {
                config.min_secret = 1;
                config.cleartext = cleartext;
                // As every Perl node does.
                config.tls_fallback = true;
                // So that the program sees everything in the order of the connection.
                config.shards = 1;
            });
        if !codecs.is_empty() {
            builder = builder.codecs(codecs);
        }
        if session.has_certificate(self.side) {
            builder = builder.tls(Decrypted);
        }
        if let Some(secret) = session.secret(self.side) {
            builder = builder.secret(secret);
        }
        let (entries, listens) = self.published(number);
        let mut binds = session.list(self.side, "binds");
        if number.is_some() {
            // A hand-written client says so, and listens nowhere.
            binds = listens.iter().map(ToString::to_string).collect();
        }
        self.relay.publish(&binds, &listens);
        for bind in binds {
            builder = builder.bind(bind);
        }
        for seed in seeds {
            builder = builder.seed(seed);
        }
        let node = match builder.start().await {
            Ok(node) => node,
            Err(error) => {
                assert_eq!(session.secret(self.side), None, "{error}");
                self.tally.apply(Rule::NoSecret);
                self.tally.outcome("does not start");
                return;
            }
        };
        // Nobody has been read from yet: this thread did not rest.
        for (family, key, value) in entries {
            node.directory().set(&family, key, &value).unwrap();
        }
        let services = session.list(self.side, "services");
        if services
            .iter()
            .any(|service| service == "AnyEvent::MP::Global::")
        {
            node.directory().serve_directory();
        }
        let scripts = session.scripts(self.side);
        let mut shown = programs::run(&node, &scripts, session.is_secure(self.side), &tell);
        for name in self.ports_of_a_client(number) {
            programs::show(&node, &name, tell.clone());
            shown.insert(name);
        }
        let actor = Actor {
            node,
            news,
            tell,
            shown,
            monitors: BTreeMap::new(),
            calls: BTreeMap::new(),
            names: Names::default(),
            asked: Asked::default(),
        };
        self.actors.insert(key, actor);
    }

    /// Whether the side runs a script that only answers.
    pub(crate) fn is_server(&self) -> bool {
        let scripts = self.session.scripts(self.side);
        let server = |script: &String| matches!(&**script, "b_basic.pl" | "w10.pl" | ECHO);
        scripts.iter().any(server)
    }

    /// The ports that a client has: the ones of the scripts, and of a hand-written one all that are spoken of.
    fn ports_of_a_client(&self, number: Option<u64>) -> BTreeSet<String> {
        let mut shown = BTreeSet::new();
        if self.is_server() {
            return shown;
        }
        let Some(number) = number else {
            return ["asink".into(), "reply".into()].into();
        };
        for event in &self.session.events {
            let (Some(at), What::Message(bytes)) = (event.connection, &event.what) else {
                continue;
            };
            if at != number || event.from == self.side {
                continue;
            }
            let message = values::read(&self.framing_of(number, &event.from), bytes);
            let texts: Vec<_> = message.iter().map(|v| v.as_str().unwrap_or("")).collect();
            match texts[..] {
                ["", "mon1" | "kil1", name, ..] => shown.insert(name.into()),
                ["", ..] | [] => false,
                [name, ..] => shown.insert(name.into()),
            };
        }
        shown
    }

    /// The dialer of connection `number` connects.
    pub(crate) async fn open(&mut self, number: u64) {
        let connection = self.connection(number).clone();
        let relay: Option<SocketAddr> = connection.relay.parse().ok();
        let nobody = connection.greetings.is_empty();
        let key = self.key(number);
        let stream = if connection.dialer == self.side {
            if self.side == "py" {
                self.start(number, Some(number)).await;
            }
            if !self.actors.contains_key(&key) {
                return;
            }
            let seeds = self.session.list(self.side, "seeds");
            let wanted = self.wanted.remove(&number);
            if self.side != "py" && !seeds.contains(&connection.relay) && !wanted {
                self.fail("no seed", "a reason to connect");
            }
            // As the acceptor saw our node; that is what the relay used towards it.
            let local = peeraddr(connection.greetings.get(&connection.acceptor));
            let accepted = self.relay.accept(&connection.relay, local);
            match tokio::time::timeout(12 * SOON, accepted).await {
                Ok(stream) => stream,
                Err(_) => self.fail("no attempt to connect", &connection.relay),
            }
        } else if !nobody && self.actors.contains_key(&key) {
            let peer = peeraddr(connection.greetings.get(&connection.acceptor));
            self.relay.dial(&connection.target, relay, peer)
        } else {
            return;
        };
        if nobody {
            // Nobody listened behind the relay, which closed.
            self.tally.outcome("nobody there");
            return;
        }
        let link = Link {
            script: Script::new(stream),
            their_auth: false,
            our_auth: false,
            owed: None,
            their_framing: String::new(),
            early: Vec::new(),
            evaluated: Vec::new(),
            call_ends: Vec::new(),
            they_closed: false,
            lost: false,
            finished: false,
        };
        self.links.insert(number, link);
    }

    /// Does what our side's program did first on connection `number`, which makes our node look for the other and connect.
    pub(crate) fn act_first(&mut self, number: u64) {
        self.wanted.insert(number);
        let framing = self.our_framing(number);
        for at in self.at..self.session.events.len() {
            let event = &self.session.events[at];
            if event.connection != Some(number) || event.from != self.side {
                continue;
            }
            let What::Message(bytes) = &event.what else {
                continue;
            };
            let message = values::read(&framing, bytes);
            let request = message.get(1).and_then(Value::as_str);
            if request.is_none_or(|request| !request.starts_with("g_")) {
                self.act(number, at, &message);
                self.done.insert(at);
                return;
            }
        }
        self.fail("nothing to send", "a reason to connect");
    }

    /// What our side's recorded auth line says that it sends in.
    pub(crate) fn our_framing(&self, number: u64) -> String {
        self.framing_of(number, self.side)
    }

    /// The same of either side.
    pub(crate) fn framing_of(&self, number: u64, side: &str) -> String {
        let mut events = self.session.events.iter();
        let auth = events.find_map(|event| match &event.what {
            What::Auth(line) if event.connection == Some(number) && event.from == side => {
                Some(line)
            }
            _ => None,
        });
        auth.unwrap().split(';').nth(2).unwrap().into()
    }

    async fn our_line(&mut self, number: u64, expected: &str) -> String {
        let line = tokio::time::timeout(SOON, self.link(number).script.line()).await;
        match line.ok().flatten() {
            Some(line) => {
                self.tally.compared += 1;
                line
            }
            None => self.fail("no line", expected),
        }
    }

    /// Our greeting in the place of the recorded one.
    pub(crate) async fn our_greeting(&mut self, number: u64, expected: &str) {
        let line = self.our_line(number, expected).await;
        let (ours, recorded): (Vec<_>, Vec<_>) =
            (line.split(';').collect(), expected.split(';').collect());
        // Protocol, version and node ID.
        if ours[..3] != recorded[..3] {
            self.fail(&line, expected);
        }
        let without = |at: usize, names: &[&str]| {
            let all = recorded[at].split(',');
            let known: Vec<_> = all.filter(|name| !names.contains(name)).collect();
            known.join(",")
        };
        let mut off = vec!["tls_anon"];
        if !ours[3].contains("cleartext") {
            off.push("cleartext");
        }
        if !self.session.has_certificate(self.side) {
            off.push("tls_sha3_512");
        }
        if ours[3] != without(3, &off) || ours[4] != without(4, &["storable"]) {
            self.fail(&line, expected);
        }
        for (at, rule) in [(3, Rule::Methods), (4, Rule::Codecs)] {
            if ours[at] != recorded[at] {
                self.tally.apply(rule);
            }
        }
        let (mut ours, mut recorded) = (keys(&line), keys(expected));
        let role = match self.connection(number).dialer == self.side {
            true => "d",
            false => "a",
        };
        let own = [
            ours.remove("provider").is_some(),
            ours.remove("role") == Some(role),
        ];
        recorded.remove("provider");
        recorded.remove("role");
        // A client by hand sends no keys.
        if own != [true; 2] || !recorded.is_empty() && ours != recorded {
            self.fail(&line, expected);
        }
        self.tally.apply(Rule::Keys);
    }

    /// Our nonce line in the place of the recorded one.
    pub(crate) async fn our_nonce(&mut self, number: u64, recorded: &str) {
        let line = self.our_line(number, recorded).await;
        if line.len() != 64 || !line.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            self.fail(line, recorded);
        }
        self.tally.apply(Rule::Nonce);
    }

    /// Our auth line in the place of the recorded one, if its time has come.
    pub(crate) async fn our_auth(&mut self, number: u64, recorded: &str) {
        let accepted = self.connection(number).acceptor == self.side;
        if self.is_refused(number) {
            // Held back, and never sent.
            return self.link(number).owed = Some(recorded.into());
        }
        let link = self.link(number);
        if accepted && !(link.their_auth && self.secrets_agree(number)) {
            self.link(number).owed = Some(recorded.into());
            self.tally.apply(Rule::ProofLast);
        } else {
            self.read_auth(number, recorded).await;
        }
    }

    async fn read_auth(&mut self, number: u64, recorded: &str) {
        let line = self.our_line(number, recorded).await;
        let framing = recorded.split(';').nth(2).unwrap();
        let proof = if recorded.starts_with("tls_sha3_512;") {
            format!("tls_sha3_512;{}", self.link(number).script.hash(false))
        } else {
            let secret = self.session.secret(self.side).unwrap().to_owned();
            let proof = self.link(number).script.proof(false, &secret);
            format!("hmac_sha3_512;{proof}")
        };
        if line != format!("{proof};{framing}") {
            self.fail(line, recorded);
        }
        if recorded.starts_with("cleartext;") {
            self.tally.apply(Rule::OwnProof);
        }
        let link = self.link(number);
        link.script.messages_in(framing);
        link.our_auth = true;
    }

    /// The other side's auth line, with a proof of its own making.
    pub(crate) async fn their_auth(&mut self, number: u64, recorded: &str) {
        let secret = self.session.secret(self.other(number)).map(str::to_owned);
        let link = self.link(number);
        let mut fields: Vec<_> = recorded.split(';').map(str::to_owned).collect();
        if fields[0] == "hmac_sha3_512" {
            fields[1] = link.script.proof(true, &secret.unwrap());
        } else if fields[0] == "tls_sha3_512" {
            fields[1] = link.script.hash(true);
        }
        let line = format!("{}\n", fields.join(";"));
        link.script.send(line.as_bytes()).await;
        link.their_framing = fields[2].clone();
        link.their_auth = true;
        self.tally.received += 1;
        if self.secrets_agree(number)
            && !self.is_refused(number)
            && let Some(recorded) = self.link(number).owed.take()
        {
            self.read_auth(number, &recorded).await;
        }
    }

    /// Whether the other side has our side's secret.
    pub(crate) fn secrets_agree(&self, number: u64) -> bool {
        self.session.secret(self.side) == self.session.secret(self.other(number))
    }
}
