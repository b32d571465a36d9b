//! `Rules`: a policy as a list, of which the first rule that fits a peer decides.

use std::fmt;
use std::str::FromStr;

use super::{Action, Policy};
use crate::{ConnectionInfo, Text};

/// A policy as a list of rules. The first rule that fits the peer decides; a peer that no rule fits is not connected.
///
/// The default has two rules: a member of the network may do everything, and an anonymous peer nothing but send messages
/// to ports. Functions and spawns are limited to those that the program registers in any case.
///
/// ```
/// use aemp::{LocalNode, policy::{Rule, Rules}};
/// // Nodes called admin/... may do everything; others call the functions of the shop, and watch its ports.
/// let rules = Rules::new([
///     Rule::new(["all".parse()?]).node("admin/*"),
///     Rule::new(["monitor".parse()?, "call shop::*".parse()?, "directory".parse()?]),
/// ]);
/// let builder = LocalNode::builder().policy(rules);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// No rule permits calls and spawns.
    is_secure: bool,
}

impl Rules {
    /// These rules, in this order.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
            is_secure: false,
        }
    }

    /// The same rules, but whatever they say, no peer calls functions or spawns ports: `secure` of AnyEvent::MP.
    pub fn secure(mut self) -> Self {
        self.is_secure = true;
        self
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new([Rule::new([Permission::All]), Rule::new([]).anonymous()])
    }
}

impl Policy for Rules {
    fn permits(&self, peer: &ConnectionInfo, action: &Action<'_>) -> bool {
        let is_function = matches!(action, Action::Call(_) | Action::Spawn(_));
        let rule = self.rules.iter().find(|rule| rule.fits(peer));
        !(self.is_secure && is_function) && rule.is_some_and(|rule| rule.permits(action))
    }
}

/// What peers of one kind may do. A new rule fits every member of the network; conditions restrict it, and all of them
/// have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    node: Option<Pattern>,
    certificate: Option<Pattern>,
    is_anonymous: bool,
    permissions: Vec<Permission>,
}

impl Rule {
    /// A rule that fits every member, and permits this.
    pub fn new(permissions: impl IntoIterator<Item = Permission>) -> Self {
        Self {
            node: None,
            certificate: None,
            is_anonymous: false,
            permissions: permissions.into_iter().collect(),
        }
    }

    /// Only for nodes whose ID fits. A member of the network can give itself any ID; where that matters, add a
    /// [`certificate`](Self::certificate).
    pub fn node(mut self, id: impl Into<Pattern>) -> Self {
        self.node = Some(id.into());
        self
    }

    /// Only for peers that have presented a certificate whose SHA-256 fingerprint (64 lower-case hexadecimal digits) or
    /// whose owner's name (such as `CN=worker`) fits.
    pub fn certificate(mut self, owner: impl Into<Pattern>) -> Self {
        self.certificate = Some(owner.into());
        self
    }

    /// For anonymous peers (`tls_anon`) instead of members.
    pub fn anonymous(mut self) -> Self {
        self.is_anonymous = true;
        self
    }

    fn fits(&self, peer: &ConnectionInfo) -> bool {
        if self.is_anonymous != peer.is_anonymous() {
            return false;
        }
        let is_node = |pattern: &Pattern| pattern.fits(peer.peer().as_str());
        let certificate = peer.tls().and_then(|tls| tls.certificate.as_ref());
        let is_owner = |pattern: &Pattern| {
            certificate.is_some_and(|certificate| {
                pattern.fits_hex(&certificate.fingerprint) || pattern.fits(&certificate.subject)
            })
        };
        self.node.as_ref().is_none_or(is_node) && self.certificate.as_ref().is_none_or(is_owner)
    }

    fn permits(&self, action: &Action<'_>) -> bool {
        *action == Action::Connect || self.permissions.iter().any(|p| p.permits(action))
    }
}

/// One thing that a rule permits. As a text: `monitor`, `kill`, `relay`, `call`, `spawn`, `directory`, `write`, `publish`,
/// `global`; `call`, `spawn` and `write` also with a [`Pattern`] behind a space (`call shop::*`); or `all`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Permission {
    /// Everything.
    All,
    /// [`Action::Monitor`].
    Monitor,
    /// [`Action::Kill`].
    Kill,
    /// [`Action::Relay`].
    Relay,
    /// [`Action::Call`] of functions whose name fits.
    Call(Pattern),
    /// [`Action::Spawn`] by functions whose name fits.
    Spawn(Pattern),
    /// [`Action::Directory`].
    Directory,
    /// [`Action::Write`] in families whose name fits.
    Write(Pattern),
    /// [`Action::Publish`].
    Publish,
    /// [`Action::BecomeGlobal`].
    Global,
}

