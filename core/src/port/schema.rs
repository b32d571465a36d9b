//! The schemas of `PortRef` and `ReplyTo`.

use std::borrow::Cow;

use aemp_proto::schema::inner_message_schema;
use aemp_proto::schema::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;

use super::{PortRef, ReplyTo};

impl<M: JsonSchema + DeserializeOwned> JsonSchema for PortRef<M> {
    fn schema_name() -> Cow<'static, str> {
        format!("PortRef_of_{}", M::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-messages": inner_message_schema::<M>(generator) })
    }
}

impl<R: JsonSchema + DeserializeOwned> JsonSchema for ReplyTo<R> {
    fn schema_name() -> Cow<'static, str> {
        format!("ReplyTo_of_{}", R::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-answer": inner_message_schema::<R>(generator) })
    }
}

#[cfg(test)]
mod tests {
    use aemp_proto::schema::{message_schema, message_table, schemars};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    enum Talk {
        Next(ReplyTo<Self>),
        Watch { by: PortRef<Self> },
        Ask(ReplyTo<Result<u8, Trouble>>),
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Trouble {
        code: u8,
    }

    #[test]
    fn a_type_that_answers_with_itself_has_a_schema() {
        let schema = message_schema::<Talk>().to_value();
        let types = schema["$defs"].as_object().unwrap();
        assert_eq!(types.keys().collect::<Vec<_>>(), ["Trouble"]);
        let table = message_table::<Talk>();
        let answer = r#"| `["Ask", port ID for the answer ["Ok", uint8] or ["Err", Trouble]]` | |"#;
        assert!(table.contains(answer), "{table}");
        let next = r#"| `["Next", port ID for the answer message Talk]` | |"#;
        assert!(table.contains(next), "{table}");
    }
}
