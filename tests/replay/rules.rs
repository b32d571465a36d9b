//! In what a replay may differ from its recording. There is no other way: what is not covered by one of these
//! rules fails the test.
//!
//! Messages are compared as the values that our decoders read, so these are set aside everywhere: which of several
//! encodings of a value was chosen (text that AnyEvent::MP sends as byte strings, white space, shared values), the
//! order of a map's pairs (a Perl hash has none) and the sign of `-0.0`.

use std::collections::BTreeMap;

/// A difference that is allowed, with its reason in [`Rule::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    Methods,
    Codecs,
    Keys,
    Nonce,
    ProofLast,
    OwnProof,
    NoSecret,
    Names,
    Time,
    Eval,
    CallEnds,
    Order,
    EvalSecure,
    Duplicate,
    Rivals,
    Stays,
    Probe,
    AsksOnce,
    KnowsSeed,
    InSet,
    ByHand,
    WatchEnds,
    Unheard,
    Outlives,
}

impl Rule {
    pub(crate) const ALL: [(Self, &'static str); 24] = [
        (
            Self::Methods,
            "the greeting lists hmac_sha3_512, tls_sha3_512 where the node has a certificate, and cleartext where the \
             session needs it: tls_anon and cleartext are off by default (protocol.md section 2, weak spots)",
        ),
        (
            Self::Codecs,
            "the greeting lists no storable, which is Perl's own (protocol.md section 3)",
        ),
        (
            Self::Keys,
            "the greeting's keys stand in no order; provider names this program, role is ours alone (protocol.md \
             section 2), and a hand-written client sends none at all",
        ),
        (
            Self::Nonce,
            "a nonce is random, and with it the proofs; ours is 32 bytes in hexadecimal",
        ),
        (
            Self::ProofLast,
            "the end that accepted sends its auth line after it has verified the other's, not unasked, and not at \
             all where the other is refused (protocol.md section 2, weak spots)",
        ),
        (
            Self::OwnProof,
            "we prove ourselves with hmac_sha3_512 where a hand-written client did with cleartext, which is never sent",
        ),
        (
            Self::NoSecret,
            "a node without a secret does not start if it is to connect, where a Perl node fails at each connection",
        ),
        (
            Self::Names,
            "names that a node makes up are random: ports spawned elsewhere, ports that wait for an answer",
        ),
        (Self::Time, "the time of day"),
        (
            Self::Eval,
            "source is not run but answered with an error text (protocol.md section 5), at once, before what the \
             Perl node did as told, which the replay does through our API",
        ),
        (
            Self::CallEnds,
            "a call without time-out ends its monitor when it is answered; a Perl node keeps it",
        ),
        (
            Self::Order,
            "an answer of the node itself may overtake one of a port, which has a queue, and what the recorded \
             program did while it ran source comes after our answer to it",
        ),
        (
            Self::EvalSecure,
            "source is answered with an error text where a Perl node with `secure` says nothing",
        ),
        (
            Self::Duplicate,
            "a second connection from a node that is connected is refused after its auth line, not after its \
             greeting, so that a half-open connection does not lock the node out; where the recorded auth line never \
             comes, at the deadline (protocol.md section 2)",
        ),
        (
            Self::Rivals,
            "of two connections at once, one is held and refused, and the other stays; Perl nodes lose both \
             (protocol.md section 2)",
        ),
        (
            Self::Stays,
            "the connection that a Perl node loses to a second one stays (the other half of the rule before); what \
             the other side wrote to it after the loss is not said",
        ),
        (
            Self::Probe,
            "an open connection is asked for a sign of life when the same node connects anew (protocol.md section 2), and \
             after a silence",
        ),
        (
            Self::AsksOnce,
            "a seed is asked once to be a global node; a Perl node usually asks twice (protocol.md section 6)",
        ),
        (
            Self::KnowsSeed,
            "a node that is connected to its seed does not ask where that listens, as Perl nodes do (protocol.md section 6)",
        ),
        (
            Self::InSet,
            "what `'l` and `'g` hold of the two nodes that meet is said once more, or once less, beside `g_set`, which has \
             it all",
        ),
        (
            Self::ByHand,
            "a hand-written client says what no node says: sets twice what is the same, watches twice, makes up slaves, \
             and does without what nodes say by themselves",
        ),
        (
            Self::WatchEnds,
            "what a peer watches ends with its connection; a Perl node goes on at the next (protocol.md section 6)",
        ),
        (
            Self::Unheard,
            "nobody hears of the end of an entry of which it has not heard; a Perl node tells the deletion of a missing key \
             as well (protocol.md section 6)",
        ),
        (
            Self::Outlives,
            "when a recording ends, all its nodes end at once; ours is the last, and tells of the deletion of what the \
             others held",
        ),
    ];
}

/// What a replay of one session from one side has compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Units that our node sent and that are those of the recording.
    pub(crate) compared: usize,
    /// Recorded units that our node does not send, under a rule: proofs that nobody has earned.
    pub(crate) withheld: usize,
    /// Units that our node was sent.
    pub(crate) received: usize,
    /// Recorded units that our node was not sent, under a rule: nobody reads them any more.
    pub(crate) unsaid: usize,
    /// Of those, what was seen to arrive: at a port, a monitor or a call of ours.
    pub(crate) arrived: usize,
    pub(crate) rules: BTreeMap<Rule, usize>,
    /// What became of each connection.
    pub(crate) outcomes: BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn apply(&mut self, rule: Rule) {
        *self.rules.entry(rule).or_default() += 1;
    }

    pub(crate) fn outcome(&mut self, outcome: &str) {
        *self.outcomes.entry(outcome.into()).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.compared += other.compared;
        self.withheld += other.withheld;
        self.unsaid += other.unsaid;
        self.received += other.received;
        self.arrived += other.arrived;
        for (rule, times) in &other.rules {
            *self.rules.entry(*rule).or_default() += times;
        }
        for (outcome, times) in &other.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() += times;
        }
    }
}
