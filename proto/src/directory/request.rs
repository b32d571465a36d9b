//! The requests of the directory on the wire (protocol.md section 6): parsing and writing.

use super::name;
use crate::value::{IntoIter, Values};
use crate::{Map, NodeId, Text, Value};

/// The longest ID of a query, in bytes.
const MAX_ID: usize = 64;

/// The longest node ID in a lookup, in bytes.
const MAX_NODE: usize = 255;

/// A parsed request. Keys and values of entries are not checked yet.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// `g_global`: the sender is a global node.
    Global,
    /// `g_slave` without entries: the receiver is to become a global node.
    BeGlobal,
    /// `g_slave`: the sender becomes a slave of the receiver, and holds these entries by family.
    Slave(Vec<(Value, Value)>),
    /// `g_set`: the entries of a global node and its slaves, by family.
    Set(Vec<(Value, Value)>),
    /// `g_upd`: changes of the sender's entries.
    Update(Update),
    /// `g_find`: asks for the addresses of this node.
    Find(Text),
    /// `g_found`: the addresses of this node; `None` if they are unknown.
    Found(Text, Option<Vec<Text>>),
    /// `g_db_family`, `g_db_keys` or `g_db_values`: a query for this family, with the ID of the query.
    Query(QueryKind, Text, Value),
    /// `g_reply`: the ID of a query, and the answer.
    Reply(Value, Value),
    /// `g_mon1`: the sender watches this family.
    Watch(Text),
    /// `g_mon0`: the sender stops watching this family.
    Unwatch(Text),
    /// `g_chg1`: the content of a watched family.
    Content(Family),
    /// `g_chg2`: changes of a watched family.
    Changed(Update),
}

/// A family with its pairs of key and value.
pub(crate) type Family = (Text, Vec<(Value, Value)>);

/// Changes of a family.
#[derive(Debug, PartialEq)]
pub struct Update {
    pub(super) family: Text,
    pub(super) set: Vec<(Value, Value)>,
    /// Keys to delete, after `set` is applied.
    pub(super) deleted: Vec<Value>,
}

/// Which part of a family a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryKind {
    /// All pairs of key and value.
    Family,
    /// The keys.
    Keys,
    /// The values.
    Values,
}

/// Whether the request `word` has no other effect than an answer.
pub fn is_question(word: &str) -> bool {
    matches!(word, "g_find" | "g_db_family" | "g_db_keys" | "g_db_values")
}

impl QueryKind {
    fn word(self) -> &'static str {
        match self {
            Self::Family => "g_db_family",
            Self::Keys => "g_db_keys",
            Self::Values => "g_db_values",
        }
    }

    /// The answer to this query, made from the pairs of a family.
    pub(super) fn answer<'s>(self, pairs: impl Iterator<Item = (&'s Text, &'s Value)>) -> Value {
        match self {
            Self::Family => map(pairs),
            Self::Keys => Value::Array(pairs.map(|(key, _)| Value::from(key.clone())).collect()),
            Self::Values => Value::Array(pairs.map(|(_, value)| value.clone()).collect()),
        }
    }
}

impl Request {
    /// Parses the request `word`.
    ///
    /// # Errors
    /// The request is unknown or malformed; the message says why.
    pub fn parse(word: &str, arguments: IntoIter) -> Result<Self, String> {
        let mut arguments = Arguments(arguments);
        Ok(match word {
            "g_global" => Self::Global,
            "g_slave" => match arguments.next() {
                Value::Null => Self::BeGlobal,
                families => Self::Slave(families_of(families)?),
            },
            "g_set" => Self::Set(families_of(arguments.next())?),
            "g_upd" => Self::Update(arguments.update()?),
            "g_find" => {
                let node = arguments.text("a node")?;
                match node.len() <= MAX_NODE {
                    true => Self::Find(node),
                    false => return Err(String::from("the name of a node is too long")),
                }
            }
            "g_found" => {
                let node = arguments.text("a node")?;
                Self::Found(node, addresses(&arguments.next()))
            }
            "g_db_family" => arguments.query(QueryKind::Family)?,
            "g_db_keys" => arguments.query(QueryKind::Keys)?,
            "g_db_values" => arguments.query(QueryKind::Values)?,
            "g_reply" => Self::Reply(arguments.next(), arguments.next()),
            "g_mon1" => Self::Watch(arguments.family()?),
            "g_mon0" => Self::Unwatch(arguments.family()?),
            "g_chg1" => {
                let family = arguments.family()?;
                Self::Content((family, pairs(arguments.next())?))
            }
            "g_chg2" => Self::Changed(arguments.update()?),
            _ => return Err(String::from("an unknown request to the directory")),
        })
    }

