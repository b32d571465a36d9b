//! Types of every shape that serde knows, in six places of a message, by three ways: to a port of the same node, over JSON and
//! over CBOR. Each arrives equal, or is refused when it is sent. What does neither is listed by name, with the reason
//! ([`EXCEPTIONS`]).

mod enums;
mod lists;
mod maps;
mod scalars;
mod structs;

use std::collections::{BTreeMap, BTreeSet};

use aemp::codec::{Codec, Outgoing};
use aemp::message::to_values;
use aemp::traits::IntoMessage;
use aemp::{LocalNode, Message, PortRef};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::support::{CODECS, decode, encode, peer};

/// The places: what is sent, and as what it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    /// `send(port, x)`, `parse::<T>()`.
    Message,
    /// `send(port, ("t", x))`, `parse::<(String, T)>()`.
    Element,
    /// What a handler `on("t", |_, x: T|)` gets of `("t", x)`, or of the tag and the fields where `T` is a list of fields.
    Arguments,
    /// An element of a `Vec`.
    Item,
    /// The field of a struct variant.
    Field,
    /// The content of a `Some`.
    Some,
}

/// What became of a value.
#[derive(Debug, PartialEq)]
enum Outcome {
    Equal,
    /// An error when it was sent.
    Refused(String),
    /// An error when it was read.
    Unreadable(String),
    /// Another value was read.
    Changed(String),
}

#[derive(Serialize, Deserialize)]
enum Variant<T> {
    Of { x: T },
}

/// What the shapes did.
#[derive(Default)]
struct Matrix {
    shapes: BTreeSet<&'static str>,
    equal: usize,
    refused: BTreeMap<(&'static str, &'static str, String), Vec<At>>,
    wrong: BTreeMap<(&'static str, At), Vec<String>>,
    /// The node whose ports the values are moved between.
    node: Option<(LocalNode, Runtime)>,
    /// Shapes that were moved.
    moved: usize,
}

fn started() -> (LocalNode, Runtime) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let node = LocalNode::builder().id("n").start();
    (runtime.block_on(node).unwrap(), runtime)
}

