//! `eval`: an expression of Perl on a Perl node.

use aemp::{NodeId, Value};

use super::{Failure, Session, cal, node_port};

/// Has `node` evaluate an expression, and gives the values. A node of ours evaluates nothing and says so.
pub(crate) async fn eval(
    session: &Session,
    node: &NodeId,
    expression: &str,
) -> Result<Vec<Value>, Failure> {
    let request = vec![Value::from("eval"), Value::from(expression)];
    let mut answer = cal(session, &node_port(node), request).await?;
    // The first is the error, empty if there is none (protocol.md section 5).
    let error = match answer.is_empty() {
        true => Value::Null,
        false => answer.remove(0),
    };
    match error.as_str() {
        None | Some("") => Ok(answer),
        Some(text) => Err(Failure::answer(node, text)),
    }
}