    /// The answer to this request if node `own` refuses it, if the protocol has one: a node that is asked for is unknown.
    /// `own` itself is asked for as a probe (see `silence`), whose answer would say that this node sends no entries.
    pub fn refused_by(&self, own: &NodeId) -> Option<Values> {
        match self {
            Self::Find(node) if node != own.as_str() => Some(found(node.clone(), None)),
            _ => None,
        }
    }

    /// Removes the families that `keep` returns false for from a database. Other requests have none. The families of the
    /// protocol are among them: `'l` and `'g`.
    pub fn retain_families(&mut self, mut keep: impl FnMut(&str) -> bool) {
        if let Self::Slave(families) | Self::Set(families) = self {
            families.retain(|(family, _)| keep(family.as_str().unwrap_or_default()));
        }
    }
}

impl Update {
    /// The family that changes.
    pub fn family(&self) -> &Text {
        &self.family
    }
}

struct Arguments(IntoIter);

impl Arguments {
    fn next(&mut self) -> Value {
        self.0.next().unwrap_or_default()
    }

    fn text(&mut self, what: &str) -> Result<Text, String> {
        // Perl does not distinguish a number from its text.
        match self.next() {
            Value::Text(text) => Ok(text),
            Value::Integer(n) => Ok(n.to_string().into()),
            _ => Err(format!("the name of {what} is no text")),
        }
    }

    fn family(&mut self) -> Result<Text, String> {
        let family = self.text("a family")?;
        if name::is_known_family(&family) {
            return Ok(family);
        }
        let start: String = family.chars().take(40).collect();
        Err(format!("there is no family {start:?}"))
    }

    fn update(&mut self) -> Result<Update, String> {
        let family = self.family()?;
        let set = pairs(self.next())?;
        let deleted = match self.next() {
            Value::Null => Vec::new(),
            Value::Array(keys) => keys.into_vec(),
            _ => return Err(String::from("the keys to delete are no array")),
        };
        Ok(Update {
            family,
            set,
            deleted,
        })
    }

    fn query(&mut self, query: QueryKind) -> Result<Request, String> {
        // An invalid name gets an empty answer and no error: the sender waits for an answer.
        let family = self.text("a family").unwrap_or_default();
        let family = Some(family).filter(|family| name::is_known_family(family));
        let family = family.unwrap_or_default();
        let id = self.next();
        // The ID is only sent back, but can be kept here until then.
        let short = match &id {
            Value::Text(text) => text.len() <= MAX_ID,
            Value::Integer(_) | Value::Null => true,
            _ => false,
        };
        match short {
            true => Ok(Request::Query(query, family, id)),
            false => Err(String::from("the ID of a question is no short text")),
        }
    }
}

/// The families of a database with their content. Each family is checked later.
fn families_of(value: Value) -> Result<Vec<(Value, Value)>, String> {
    match value {
        Value::Map(families) => Ok(families.into_iter().collect()),
        _ => Err(String::from("a database is no map")),
    }
}

/// The pairs of the content of a family. Null means an empty family.
pub(super) fn pairs(value: Value) -> Result<Vec<(Value, Value)>, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Map(map) => Ok(map.into_iter().collect()),
        _ => Err(String::from("the content of a family is no map")),
    }
}

/// The addresses in a value: empty if the node does not listen, `None` if the value is not an array.
pub(super) fn addresses(value: &Value) -> Option<Vec<Text>> {
    let texts = value.as_array()?.iter().filter_map(Value::as_str);
    Some(texts.map(Text::from).collect())
}

pub(super) fn map<'s>(pairs: impl Iterator<Item = (&'s Text, &'s Value)>) -> Value {
    let pairs = pairs.map(|(key, value)| (key.clone(), value.clone()));
    Value::Map(pairs.collect::<Map>())
}

pub(super) fn global() -> Values {
    words([Value::from("g_global")])
}

pub(super) fn be_global() -> Values {
    words([Value::from("g_slave")])
}

/// `g_slave` or `g_set` with a database.
pub(super) fn database(word: &'static str, families: Map) -> Values {
    words([word.into(), families.into()])
}

/// `g_upd` or `g_chg2`. Both arguments are always present, as between Perl nodes.
pub(super) fn update(word: &'static str, family: &Text, set: Map, deleted: Vec<Value>) -> Values {
    let family = Value::from(family.clone());
    words([word.into(), family, set.into(), deleted.into()])
}

