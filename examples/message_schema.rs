//! What a team in another language needs to know of a typed port: its messages as a table for the documentation, and as
//! JSON Schema for tools. Both come from the enum and its comments. Needs the feature `schema`.

use aemp::schema::schemars::JsonSchema;
use aemp::schema::{message_schema, message_table};
use aemp::{PortRef, ReplyTo};
use serde::{Deserialize, Serialize};

/// What the bank understands.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "aemp::schema::schemars")]
#[allow(dead_code, reason = "this program shows the messages, and sends none")]
enum Bank {
    /// Adds to the account.
    Deposit {
        /// In cents.
        amount: u64,
    },
    /// Answers with what is left, or why it is refused.
    Withdraw(u64, ReplyTo<Result<u64, String>>),
    Total(ReplyTo<u64>),
    /// Says each payment to that port.
    Watch(PortRef<Payment>),
}

/// A payment in or out.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(crate = "aemp::schema::schemars")]
#[allow(dead_code, reason = "as above")]
struct Payment {
    amount: i64,
    /// Seconds since 1970.
    time: u64,
}

fn main() {
    let table = message_table::<Bank>();
    println!("{table}");
    let schema = message_schema::<Bank>().to_value();
    println!("{schema:#}");

    let deposit =
        r#"| `["Deposit", {"amount": uint64}]` | Adds to the account. `amount`: In cents. |"#;
    assert!(table.contains(deposit));
    let answer = r#"port ID for the answer ["Ok", uint64] or ["Err", string]"#;
    assert!(table.contains(answer));
    assert_eq!(schema["oneOf"][2]["prefixItems"][0]["const"], "Total");
}