/// The words of permissions, as error messages list them.
const WORDS: &str = "all, monitor, kill, relay, call, spawn, directory, write, publish, global";

impl Permission {
    fn permits(&self, action: &Action<'_>) -> bool {
        match (self, action) {
            (Self::All, _)
            | (Self::Monitor, Action::Monitor(_))
            | (Self::Kill, Action::Kill(_))
            | (Self::Relay, Action::Relay(_))
            | (Self::Directory, Action::Directory)
            | (Self::Publish, Action::Publish)
            | (Self::Global, Action::BecomeGlobal) => true,
            (Self::Call(pattern), Action::Call(name))
            | (Self::Spawn(pattern), Action::Spawn(name))
            | (Self::Write(pattern), Action::Write(name)) => pattern.fits(name),
            _ => false,
        }
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, pattern) = match text.split_once(' ') {
            Some((word, pattern)) => (word, Some(Pattern::from(pattern.trim()))),
            None => (text, None),
        };
        let any = || pattern.clone().unwrap_or_else(|| Pattern::from("*"));
        let permission = match word {
            "call" => return Ok(Self::Call(any())),
            "spawn" => return Ok(Self::Spawn(any())),
            "write" => return Ok(Self::Write(any())),
            "all" => Self::All,
            "monitor" => Self::Monitor,
            "kill" => Self::Kill,
            "relay" => Self::Relay,
            "directory" => Self::Directory,
            "publish" => Self::Publish,
            "global" => Self::Global,
            _ => return Err(format!("{text:?} is no permission: there are {WORDS}")),
        };
        match pattern {
            None => Ok(permission),
            Some(_) => Err(format!("{text:?}: only call, spawn and write take a name")),
        }
    }
}

/// Names that a rule means: one name, or all that begin with what stands before a `*` at the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern(Text);

impl Pattern {
    fn fits(&self, name: &str) -> bool {
        self.fits_chars(name.chars())
    }

    /// Whether the hexadecimal digits of `bytes` fit.
    fn fits_hex(&self, bytes: &[u8]) -> bool {
        let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        self.fits_chars(halves.filter_map(|half| char::from_digit(half.into(), 16)))
    }

    fn fits_chars(&self, mut name: impl Iterator<Item = char>) -> bool {
        let beginning = self.0.strip_suffix('*');
        let mut expected = beginning.unwrap_or(&self.0).chars();
        expected.all(|c| name.next() == Some(c)) && (beginning.is_some() || name.next().is_none())
    }
}

impl<T: Into<Text>> From<T> for Pattern {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_one_name_or_what_names_begin_with() {
        let fits = |pattern: &str, name: &str| Pattern::from(pattern).fits(name);
        assert!(fits("a/b", "a/b") && !fits("a/b", "a/bc") && !fits("a/b", "a/"));
        assert!(fits("a/*", "a/b") && fits("a/*", "a/") && !fits("a/*", "a"));
        assert!(fits("*", "") && fits("*", "é") && !fits("", "a") && fits("", ""));
    }

    #[test]
    fn every_permission_has_a_word() {
        let any = || Pattern::from("*");
        let cases = [
            ("all", Permission::All),
            ("monitor", Permission::Monitor),
            ("kill", Permission::Kill),
            ("relay", Permission::Relay),
            ("call", Permission::Call(any())),
            ("call shop::*", Permission::Call("shop::*".into())),
            ("spawn", Permission::Spawn(any())),
            ("spawn  worker ", Permission::Spawn("worker".into())),
            ("directory", Permission::Directory),
            ("write", Permission::Write(any())),
            ("write pool", Permission::Write("pool".into())),
            ("publish", Permission::Publish),
            ("global", Permission::Global),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected));
            let word = text.split(' ').next().unwrap();
            assert!(WORDS.split(", ").any(|known| known == word), "{word}");
        }
        for text in ["", "All", "connect", "kill port", "all *"] {
            assert!(text.parse::<Permission>().is_err(), "{text:?}");
        }
        let shown = format!("{:?}", Permission::Call("shop::*".into()));
        assert_eq!(shown, "Call(\"shop::*\")");
    }

    #[test]
    fn a_fingerprint_is_compared_by_its_digits() {
        let fits = |pattern: &str| Pattern::from(pattern).fits_hex(&[0x0a, 0xff]);
        assert!(fits("0aff") && fits("0af*") && fits("0aff*") && fits("*"));
        assert!(!fits("0af") && !fits("0aff0") && !fits("0aff0*") && !fits("0AFF"));
    }
}
