//! `eval NODE EXPR`: has a Perl node evaluate an expression.

use aemp::Value;

use super::{Description, Step, Takes, node, show, text};
use crate::chain::Line;
use crate::failure::Failure;
use crate::network;

pub(super) const EVAL: Description = Description {
    name: "eval",
    arguments: "NODE EXPR",
    about: "Have an AnyEvent::MP node evaluate Perl, and print the values; nodes of aemp do not offer it",
    examples: &["eval perlnode '$AnyEvent::MP::VERSION'"],
    takes: Takes::Exactly(2),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (profile, to) = (line.profile.clone(), node(&arguments)?);
    let expression = text(&arguments, 1, "an expression")?.to_string();
    Ok(Some(Box::new(move |context| {
        let answer = context.in_network(profile.as_deref(), async |session| {
            Ok(network::eval(session, &to, &expression).await?)
        })?;
        show::print_elements(&answer, context.options.json)
    })))
}
