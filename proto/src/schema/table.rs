//! A schema of messages as a table in Markdown.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::message_schema;

/// The messages that are an `M` as a table in Markdown: what to send, and what it is for, which is the doc comment of the
/// variant and of its fields. A second table has the types that they name.
///
/// ```
/// use aemp::schema::{message_table, schemars};
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[schemars(crate = "schemars")]
/// enum Lamp {
///     /// Sets the brightness.
///     Dim { percent: u8 },
///     Off,
/// }
/// assert_eq!(message_table::<Lamp>(), r#"| message | |
/// | --- | --- |
/// | `["Dim", {"percent": uint8}]` | Sets the brightness. |
/// | `["Off"]` | |
/// "#);
/// ```
pub fn message_table<M: JsonSchema + DeserializeOwned>() -> String {
    let schema = message_schema::<M>().to_value();
    let mut text = String::from("| message | |\n| --- | --- |\n");
    match schema["oneOf"].as_array() {
        Some(messages) => messages.iter().for_each(|message| row(&mut text, message)),
        None => row(&mut text, &schema),
    }
    if let Some(types) = schema["$defs"].as_object() {
        text.push_str("\n| type | | |\n| --- | --- | --- |\n");
        for (name, schema) in types {
            let name = code(name);
            let (shown, says) = (code(&shown(schema)), says(schema));
            let _ = writeln!(text, "| {name} | {shown} | {says}{}|", gap(&says));
        }
    }
    text
}

fn row(text: &mut String, message: &Value) {
    let (shown, says) = (code(&shown(message)), says(message));
    let _ = writeln!(text, "| {shown} | {says}{}|", gap(&says));
}

fn gap(text: &str) -> &'static str {
    if text.is_empty() { "" } else { " " }
}

/// As code in a cell, where a vertical bar would end the cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// The description of a message or type, and those of its fields.
fn says(schema: &Value) -> String {
    let mut all = Vec::new();
    all.extend(schema["description"].as_str().map(String::from));
    fields(schema, &mut all);
    all.join(" ").replace('|', "\\|").replace('\n', " ")
}

/// Adds the descriptions of the fields of maps, and of the elements of arrays.
fn fields(schema: &Value, all: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(text) = field["description"].as_str() {
            all.push(format!("`{name}`: {text}"));
        }
    }
    for element in schema["prefixItems"].as_array().into_iter().flatten() {
        fields(element, all);
    }
}

/// A schema in short, as JSON with types instead of values.
fn shown(schema: &Value) -> String {
    let Some(schema) = schema.as_object() else {
        return String::from("anything");
    };
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let list = |key: &str| schema.get(key).and_then(Value::as_array);
    if let Some(answer) = schema.get("x-answer") {
        return format!("port ID for the answer {}", shown(answer));
    }
    if let Some(messages) = schema.get("x-messages") {
        return format!("port ID for {}", shown(messages));
    }
    if let Some(name) = text("x-name") {
        return name.into();
    }
    if let Some(name) = text("$ref") {
        return name.rsplit('/').next().unwrap_or(name).into();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = list("enum") {
        return either(values, Value::to_string);
    }
    if let Some(schemas) = list("oneOf").or_else(|| list("anyOf")) {
        return either(schemas, shown);
    }
    match schema.get("type") {
        Some(Value::Array(types)) => either(types, |one| typed(one, schema)),
        Some(one) => typed(one, schema),
        None => String::from("anything"),
    }
}

fn either<T>(all: &[T], shown: impl Fn(&T) -> String) -> String {
    let all: Vec<String> = all.iter().map(shown).collect();
    all.join(" or ")
}

/// What a schema of this type shows.
fn typed(one: &Value, schema: &Map<String, Value>) -> String {
    let joined = |all: Vec<String>| all.join(", ");
    match one.as_str() {
        Some("array") => match (schema.get("prefixItems"), schema.get("items")) {
            (Some(Value::Array(items)), _) => {
                format!("[{}]", joined(items.iter().map(shown).collect()))
            }
            (_, Some(item)) => format!("[{}, ...]", shown(item)),
            _ if schema.get("maxItems") == Some(&0.into()) => String::from("[]"),
            _ => String::from("[...]"),
        },
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let required = schema.get("required").and_then(Value::as_array);
            let is_required =
                |name: &String| required.is_some_and(|all| all.iter().any(|one| one == name));
            let pairs = properties.into_iter().flatten().map(|(name, field)| {
                let optional = if is_required(name) { "" } else { "?" };
                format!("{}{optional}: {}", Value::from(name.as_str()), shown(field))
            });
            let rest = schema.get("additionalProperties");
            let rest = rest.filter(|rest| rest.is_object());
            let rest = rest.map(|rest| format!("text: {}", shown(rest)));
            format!("{{{}}}", joined(pairs.chain(rest).collect()))
        }
        // More exact than "integer" or "number".
        Some("integer" | "number") if schema.get("format").is_some_and(Value::is_string) => {
            schema["format"].as_str().unwrap_or_default().into()
        }
        Some(name) => name.into(),
        None => String::from("anything"),
    }
}
