//! Schemas of messages, for people who write the other side in another language: a type as JSON Schema, and as a table.
//!
//! A type that derives `schemars::JsonSchema` has a schema of its form inside a message. A message is the flat form of it
//! (the table at [`to_values`](crate::value::to_values)): [`message_schema`] makes the one of the other, by what the type
//! asks of serde.

mod names;
mod probe;
mod table;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use probe::{Content, Shape};
pub use table::message_table;

/// The JSON Schema (draft 2020-12) of the messages that are an `M`: arrays, whose first element is the name of the variant
/// for an enum. The port's name, with which a message begins on the wire, is not part of it.
///
/// An enum that is `#[serde(untagged)]`, or has such a variant, is described in the form that it has inside a message: what it
/// is as a whole message is not to be told from its schema.
///
/// A `ReplyTo` in a message is a text; its schema has that of the answer as `x-answer`, and the one of a `PortRef` has that of
/// its messages as `x-messages`. What another text of this crate is, `x-name` says.
///
/// ```
/// use aemp::schema::{message_schema, schemars};
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[schemars(crate = "schemars")]
/// enum Lamp { Dim { percent: u8 }, Off }
/// let schema = message_schema::<Lamp>().to_value();
/// assert_eq!(schema["oneOf"][1]["prefixItems"][0]["const"], "Off");
/// ```
pub fn message_schema<M: JsonSchema + DeserializeOwned>() -> Schema {
    let mut generator = SchemaGenerator::default();
    let mut schema = inner_message_schema::<M>(&mut generator);
    schema.insert("title".into(), M::schema_name().into());
    schema.insert("$defs".into(), generator.take_definitions(true).into());
    let dialect = generator.settings().meta_schema.as_deref();
    let dialect = dialect.map_or(Value::Null, Value::from);
    schema.insert("$schema".into(), dialect);
    remove_unused(schema.ensure_object());
    schema
}

/// The schema of the messages that another port of a message is sent, such as the answer of a `ReplyTo<M>`. Its definitions are
/// those of `generator`.
pub fn inner_message_schema<M>(generator: &mut SchemaGenerator) -> Schema
where
    M: JsonSchema + DeserializeOwned,
{
    let schema = generator.subschema_for::<M>();
    let name = schema.get("$ref").and_then(Value::as_str);
    let name = name.and_then(|name| name.rsplit('/').next());
    let known = match name {
        Some(name) => generator.definitions().get(name).and_then(Value::as_object),
        None => schema.as_object(),
    };
    let Some(known) = known else {
        // A type that takes anything, or one whose definition is being made: the answer is of the type itself.
        let name = format!("message {}", M::schema_name());
        return json_schema!({ "type": "array", "x-name": name });
    };
    let known = resolved(known, generator.definitions());
    let mut flat = flat::<M>(known);
    if let (Some(text), Some(_)) = (known.get("description"), name) {
        flat.insert("description".into(), text.clone());
    }
    flat.into()
}

/// Removes the definitions to which nothing refers: those of types that are messages alone.
fn remove_unused(schema: &mut Map<String, Value>) {
    loop {
        let text = Value::Object(schema.clone()).to_string();
        let Some(Value::Object(types)) = schema.get_mut("$defs") else {
            return;
        };
        let before = types.len();
        types.retain(|name, _| text.contains(&format!("#/$defs/{name}\"")));
        if types.is_empty() {
            schema.remove("$defs");
            return;
        }
        if types.len() == before {
            return;
        }
    }
}

/// The schema that a chain of references ends at, as that of a newtype is one to its content.
fn resolved<'s>(
    mut schema: &'s Map<String, Value>,
    definitions: &'s Map<String, Value>,
) -> &'s Map<String, Value> {
    for _ in 0..definitions.len() {
        let name = schema.get("$ref").and_then(Value::as_str);
        let name = name.and_then(|name| name.rsplit('/').next());
        match name.and_then(|name| definitions.get(name)?.as_object()) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// The flat form of a type's `schema`.
fn flat<M: DeserializeOwned>(schema: &Map<String, Value>) -> Map<String, Value> {
    match probe::shape::<M>() {
        Shape::One => array([Value::Object(schema.clone())]),
        Shape::Unit => array([]),
        Shape::Fields => schema.clone(),
        Shape::Enum(variants) => {
            let variants = variants.into_iter();
            let variants: Vec<Value> = variants
                .filter_map(|(name, content)| variant(schema, name, content))
                .collect();
            Map::from_iter([("oneOf".into(), variants.into())])
        }
    }
}

/// An array of exactly these elements.
fn array(elements: impl IntoIterator<Item = Value>) -> Map<String, Value> {
    let elements: Vec<Value> = elements.into_iter().collect();
    let len = elements.len();
    let mut array = Map::from_iter([("type".into(), "array".into())]);
    if len > 0 {
        array.insert("prefixItems".into(), elements.into());
        array.insert("minItems".into(), len.into());
    }
    array.insert("maxItems".into(), len.into());
    array
}

/// The message of a variant. `None` if the enum's schema does not have it, such as an alias.
fn variant(schema: &Map<String, Value>, name: &str, content: Content) -> Option<Value> {
    let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf"));
    let found = match alternatives.and_then(Value::as_array) {
        Some(all) => all.iter().find(|one| is_variant(one, name))?,
        // The only variant, or all of an enum of units.
        None => &Some(Value::Object(schema.clone())).filter(|one| is_variant(one, name))?,
    };
    let mut elements = vec![json!({ "const": name })];
    let inside = found["properties"].get(name);
    match (content, inside) {
        (Content::Unit, _) => {}
        (_, None) => return None,
        (Content::One, Some(inside)) => elements.push(inside.clone()),
        (Content::Fields, Some(inside)) => {
            elements.extend(
                inside["prefixItems"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default(),
            );
        }
    }
    let mut message = array(elements);
    // Of a plain name among others it is the text of none.
    if let (Some(text), false) = (found.get("description"), found.get("enum").is_some()) {
        message.insert("description".into(), text.clone());
    }
    Some(message.into())
}

fn is_variant(schema: &Value, name: &str) -> bool {
    let is_among = |names: &Vec<Value>| names.iter().any(|one| one == name);
    schema["const"] == name
        || schema["enum"].as_array().is_some_and(is_among)
        || schema["properties"].get(name).is_some()
}

/// The crate that the derive is of, in the version that this crate has.
pub use schemars;

#[cfg(test)]
mod tests;