impl Matrix {
    /// Sends `sent` in all places, and expects `expected`, of the type that is read.
    fn read_as<S, T>(&mut self, name: &'static str, sent: &S, expected: &T)
    where
        S: Serialize,
        T: DeserializeOwned + PartialEq,
    {
        assert!(self.shapes.insert(name), "{name} is there twice");
        let is = |x: &T| x == expected;
        self.at(name, At::Message, sent, |x: T| is(&x));
        self.at(name, At::Element, &("t", sent), |(_, x): (String, T)| {
            is(&x)
        });
        self.at(
            name,
            At::Item,
            &("t", [sent].as_slice()),
            |(_, x): (String, Vec<T>)| x.len() == 1 && is(&x[0]),
        );
        self.at(
            name,
            At::Field,
            &Variant::Of { x: sent },
            |Variant::Of { x }: Variant<T>| is(&x),
        );
        self.at(
            name,
            At::Some,
            &("t", Some(sent)),
            |(_, x): (String, Option<T>)| x.as_ref().is_some_and(is),
        );
    }

    /// A type that is one argument of a handler.
    fn one<S, T>(&mut self, name: &'static str, sent: &S, expected: &T)
    where
        S: Serialize,
        T: DeserializeOwned + PartialEq,
    {
        self.read_as(name, sent, expected);
        self.arguments(name, &("t", sent), expected);
    }

    /// A value that is one argument of a handler, and is read as its own type.
    fn same<T>(&mut self, name: &'static str, value: T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Send + 'static,
    {
        self.one(name, &value, &value);
        self.moved(name, value);
    }

    /// A value of a type whose fields are the arguments of a handler.
    fn fields<T>(&mut self, name: &'static str, value: T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Send + 'static,
    {
        self.read_as(name, &value, &value);
        match to_values(&value) {
            Ok(values) => {
                let mut all = aemp::Values::from_iter(["t"]);
                all.extend(values);
                self.arguments(name, &all, &value);
            }
            Err(error) => self.note(
                name,
                At::Arguments,
                "local",
                Outcome::Refused(error.to_string()),
            ),
        }
        self.moved(name, value);
    }

    /// Sends the value as it is to a typed port, as an untyped message to a typed port, and as it is to an untyped port.
    fn moved<T>(&mut self, name: &'static str, value: T)
    where
        T: Serialize + DeserializeOwned + PartialEq + Send + 'static,
    {
        let message = |value: &T| value.into_message().ok();
        let debug = |value: &T| message(value).map(|message| format!("{message:?}"));
        let parsed = message(&value).and_then(|message| message.parse::<T>().ok());
        let serialised = debug(&value);
        let (node, runtime) = self.node.get_or_insert_with(started);
        let mut inbox = node.typed_inbox::<T>();
        if node.try_send(inbox.id(), &value).is_ok() {
            let received = runtime.block_on(inbox.recv());
            assert!(received == parsed, "{name}, to a typed port");
            inbox = node.typed_inbox();
        }
        node.tell(inbox.port(), value);
        let value = runtime.block_on(inbox.recv()).expect("it is moved");
        assert_eq!(debug(&value), serialised, "{name}, between typed ports");
        let mut untyped = node.inbox();
        let id = untyped.id().clone();
        node.tell(&PortRef::unchecked(id.clone()), value);
        node.send(&id, ("behind",));
        match serialised {
            Some(expected) => {
                let received = runtime.block_on(untyped.recv()).expect("it is sent");
                assert_eq!(
                    format!("{received:?}"),
                    expected,
                    "{name}, to an untyped port"
                );
            }
            None => {
                let behind = runtime.block_on(untyped.recv()).expect("it lives");
                assert_eq!(behind.tag().as_deref(), Some("behind"), "{name}");
            }
        }
        self.moved += 1;
    }

    fn arguments<T>(&mut self, name: &'static str, sent: &impl Serialize, expected: &T)
    where
        T: DeserializeOwned + PartialEq,
    {
        self.ways(name, At::Arguments, sent, |message| {
            message.parse_args::<T>().map(|x| x == *expected)
        });
    }

    fn at<S, T>(&mut self, name: &'static str, at: At, sent: &S, is: impl Fn(T) -> bool)
    where
        S: Serialize,
        T: DeserializeOwned,
    {
        self.ways(name, at, sent, |message| message.parse::<T>().map(&is));
    }

    fn ways<S: Serialize>(
        &mut self,
        name: &'static str,
        at: At,
        sent: &S,
        read: impl Fn(Message) -> Result<bool, aemp::error::ParseError>,
    ) {
        let outcome = |message: Message| match read(message.clone()) {
            Ok(true) => Outcome::Equal,
            Ok(false) => Outcome::Changed(format!("{message:?}")),
            Err(error) => Outcome::Unreadable(error.to_string()),
        };
        let local = match sent.into_message() {
            Ok(message) => outcome(message),
            Err(error) => Outcome::Refused(error.to_string()),
        };
        self.note(name, at, "local", local);
        for codec in CODECS {
            let there = match encode(codec, Outgoing::Typed(&sent)) {
                Ok(wire) => outcome(arrived(codec, &wire)),
                Err(error) => Outcome::Refused(error.to_string()),
            };
            self.note(name, at, codec.name(), there);
        }
    }

    fn note(&mut self, name: &'static str, at: At, way: &'static str, outcome: Outcome) {
        match outcome {
            Outcome::Equal => self.equal += 1,
            Outcome::Refused(why) => self.refused.entry((name, way, why)).or_default().push(at),
            wrong => {
                let wrongs = self.wrong.entry((name, at)).or_default();
                wrongs.push(format!("{way}: {wrong:?}"));
            }
        }
    }
}

fn arrived(codec: &dyn Codec, wire: &[u8]) -> Message {
    decode(codec, &peer(), wire).unwrap().remove(0).message
}

/// What arrives as another value or cannot be read.
struct Exception {
    shapes: &'static [&'static str],
    /// The only place, if there is one.
    at: Option<At>,
    arrives_as_another: bool,
    /// Whether serde itself does not bring it back.
    is_serde: bool,
}

const EXCEPTIONS: &[Exception] = &[
    // The message of one field, or of none, is that of the field itself, or of a unit; an untagged enum cannot tell.
    Exception {
        shapes: &["untagged tuple of one", "untagged array of none"],
        at: Some(At::Message),
        arrives_as_another: false,
        is_serde: false,
    },
    Exception {
        shapes: &["untagged tuple of one beside its content"],
        at: Some(At::Message),
        arrives_as_another: true,
        is_serde: false,
    },
    // Behind `untagged` serde looks for an enum in the form that it has inside a message.
    Exception {
        shapes: &[
            "mixed newtype",
            "untagged enum, newtype",
            "untagged enum, tuple",
            "untagged enum, struct",
        ],
        at: Some(At::Message),
        arrives_as_another: false,
        is_serde: false,
    },
    Exception {
        shapes: &["mixed newtype beside any value"],
        at: Some(At::Message),
        arrives_as_another: true,
        is_serde: false,
    },
    // serde stores what it flattens, and what an untagged or internally tagged enum holds, without tags.
    Exception {
        shapes: &[
            "flatten of a tag",
            "untagged of a tag",
            "internal of a tag in a field",
        ],
        at: None,
        arrives_as_another: false,
        is_serde: true,
    },
    // serde looks for a unit where the content of another variant is.
    Exception {
        shapes: &["newer adjacent"],
        at: None,
        arrives_as_another: false,
        is_serde: true,
    },
    // And without integers below those of 64 bits.
    Exception {
        shapes: &["untagged of -2^64", "flatten of -2^64"],
        at: None,
        arrives_as_another: false,
        is_serde: true,
    },
    Exception {
        shapes: &["flatten of a None of a map"],
        at: None,
        arrives_as_another: true,
        is_serde: true,
    },
];

#[test]
fn what_is_sent_arrives_equal_or_is_refused() {
    let mut matrix = Matrix::default();
    scalars::all(&mut matrix);
    lists::all(&mut matrix);
    maps::all(&mut matrix);
    structs::all(&mut matrix);
    enums::all(&mut matrix);
    let count = |refused: &dyn Fn(&(&str, &str, String)) -> bool| {
        let matching = matrix.refused.iter().filter(|(what, _)| refused(what));
        matching.map(|(_, places)| places.len()).sum::<usize>()
    };
    println!(
        "{} shapes: {} times equal, {} times refused as no message has it, {} times as the codec has none, {} times an exception",
        matrix.shapes.len(),
        matrix.equal,
        count(&|(_, _, why)| !why.contains("this connection speaks")),
        count(&|(_, _, why)| why.contains("this connection speaks")),
        matrix.wrong.values().map(Vec::len).sum::<usize>(),
    );
    println!("{} shapes moved between ports of a node", matrix.moved);
    assert!(matrix.shapes.len() >= 250);
    for ((name, at), how) in &matrix.wrong {
        let known = |exception: &&Exception| {
            exception.shapes.contains(name) && exception.at.is_none_or(|place| place == *at)
        };
        let Some(exception) = EXCEPTIONS.iter().find(known) else {
            panic!("{name:?} at {at:?}: {how:#?}");
        };
        let is_another = |how: &String| how.contains("Changed");
        assert!(
            how.iter()
                .all(|how| is_another(how) == exception.arrives_as_another),
            "{name:?} at {at:?}: {how:#?}"
        );
    }
    for exception in EXCEPTIONS {
        for name in exception.shapes {
            let is_one = matrix.wrong.keys().any(|(wrong, _)| wrong == name);
            assert!(is_one, "{name:?} is no exception any more");
        }
    }
    let of_serde = EXCEPTIONS.iter().filter(|exception| exception.is_serde);
    println!(
        "exceptions: {} shapes of ours, {} of serde",
        EXCEPTIONS
            .iter()
            .filter(|exception| !exception.is_serde)
            .map(|e| e.shapes.len())
            .sum::<usize>(),
        of_serde.map(|e| e.shapes.len()).sum::<usize>(),
    );
    for ((name, way, why), places) in &matrix.refused {
        let speaks = format!(", and this connection speaks {way}, which has none");
        // Of all that Rust has, CBOR lacks the simple values that are others, and those that are reserved.
        let is_codec =
            why.contains(&speaks) && (*way == "json" || why.contains("the simple value"));
        let is_type = [
            "cannot be serialised: a Some whose content is null, such as Some(None) or Some(()): it would arrive as None",
            "is out of range",
            "a tag or a simple value flattened or in an internally tagged enum, where serde makes a map of it",
        ];
        let is_type = is_type.iter().any(|reason| why.contains(reason));
        assert!(is_codec || is_type, "{name:?} {places:?}: {way}, {why}");
        assert!(why.starts_with("element "), "{name:?} {places:?}: {why}");
    }
}

#[test]
fn an_error_of_a_type_says_where_it_is() {
    #[derive(Serialize)]
    struct Order {
        lines: Vec<Line>,
    }
    #[derive(Serialize)]
    enum Line {
        Of(Option<Option<u8>>, u128),
        At { n: u128 },
    }
    let null =
        "a Some whose content is null, such as Some(None) or Some(()): it would arrive as None";
    let wide = format!("the integer {} is out of range", 1u128 << 64);
    let order = |line| Order {
        lines: vec![Line::Of(None, 0), line],
    };
    let says = |message: &dyn Fn() -> Result<Message, aemp::codec::EncodeError>,
                expected: String| {
        assert_eq!(message().unwrap_err().to_string(), expected);
    };
    says(
        &|| ("t", order(Line::Of(Some(None), 0))).into_message(),
        format!("element 1 at .lines[1].Of[0] cannot be serialised: {null}"),
    );
    says(
        &|| order(Line::At { n: 1 << 64 }).into_message(),
        format!("element 0 at .lines[1].At.n cannot be serialised: {wide}"),
    );
    says(
        &|| Line::At { n: 1 << 64 }.into_message(),
        format!("element 1 at .n cannot be serialised: {wide}"),
    );
    says(
        &|| Line::Of(None, 1 << 64).into_message(),
        format!("element 2 cannot be serialised: {wide}"),
    );
    says(
        &|| ("t", BTreeMap::from([("a b", vec![1u128 << 64])])).into_message(),
        format!("element 1 at [\"a b\"][0] cannot be serialised: {wide}"),
    );
}
