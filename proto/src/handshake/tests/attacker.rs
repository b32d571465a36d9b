//! Two ends of one network, and somebody between them without the secret who forwards, drops, changes, inserts, reorders,
//! replays and reflects bytes as an input says. Whatever he does, an end opens only on the lines that the other end sent.
//! For properties, and for the fuzz target `opening`.

use super::*;

/// The addresses of the two ends, and those of the attacker's sockets towards them.
const ADDRESSES: [&str; 4] = [
    "192.0.2.1:4040",
    "192.0.2.2:4040",
    "198.51.100.1:1",
    "198.51.100.2:2",
];

/// One end, with all bytes that it has written and received.
struct Attacked {
    end: End,
    /// Written bytes that are with the attacker.
    pending: Vec<u8>,
    written: Vec<u8>,
    received: Vec<u8>,
}

impl Attacked {
    fn new(opening: Opening) -> Self {
        let mut attacked = Self {
            end: End::new(opening),
            pending: Vec::new(),
            written: Vec::new(),
            received: Vec::new(),
        };
        attacked.receive(&[]);
        attacked
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.received.extend(bytes);
        self.end.receive(bytes);
        let said = std::mem::take(&mut self.end.written);
        self.written.extend(&said);
        self.pending.extend(said);
    }

    fn is_open(&self) -> bool {
        matches!(self.end.state, Some(State::Open(_)))
    }
}

/// Runs the attack that `input` describes, and asserts that it fails.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let setting = input.byte();
    let is_direct = setting & 1 == 0;
    let roles = [0, 1].map(|end| match setting >> (1 + end) & 1 {
        0 => Role::Dialer,
        _ => Role::Acceptor,
    });
    let checks = setting & 8 == 0;
    // Whether the secret of the network is being exchanged: one end is a round ahead.
    let exchanges = setting & 16 != 0;
    let opening = |end: usize, nonce: u8| {
        let mut settings = settings(["one", "two"][end], &["cbor", "json"]);
        settings.check_peeraddr = checks;
        if exchanges {
            let new = Secret::from_text("the secret from now on", 16).unwrap();
            settings.secret_accept.push(new);
            if end == 1 {
                std::mem::swap(
                    &mut settings.secret_accept[0],
                    settings.secret.as_mut().unwrap(),
                );
            }
        }
        let mut opening = Opening::new(Arc::new(settings), roles[end], Nonce::new([nonce; 32]));
        let address = |at: usize| ADDRESSES[at].parse().ok();
        opening.local = address(end);
        opening.peer = address(if is_direct { 1 - end } else { 2 + end });
        opening
    };
    // A session of before, which the attacker has recorded.
    let mut before = [0, 1].map(|end| Attacked::new(opening(end, 7 + end as u8)));
    for _ in 0..2 {
        forward(&mut before, 0, usize::MAX);
        forward(&mut before, 1, usize::MAX);
    }
    let recorded = before.map(|end| end.written);
    let mut ends = [0, 1].map(|end| Attacked::new(opening(end, 1 + end as u8)));
    while !input.0.is_empty() {
        let (what, from) = (input.byte(), usize::from(input.byte() & 1));
        let amount = usize::from(input.byte());
        let pending = &mut ends[from].pending;
        match what % 16 {
            0..6 => forward(&mut ends, from, usize::MAX),
            6..9 => forward(&mut ends, from, amount),
            9 => drop(pending.drain(..amount.min(pending.len()))),
            10 => {
                let at = amount | usize::from(input.byte() & 3) << 8;
                let change = input.byte();
                if let Some(byte) = pending.get_mut(at) {
                    *byte ^= change;
                }
            }
            11 => {
                let len = usize::from(input.byte() & 31);
                let new = input.take(len);
                let at = amount.min(pending.len());
                pending.splice(at..at, new.iter().copied());
            }
            12 => {
                let at = amount.min(pending.len());
                pending.rotate_left(at);
            }
            13 => pending.extend_from_within(..amount.min(pending.len())),
            // Reflects what this end has said.
            14 => {
                let said = ends[from].written.clone();
                ends[1 - from].pending.extend(said);
            }
            _ => pending.extend(&recorded[usize::from(amount & 1 == 1)]),
        }
        check(&ends);
    }
    for end in &ends {
        let outcome = end.end.outcome();
        assert!(
            !outcome.contains(SECRET) && outcome.len() < 2000,
            "{outcome}"
        );
        assert!(!outcome.contains(char::is_control), "{outcome:?}");
    }
    if ends.iter().all(Attacked::is_open) {
        assert_ne!(roles[0], roles[1], "both ends have the same role");
        assert!(
            is_direct || !checks,
            "the ends see other addresses than those of each other"
        );
    }
}

/// Passes bytes of the end `from`, as many as `amount`, to the other.
fn forward(ends: &mut [Attacked; 2], from: usize, amount: usize) {
    let pending = &mut ends[from].pending;
    let bytes: Vec<u8> = pending.drain(..amount.min(pending.len())).collect();
    ends[1 - from].receive(&bytes);
}

/// Asserts that who is open has read what the other end has written.
fn check(ends: &[Attacked; 2]) {
    for (end, other) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
        let State::Open(established) = end.end.state.as_ref().expect("a state") else {
            continue;
        };
        let lines = |bytes: &[u8]| {
            let lines = bytes.split(|&byte| byte == b'\n').take(3);
            // A line may end in CR LF.
            let lines = lines.map(|line| {
                String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
            });
            lines.collect::<Vec<_>>()
        };
        let (read, written) = (lines(&end.received), lines(&other.written));
        assert_eq!(read[..2], written[..2], "greeting and nonce");
        let fields = |line: &str| {
            line.split(';')
                .take(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(&read[2]), fields(&written[2]), "method and proof");
        // The framing is outside the proof (protocol.md section 2); it is one that was offered.
        assert!(["cbor", "json"].contains(&established.receives()));
    }
}

/// What is left of the attacker's input.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// The driver of the attack can open a connection: without an attack it does.
    #[test]
    fn who_only_forwards_lets_both_ends_open() {
        let mut ends = [Role::Dialer, Role::Acceptor].map(|role| {
            let node = if role == Role::Dialer { "one" } else { "two" };
            let settings = Arc::new(settings(node, &["cbor", "json"]));
            let nonce = Nonce::new([role as u8; 32]);
            Attacked::new(Opening::new(settings, role, nonce))
        });
        for from in [0, 1, 0, 1] {
            forward(&mut ends, from, usize::MAX);
            check(&ends);
        }
        assert!(ends.iter().all(Attacked::is_open));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            rng_seed: RngSeed::Fixed(0),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn an_end_opens_only_on_the_lines_of_the_other(input in prop::collection::vec(any::<u8>(), 0..100)) {
            run(&input);
        }
    }
}
