//! `eval NODE EXPR`: has a Perl node evaluate an expression.

use aemp::Value;

use super::{Description, Step, Takes, in_network};
use crate::arguments::{node, text};
use crate::failure::Failure;
use crate::line::Line;
use crate::network::{self, Session};
use crate::show;

pub(super) const EVAL: Description = Description {
    name: "eval",
    arguments: "NODE EXPR",
    about: "Have an AnyEvent::MP node evaluate Perl, and print the values; nodes of aemp do not offer it",
    examples: &["eval perlnode '$AnyEvent::MP::VERSION'"],
    takes: Takes::Exactly(2),
    prepare,
};

fn prepare(line: &mut Line<'_>, arguments: Vec<Value>) -> Result<Option<Step>, Failure> {
    let (to, expression) = (node(&arguments)?, text(&arguments, 1, "an expression")?);
    let work = async move |session: &Session| network::eval(session, &to, &expression).await;
    in_network(line, work, |context, answer| {
        show::print_elements(&answer, context.options.json)
    })
}
