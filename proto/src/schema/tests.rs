use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;
use crate::PortId;
use crate::value::to_values;

/// The messages of a shop.
#[derive(Serialize, Deserialize, JsonSchema)]
enum Shop {
    /// Buys | sells.
    Order {
        /// Of the customer.
        name: String,
        #[serde(default)]
        note: Option<String>,
    },
    Pair(u8, Vec<Item>),
    PairInOne((u8, bool)),
    Tell(PortId, BTreeMap<String, f64>),
    Kind(Kind),
    #[serde(rename = "close-it", alias = "end")]
    Close,
    Nothing(),
    /// Alone.
    Unit(()),
}

/// A thing.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Item {
    /// Grams.
    weight: u32,
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum Kind {
    Large,
    Small,
}

#[test]
fn the_table_has_what_to_send() {
    let expected = r#"| message | |
| --- | --- |
| `["Order", {"name": string, "note"?: string or null}]` | Buys \| sells. `name`: Of the customer. |
| `["Pair", uint8, [Item, ...]]` | |
| `["PairInOne", [uint8, boolean]]` | |
| `["Tell", port ID, {text: double}]` | |
| `["Kind", Kind]` | |
| `["close-it"]` | |
| `["Nothing"]` | |
| `["Unit", null]` | Alone. |

| type | | |
| --- | --- | --- |
| `Item` | `{"weight": uint32}` | A thing. `weight`: Grams. |
| `Kind` | `"Large" or "Small"` | |
"#;
    assert_eq!(message_table::<Shop>(), expected);
}

/// Whether `value` fits a schema, as far as these schemas go.
fn fits(schema: &Value, value: &Value, root: &Value) -> bool {
    let Some(schema) = schema.as_object() else {
        return true;
    };
    if let Some(at) = schema.get("$ref").and_then(Value::as_str) {
        let at = root.pointer(at.trim_start_matches('#')).unwrap();
        return fits(at, value, root);
    }
    let all = |key: &str| schema.get(key).and_then(Value::as_array);
    if let Some(one) = all("oneOf").or_else(|| all("anyOf")) {
        return one.iter().filter(|one| fits(one, value, root)).count() == 1;
    }
    let is_type = |name: &str| match name {
        "array" => value.is_array(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    };
    let types = match schema.get("type") {
        Some(Value::String(one)) => is_type(one),
        Some(Value::Array(some)) => some.iter().any(|one| is_type(one.as_str().unwrap())),
        _ => true,
    };
    let len = value.as_array().map_or(0, Vec::len) as u64;
    let items = all("prefixItems").into_iter().flatten().enumerate();
    let rest = schema.get("items");
    types
        && schema.get("const").is_none_or(|only| only == value)
        && all("enum").is_none_or(|some| some.contains(value))
        && schema
            .get("maxItems")
            .is_none_or(|most| len <= most.as_u64().unwrap())
        && schema
            .get("minItems")
            .is_none_or(|least| len >= least.as_u64().unwrap())
        && items
            .into_iter()
            .all(|(n, item)| fits(item, &value[n], root))
        && rest.is_none_or(|item| {
            let elements = value.as_array().into_iter().flatten();
            elements
                .into_iter()
                .all(|element| fits(item, element, root))
        })
        && schema.get("required").is_none_or(|names| {
            let names = names.as_array().unwrap().iter();
            names
                .into_iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some())
        })
}

#[test]
fn what_is_sent_fits_the_schema() {
    let schema = message_schema::<Shop>().to_value();
    assert_eq!(schema["description"], "The messages of a shop.");
    let item = || Item { weight: 1 };
    let port: PortId = "n#p".parse().unwrap();
    for shop in [
        Shop::Order {
            name: "x".into(),
            note: None,
        },
        Shop::Pair(1, vec![item(), item()]),
        Shop::PairInOne((1, true)),
        Shop::Tell(port, BTreeMap::from([("x".into(), 0.5)])),
        Shop::Kind(Kind::Small),
        Shop::Close,
        Shop::Nothing(),
        Shop::Unit(()),
    ] {
        let values = to_values(&shop).unwrap();
        let message = serde_json::to_value(&*values).unwrap();
        assert!(fits(&schema, &message, &schema), "{message} and {schema}");
    }
    for message in [
        json!(["Pair", 1]),
        json!(["Order"]),
        json!("close-it"),
        json!(["PairInOne", 1, true]),
    ] {
        assert!(!fits(&schema, &message, &schema), "{message}");
    }
}

#[test]
fn types_that_are_no_enums_are_one_element_or_one_for_each_field() {
    #[derive(Deserialize, JsonSchema)]
    struct New(#[allow(dead_code)] (u8, String));
    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "type")]
    enum Tagged {
        #[allow(dead_code)]
        A { n: u8 },
    }
    #[derive(Deserialize, JsonSchema)]
    struct Envelope(#[allow(dead_code)] Shop);
    assert_eq!(
        message_schema::<Envelope>().get("oneOf"),
        message_schema::<Shop>().get("oneOf")
    );
    #[derive(Deserialize, JsonSchema)]
    enum Units {
        #[serde(alias = "Old")]
        New,
    }
    let units = message_schema::<Units>().to_value();
    assert_eq!(units["oneOf"].as_array().unwrap().len(), 1);
    let first = |table: String| table.lines().nth(2).unwrap().to_owned();
    assert_eq!(
        first(message_table::<(u8, String)>()),
        "| `[uint8, string]` | |"
    );
    assert_eq!(first(message_table::<New>()), "| `[uint8, string]` | |");
    assert_eq!(first(message_table::<()>()), "| `[]` | |");
    assert_eq!(first(message_table::<Vec<u8>>()), "| `[[uint8, ...]]` | |");
    let tagged = first(message_table::<Tagged>());
    assert_eq!(tagged, r#"| `[{"n": uint8, "type": "A"}]` | |"#);
}