/// `g_upd` from a slave. Empty arguments are omitted, as Perl nodes do.
pub(super) fn slave_update(family: &Text, set: Map, deleted: Vec<Value>) -> Values {
    let set = (!set.is_empty()).then_some(set);
    let mut request = words(["g_upd".into(), family.clone().into(), set.into()]);
    if !deleted.is_empty() {
        request.push(deleted);
    }
    request
}

/// `g_chg1`, with null for an empty family.
pub(super) fn content(family: &Text, content: Map) -> Values {
    let content = (!content.is_empty()).then_some(content);
    words(["g_chg1".into(), family.clone().into(), content.into()])
}

pub(super) fn find(node: &NodeId) -> Values {
    words(["g_find".into(), node.into()])
}

pub(super) fn found(node: Text, addresses: Option<Vec<Text>>) -> Values {
    let value = |addresses: Vec<Text>| addresses.into_iter().map(Value::from).collect::<Vec<_>>();
    let addresses = addresses.map(value);
    words(["g_found".into(), node.into(), addresses.into()])
}

pub(super) fn query(query: QueryKind, family: &Text, id: u64) -> Values {
    // The ID is sent as text: Perl nodes use IDs as keys.
    let id = Value::from(id.to_string());
    words([query.word().into(), family.clone().into(), id])
}

pub(super) fn reply(id: Value, result: Value) -> Values {
    words(["g_reply".into(), id, result])
}

pub(super) fn watch(family: &Text) -> Values {
    words(["g_mon1".into(), family.clone().into()])
}

pub(super) fn unwatch(family: &Text) -> Values {
    words(["g_mon0".into(), family.clone().into()])
}

fn words<const N: usize>(words: [Value; N]) -> Values {
    words.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: Values) -> Result<Request, String> {
        let mut values = values.into_iter();
        let word = values.next().unwrap_or_default();
        Request::parse(word.as_str().unwrap(), values)
    }

    #[test]
    fn what_goes_out_comes_in() {
        let family = Text::from("f");
        let some: Map = [("k", 1)].into_iter().collect();
        let pairs: Vec<_> = some.clone().into_iter().collect();
        assert_eq!(parse(global()), Ok(Request::Global));
        assert_eq!(parse(be_global()), Ok(Request::BeGlobal));
        let families: Map = [("f", some.clone())].into_iter().collect();
        let held = vec![(Value::from("f"), Value::from(some.clone()))];
        let slave = parse(database("g_slave", families.clone()));
        assert_eq!(slave, Ok(Request::Slave(held.clone())));
        let set = parse(database("g_set", families));
        assert_eq!(set, Ok(Request::Set(held)));
        let updated = Update {
            family: family.clone(),
            set: pairs.clone(),
            deleted: vec!["d".into()],
        };
        let update = update("g_upd", &family, some.clone(), vec!["d".into()]);
        assert_eq!(parse(update), Ok(Request::Update(updated)));
        assert_eq!(
            parse(content(&family, Map::new())),
            Ok(Request::Content((family.clone(), vec![])))
        );
        assert_eq!(
            parse(content(&family, some)),
            Ok(Request::Content((family.clone(), pairs)))
        );
        assert_eq!(
            parse(found("n".into(), None)),
            Ok(Request::Found("n".into(), None))
        );
        assert_eq!(parse(watch(&family)), Ok(Request::Watch(family.clone())));
        assert_eq!(
            parse(unwatch(&family)),
            Ok(Request::Unwatch(family.clone()))
        );
        let asked = parse(query(QueryKind::Keys, &family, 7));
        assert_eq!(
            asked,
            Ok(Request::Query(QueryKind::Keys, family, "7".into()))
        );
    }

    #[test]
    fn what_is_malformed_is_refused_with_words() {
        for (words, why) in [
            (words(["g_set".into(), Value::Null]), "a database is no map"),
            (words(["g_slave".into(), 1.into()]), "a database is no map"),
            (
                words(["g_upd".into(), "1f".into()]),
                "there is no family \"1f\"",
            ),
            (
                words(["g_upd".into(), "f".into(), 1.into()]),
                "the content of a family is no map",
            ),
            (
                words(["g_mon1".into(), Value::Null]),
                "the name of a family is no text",
            ),
            (
                words(["g_what".into()]),
                "an unknown request to the directory",
            ),
        ] {
            assert_eq!(parse(words), Err(why.into()));
        }
    }
}
