//! What can stand where the cursor is.

use std::collections::BTreeSet;

use aemp::{NodeId, Value};
use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::command::{self, Expects, TABLE};
use super::names::Names;
use super::words::words;

/// A menu of more is of no use.
const MOST: usize = 200;

/// Completes from what is known.
pub(super) struct Completion {
    pub(super) names: Names,
    /// The node that the shell is about.
    pub(super) here: Option<NodeId>,
}

impl Completer for Completion {
    fn complete(&mut self, line: &str, at: usize) -> CompletionResult {
        let line = line.get(..at).unwrap_or(line);
        let spaces = line.char_indices().rev().find(|(_, c)| c.is_whitespace());
        let begin = spaces.map_or(0, |(at, space)| at + space.len_utf8());
        let candidates = candidates(&self.names, self.here.as_ref(), line, begin);
        let all: Vec<Suggestion> = candidates
            .into_iter()
            .map(|value| Suggestion {
                value,
                span: Span::new(begin, at),
                append_whitespace: true,
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(all)
    }
}

/// What the word may become that begins at `begin` and ends with the line.
fn candidates(names: &Names, here: Option<&NodeId>, line: &str, begin: usize) -> Vec<String> {
    let (before, word) = line.split_at(begin);
    let mut before = before.split_whitespace();
    let Some(name) = before.next() else {
        // Other programs' names for those who begin them; a command is offered once.
        let aliases = TABLE.iter().filter_map(|entry| entry.alias);
        let all = TABLE.iter().map(|entry| entry.name);
        let mut found: Vec<_> = all.filter(|name| name.starts_with(word)).collect();
        if found.is_empty() {
            found.extend(aliases.filter(|name| name.starts_with(word)));
        }
        return found.into_iter().map(str::to_owned).collect();
    };
    let expects = command::find(name).and_then(|entry| entry.expects.get(before.count()));
    let known = names.lock();
    let sets: &[&BTreeSet<String>] = match expects {
        Some(Expects::Port) => &[&known.nodes, &known.ports],
        Some(Expects::Node) => &[&known.nodes],
        Some(Expects::Function) => &[&known.functions],
        Some(Expects::Family) => &[&known.families],
        Some(Expects::Watched) => &[&known.watched],
        None => &[],
    };
    let all = sets.iter().flat_map(|set| set.iter().cloned());
    let mut found: BTreeSet<String> = all.filter(|name| name.starts_with(word)).collect();
    if let (Some(here), Some(Expects::Port)) = (here, expects)
        && word.starts_with('#')
    {
        let ports = known.ports.iter();
        let ports = ports.filter_map(|port| port.strip_prefix(here.as_str()));
        found.extend(
            ports
                .filter(|name| name.starts_with(word))
                .map(String::from),
        );
    }
    found.iter().take(MOST).map(|name| typed(name)).collect()
}

/// How a text is typed: in quotation marks where it would be something else without.
fn typed(text: &str) -> String {
    let line = format!("x {text}");
    match words(&line).as_deref() {
        Ok([_, word]) if word.value.as_str() == Some(text) => text.to_owned(),
        _ => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_at_the_cursor_is_offered() {
        let names = Names::default();
        let set = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        {
            let mut known = names.lock();
            known.nodes = set(&["seed", "worker"]);
            known.ports = set(&["seed#echo", "worker#a b"]);
            known.families = set(&["'l", "7", "aemp_echo"]);
            known.watched = set(&["aemp_echo"]);
            known.functions = set(&["aemp::echo"]);
        }
        let cases: &[(&str, &[&str])] = &[
            ("mon", &["monitor"]),
            ("s", &["send", "spawn", "self"]),
            ("sn", &["snd"]),
            ("call se", &["seed", "seed#echo"]),
            ("cal  w", &["worker", r#""worker#a b""#]),
            ("call seed ", &[]),
            ("ports ", &["seed", "worker"]),
            ("directory ", &["'l", "\"7\"", "aemp_echo"]),
            ("unwatch ", &["aemp_echo"]),
            ("spawn worker a", &["aemp::echo"]),
            ("nothing x", &[]),
        ];
        for (line, expected) in cases {
            let begin = line.rfind(' ').map_or(0, |space| space + 1);
            assert_eq!(candidates(&names, None, line, begin), *expected, "{line}");
        }
        let here = NodeId::new("seed").ok();
        let begin = "call ".len();
        let found = candidates(&names, here.as_ref(), "call #e", begin);
        assert_eq!(found, ["#echo"]);
    }

    #[test]
    fn a_suggestion_replaces_the_word_before_the_cursor() {
        let mut completion = Completion {
            names: Names::default(),
            here: None,
        };
        // White space of any width.
        let wide = "call\u{3000}x";
        assert!(
            completion
                .complete(wide, wide.len())
                .suggestions()
                .is_empty()
        );
        let found = completion.complete("mo x", 2);
        let [suggestion] = found.suggestions() else {
            panic!("{found:?}");
        };
        assert_eq!(suggestion.value, "monitor");
        assert_eq!((suggestion.span.start, suggestion.span.end), (0, 2));
    }
}
