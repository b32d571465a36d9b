//! What `gensecret` and `gencert` share: a value that was made is set, over one that is there only if that is meant.

use std::io::{self, BufRead, IsTerminal, Write};

use aemp::Value;
use aemp::profile::Document;
use aemp::profile::Key;

use super::{Step, change};
use crate::failure::Failure;
use crate::layers::effective;
use crate::line::{Line, scope};

/// Sets `key` to `value`, and says which profiles have another value by it.
pub(super) fn set(line: &mut Line<'_>, key: Key, value: Value) -> Result<Option<Step>, Failure> {
    let profile = line.profile.clone();
    let scope = scope(profile.as_deref());
    let present = line.draft()?.get(scope, key.name());
    let is_there = present.is_some_and(|value| !value.is_null());
    if is_there && !line.options.force {
        confirm(line, key)?;
    }
    let step = change(line, move |document, scope| {
        let before = values(document, key);
        document.set(scope, key.name(), value.clone());
        let after = values(document, key);
        let changed = after.iter().filter(|value| !before.contains(value));
        let changed: Vec<_> = changed.map(|(name, _)| name.as_str()).collect();
        Ok(told(key, is_there, &changed))
    })?;
    Ok(Some(step))
}

/// Asks on a terminal; elsewhere an option has to say it.
fn confirm(line: &Line<'_>, key: Key) -> Result<(), Failure> {
    let (name, place) = (key.name(), line.place());
    let what = format!(
        "there is a {name} already {place}, and nodes that keep it and nodes with another refuse each other"
    );
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Usage(format!("{what}; --force replaces it")));
    }
    write!(io::stderr(), "{what}; replace it? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::Failed(format!("the {name} is left as it is"))),
    }
}

fn told(key: Key, is_there: bool, changed: &[&str]) -> Option<String> {
    let name = key.name();
    match changed {
        [] if is_there => Some(format!("the {name} is new; no profile of the file uses it")),
        [] => None,
        [one] => Some(format!("the {name} is new for the profile {one}")),
        many => Some(format!(
            "the {name} is new for the profiles {}",
            many.join(", ")
        )),
    }
}

/// The value of `key` that holds for each profile.
fn values(document: &Document, key: Key) -> Vec<(String, Option<Value>)> {
    let value = |name| effective(document, Some(name), key).unwrap_or_default();
    let names = document.profile_names();
    names.map(|name| (name.to_owned(), value(name))).collect()
}
