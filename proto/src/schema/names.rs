//! The schemas of this crate's own types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{NodeId, PortId, PortName, Reason, Text, Value};

macro_rules! schemas {
    ($($type:ident $name:literal: $schema:tt,)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schemas! {
    Text "Text": { "type": "string" },
    NodeId "NodeId": { "type": "string", "x-name": "node ID" },
    PortName "PortName": { "type": "string", "x-name": "name of a port on its node" },
    PortId "PortId": { "type": "string", "x-name": "port ID", "pattern": "^[^#]+(#.*)?$" },
    Reason "Reason": { "type": "array", "x-name": "reason" },
    Value "Value": {},
}
