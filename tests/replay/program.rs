//! The second half of a replay: what the recorded program did on its own account, done through our API, and what
//! our program gets to see.

use aemp::Values;
use aemp::{CallError, LocalNode, Message, PortId, Reason, Value};
use tokio::task::JoinHandle;

use crate::programs::News;
use crate::recording::What;
use crate::replay::{Calling, Replay, SOON};
use crate::rules::Rule;
use crate::values::{self, sorted};

/// The reason of a message `["", request, name, reason...]`.
fn reason(message: &[Value]) -> Reason {
    message.iter().skip(3).cloned().collect()
}

/// A call as Perl's `cal` with a time-out makes it: without a monitor.
fn unwatched(
    node: &LocalNode,
    to: &PortId,
    elements: Message,
) -> JoinHandle<Result<Values, CallError>> {
    let mut inbox = node.inbox();
    let mut message = elements;
    message.push(inbox.id()).unwrap();
    node.send(to, message);
    tokio::spawn(async move {
        let answer = inbox.recv().await.expect("the inbox lives");
        Ok(answer.into_values().unwrap())
    })
}

fn text(message: &[Value], at: usize) -> String {
    let value = message.get(at).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

impl Replay<'_> {
    /// Does what the recorded program did to send `message`, unit `at`. Nothing, if it is an answer.
    pub(crate) fn act(&mut self, number: u64, at: usize, message: &[Value]) {
        let (them, us) = (self.them(number), self.us(number));
        let port_of = |name: &str| -> PortId { format!("{them}#{name}").parse().unwrap() };
        let server = self.is_server();
        let recorded = message.last().and_then(Value::as_str);
        let reply = recorded
            .and_then(|text| text.strip_prefix(&format!("{us}#")))
            .map(str::to_owned);
        let message = self.actor(number).names.apply(message);
        let (port, request, name) = (text(&message, 0), text(&message, 1), text(&message, 2));
        let rest: Message = message[1..].iter().cloned().collect();
        if self.is_call(number, &message, reply.as_deref()) {
            return self.call(number, &message, reply.unwrap(), false);
        }
        if !port.is_empty() {
            if !server {
                self.actor(number).node.send(port_of(&port), rest);
            }
            return;
        }
        let key = (them.clone(), name.clone());
        let watched = self.actor(number).monitors.contains_key(&key);
        match &*request {
            "mon1" if !watched => match self.called_next(number, at, &name) {
                Some((next, message, reply)) => {
                    // A call without time-out sends both.
                    self.call(number, &message, reply, true);
                    self.done.insert(next);
                }
                None => {
                    let actor = self.actor(number);
                    let (tell, told) = (actor.tell.clone(), name.clone());
                    let monitor = actor.node.monitor(port_of(&name), move |why: Reason| {
                        let values = why.values().iter().cloned().map(sorted).collect();
                        // The replay may be over.
                        let _ = tell.send(News::Gone(told, values));
                    });
                    actor.monitors.insert(key, monitor);
                }
            },
            "mon0" => drop(self.actor(number).monitors.remove(&key)),
            "kil1" => self
                .actor(number)
                .node
                .kill(port_of(&name), reason(&message)),
            "kil0" if server => {}
            "kil0" => {
                let own: PortId = format!("{us}#{name}").parse().unwrap();
                self.actor(number).node.kill(&own, reason(&message));
            }
            "AnyEvent::MP::_spawn" => {
                let function = text(&message, 3);
                let arguments: Message = message[4..].iter().cloned().collect();
                let actor = self.actor(number);
                let port = actor.node.spawn(them, &function, arguments).unwrap();
                actor.names.add(&name, port.port().as_str());
                self.tally.apply(Rule::Names);
            }
            _ => self.actor(number).node.send(port_of(""), rest),
        }
    }

    /// Whether a message is a call whose answer goes to a port made for it.
    fn is_call(&self, number: u64, message: &[Value], reply: Option<&str>) -> bool {
        let Some(reply) = reply else { return false };
        let actor = &self.actors[&self.key(number)];
        if self.is_server() {
            return false;
        }
        let request = text(message, 1);
        let passes_ids = ["mon1", "mon0", "kil1", "snd", "AnyEvent::MP::_spawn"];
        let requests = message[0].as_str() == Some("") && passes_ids.contains(&&*request);
        self.side != "py" && !requests && !actor.shown.contains(reply)
    }

    /// Our side's next message on the same connection, if it calls the port `name`.
    fn called_next(
        &mut self,
        number: u64,
        at: usize,
        name: &str,
    ) -> Option<(usize, Vec<Value>, String)> {
        let us = format!("{}#", self.us(number));
        let framing = self.our_framing(number);
        for next in at + 1..self.session.events.len() {
            let event = &self.session.events[next];
            let (Some(true), What::Message(bytes)) =
                (event.connection.map(|n| n == number), &event.what)
            else {
                continue;
            };
            if event.from != self.side {
                return None;
            }
            let message = values::read(&framing, bytes);
            let reply = message.last()?.as_str()?.strip_prefix(&us)?.to_owned();
            let called = message[0].as_str() == Some(name);
            let shown = self.actor(number).shown.contains(&reply);
            let spawned = self.actor(number).names.contains(name);
            return (called && !shown && !spawned).then_some((next, message, reply));
        }
        None
    }

    /// Calls a port of the other side, with or without watching it.
    fn call(&mut self, number: u64, message: &[Value], reply: String, watches: bool) {
        let port = text(message, 0);
        let to: PortId = format!("{}#{port}", self.them(number)).parse().unwrap();
        let elements: Message = message[1..message.len() - 1].iter().cloned().collect();
        let actor = self.actor(number);
        let outcome = match watches {
            true => tokio::spawn(actor.node.call::<Values>(&to, elements).into_future()),
            false => unwatched(&actor.node, &to, elements),
        };
        let calling = Calling {
            to: port,
            watches,
            outcome,
        };
        actor.calls.insert(reply, calling);
    }

    /// Sees a message of the other side arrive, where our program can see it.
    pub(crate) async fn arrives(&mut self, number: u64, message: &[Value]) {
        let (port, request, name) = (text(message, 0), text(message, 1), text(message, 2));
        let them = self.them(number);
        if port.is_empty() && request == "eval" {
            let due = self.eval_answer(number, &message[1..]);
            self.link(number).evaluated.extend(due);
        }
        if port.is_empty() && request == "kil0" {
            let values = message[3..].to_vec();
            let ends = |calling: &Calling| calling.watches && calling.to == name;
            let calls = &self.actor(number).calls;
            let call = calls.iter().find(|(_, calling)| ends(calling));
            if let Some(reply) = call.map(|(reply, _)| reply.clone()) {
                let calling = self.actor(number).calls.remove(&reply).unwrap();
                match self.outcome(calling).await {
                    Err(CallError::Gone { reason, .. }) if reason.values().iter().eq(&values) => {}
                    other => self.fail(other, message),
                }
                self.tally.arrived += 1;
            }
            let recorded = Value::from(name.as_str());
            let ours = self.actor(number).names.apply(&[recorded]);
            let key = (them, text(&ours, 0));
            if self.actor(number).monitors.contains_key(&key) {
                let values = self.actor(number).names.apply(&values);
                self.news(number, News::Gone(key.1.clone(), values)).await;
                self.actor(number).monitors.remove(&key);
            }
            return;
        }
        if let Some(calling) = self.actor(number).calls.remove(&port) {
            let (to, watches) = (calling.to.clone(), calling.watches);
            match self.outcome(calling).await {
                Ok(values) if values.iter().cloned().map(sorted).eq(message[1..].to_vec()) => {}
                other => self.fail(other, message),
            }
            self.tally.arrived += 1;
            if watches {
                let end = ["", "mon0", &to].map(Value::from).into();
                self.link(number).call_ends.push(end);
            }
            return;
        }
        let tagged = port != "tagged" || request == "foo";
        if self.actor(number).shown.contains(&port) && tagged {
            let values = self.actor(number).names.apply(&message[1..]);
            self.news(number, News::Message(port, values)).await;
        }
    }

    async fn outcome(&self, calling: Calling) -> Result<Values, CallError> {
        let outcome = tokio::time::timeout(SOON, calling.outcome).await;
        outcome.expect("the call ends").unwrap()
    }

    /// Waits for `expected` at our program. Monitors that fired since a connection was lost are passed over.
    async fn news(&mut self, number: u64, expected: News) {
        loop {
            let next = tokio::time::timeout(SOON, self.actor(number).news.recv()).await;
            match next {
                Ok(Some(news)) if news == expected => break,
                Ok(Some(News::Gone(_, why)))
                    if why.first().and_then(Value::as_str) == Some("transport_error") => {}
                other => self.fail(other, &expected),
            }
        }
        self.tally.arrived += 1;
    }
}
