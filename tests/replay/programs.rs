//! What ran on the recorded nodes, as programs of ours: the Perl scripts' ports, and ports that only show what
//! reaches them.

use std::collections::BTreeSet;

use aemp::Values;
use aemp::{Context, LocalNode, Message, PortId, Reason, Value, reason, routes};
use tokio::sync::mpsc::UnboundedSender;

use crate::values::sorted;

/// The service of that name.
pub(crate) const ECHO: &str = "aemp::echo";

/// What our node has told its program.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// A message has arrived at a port.
    Message(String, Vec<Value>),
    /// A monitor has fired.
    Gone(String, Vec<Value>),
}

/// A port called `name` that shows what reaches it.
pub(crate) fn show(node: &LocalNode, name: &str, news: UnboundedSender<News>) {
    let port = String::from(name);
    let receive = move |_: &mut Context<'_>, message: Message| {
        let values = message.into_values().unwrap().into_iter().map(sorted);
        // The replay may be over.
        let _ = news.send(News::Message(port.clone(), values.collect()));
    };
    node.port_named(name, receive).expect("a new name");
}

/// The ports of `scripts`. Gives the names of those that show what reaches them.
pub(crate) fn run(
    node: &LocalNode,
    scripts: &[String],
    secure: bool,
    news: &UnboundedSender<News>,
) -> BTreeSet<String> {
    let mut shown = BTreeSet::new();
    if scripts.iter().any(|script| script == "b_basic.pl") {
        for name in ["sink", "victim"] {
            show(node, name, news.clone());
            shown.insert(name.into());
        }
        basic(node, news);
        if !secure {
            offers(node);
        }
        shown.insert("tagged".into());
    }
    if scripts.iter().any(|script| script == ECHO) {
        echo(node);
    }
    if scripts.iter().any(|script| script == "w10.pl") {
        worker(node);
    }
    shown
}

/// Sends back what it gets, but for the port ID at the end, where to.
fn echo(node: &LocalNode) {
    node.port_named("echo", |cx: &mut Context<'_>, message: Message| {
        let mut values = message.into_values()?.into_vec();
        let reply: PortId = values
            .pop()
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .parse()?;
        cx.send(&reply, values.into_iter().collect::<Message>());
        Ok::<_, Reason>(())
    })
    .unwrap();
}

/// `b_basic.pl`.
fn basic(node: &LocalNode, news: &UnboundedSender<News>) {
    echo(node);
    let news = news.clone();
    let tagged = routes().on("foo", move |_, (a, b): (i64, i64)| {
        let values = vec!["foo".into(), a.into(), b.into()];
        let _ = news.send(News::Message("tagged".into(), values));
    });
    node.port_of_named("tagged", tagged).unwrap();
    node.port_named("victim2", |_: &mut Context<'_>, _: Message| {
        Err::<(), _>(Reason::die("oops from victim2"))
    })
    .unwrap();
}

/// The functions of `b_basic.pl`, which `secure` shuts off.
fn offers(node: &LocalNode) {
    node.offer("Svc::init", |_, arguments: Values| {
        let hello = arguments[0].as_str().and_then(|text| text.parse().ok());
        let answer = routes()
            .on("ping", |cx, (reply,): (PortId,)| {
                cx.send(&reply, ("pong", cx.id()));
            })
            .on("stop", |_, ()| {
                Err::<(), _>(reason!["svc_stopped", "on request", 42])
            });
        answer.otherwise(|_, _| ()).on_start(move |cx| {
            if let Some(to) = hello {
                let to: PortId = to;
                cx.send(&to, ("hello from svc", cx.id()));
            }
        })
    });
    node.offer("Svc::failinit", |_, _: Values| -> aemp::Routes {
        panic!("this one always fails")
    });
    node.offer_function("main::lg", |_, _: Values| ());
}

/// `w10.pl`.
fn worker(node: &LocalNode) {
    let name = node.id().to_string();
    let job = routes().on("job", move |cx, (n, reply): (i64, PortId)| {
        cx.send(&reply, (format!("done by {name}"), "job", n));
    });
    node.port_of_named("worker1", job).unwrap();
}
