//! The live view: asks a node once a second how it does, and draws it; keys choose.
//!
//! `model` is what is shown, `view` draws it. Here is what moves both.

mod model;
mod view;

use std::time::{Duration, Instant};

use aemp::{Map, NodeId, Value};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;
use crate::network::{self, NodeStats, Session};
use crate::progress;
use crate::{running, terminal::events};
use model::{Key, LinkRow, Model, View};

/// How often the node is asked.
const PERIOD: Duration = Duration::from_secs(1);

/// How far a page key goes.
const PAGE: usize = 10;

/// Shows how `node` does, until a key or a signal ends it.
pub(crate) async fn show(session: &Session, node: NodeId) -> Result<(), Failure> {
    let work = async {
        // Before the screen is taken: who mistypes a name is to read the error.
        let first = network::stats(session, &node).await?;
        let mut screen = Screen(ratatui::try_init()?);
        follow(session, node, first, &mut screen.0).await
    };
    running::until_told(work).await
}

/// The terminal, which is as it was before when this is dropped.
struct Screen(DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn follow(
    session: &Session,
    node: NodeId,
    first: NodeStats,
    terminal: &mut DefaultTerminal,
) -> Result<(), Failure> {
    let (looked, mut answers) = ask(session, node.clone());
    let mut keys = events();
    let directory = session.node.directory();
    let family = |name: &str| directory.watch(name).map_err(network::Failure::from);
    let (mut listens, mut globals) = (family("'l")?, family("'g")?);
    let mut model = Model::new(node.clone());
    model.answered(&node, Ok(first), Instant::now());
    loop {
        terminal.draw(|frame| view::draw(frame, &model))?;
        // What changes nothing in sight waits for the next that does.
        loop {
            tokio::select! {
                event = keys.recv() => match event.transpose()? {
                    Some(Event::Key(key)) if is_quit(&key) => return Ok(()),
                    Some(Event::Key(key)) => {
                        if let Some(key) = meaning(&key) && model.press(key) {
                            looked.send_replace(model.node().clone());
                        }
                        break;
                    }
                    Some(_) => break,
                    None => return Ok(()),
                },
                answer = answers.recv() => {
                    let Some((node, answer)) = answer else { return Ok(()) };
                    if model.answered(&node, answer, Instant::now()) {
                        break;
                    }
                }
                Some(change) = listens.recv() => model.changed(&change, false),
                Some(change) = globals.recv() => model.changed(&change, true),
            }
        }
    }
}

type Answer = (NodeId, Result<NodeStats, String>);

/// Asks the node that is looked at again and again, in a task that ends with the receiver.
fn ask(session: &Session, node: NodeId) -> (watch::Sender<NodeId>, mpsc::Receiver<Answer>) {
    let (looked, mut node) = watch::channel(node);
    let (answers, receiver) = mpsc::channel(1);
    let session = session.another();
    // Nothing else may draw on the screen.
    tokio::spawn(progress::quietly(async move {
        // The first answer was had before.
        let mut next = tokio::time::Instant::now() + PERIOD;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                changed = node.changed() => if changed.is_err() { return },
            }
            next = tokio::time::Instant::now() + PERIOD;
            let asked = node.borrow_and_update().clone();
            let answer = tokio::select! {
                answer = network::stats(&session, &asked) => answer,
                // Nobody wants to know any more.
                changed = node.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    node.mark_changed();
                    continue;
                }
            };
            let answer = answer.map_err(|failure| aemp::error::Report(&failure).to_string());
            if answers.send((asked, answer)).await.is_err() {
                return;
            }
        }
    }));
    (looked, receiver)
}

fn is_quit(key: &KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c' | 'd') => control,
        _ => false,
    }
}

fn meaning(key: &KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    Some(match key.code {
        KeyCode::Tab | KeyCode::Right => Key::NextView,
        KeyCode::Char('1') => Key::View(View::Links),
        KeyCode::Char('2') => Key::View(View::Nodes),
        KeyCode::Char('3') => Key::View(View::Families),
        KeyCode::Up | KeyCode::Char('k') => Key::Up(1),
        KeyCode::Down | KeyCode::Char('j') => Key::Down(1),
        KeyCode::PageUp => Key::Up(PAGE),
        KeyCode::PageDown => Key::Down(PAGE),
        KeyCode::Home => Key::First,
        KeyCode::End => Key::Last,
        KeyCode::Enter => Key::Enter,
        KeyCode::Backspace | KeyCode::Left => Key::Back,
        KeyCode::Char('s') => Key::Sort,
        KeyCode::Char('p') => Key::Pause,
        _ => return None,
    })
}

/// Tells how `node` does once a second, as one map: what the view shows, with rates from the second time on.
pub(crate) async fn tell(
    session: &Session,
    node: NodeId,
    mut tell: impl FnMut(Map) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let work = async {
        let mut model = Model::new(node.clone());
        let mut ticks = tokio::time::interval(PERIOD);
        loop {
            ticks.tick().await;
            let stats = network::stats(session, &node).await?;
            model.answered(&node, Ok(stats), Instant::now());
            tell(summary(&model))?;
        }
    };
    running::until_told(work).await
}

fn summary(model: &Model) -> Map {
    let mut map = vec![("node", Value::from(model.node()))];
    map.push((
        "links",
        model.links.iter().map(link).collect::<Vec<_>>().into(),
    ));
    map.push(("done", model.done.into()));
    if let Some(stats) = &model.stats {
        let families: Map = stats.families.clone().into_iter().collect();
        map.extend([("role", stats.role.clone()), ("families", families.into())]);
    }
    map.into_iter().collect()
}

fn link(row: &LinkRow) -> Value {
    let rate =
        |rate: Option<[f64; 2]>| rate.map(|rate| Value::from(rate.map(Value::from).to_vec()));
    let map: Map = [
        ("peer", Value::from(&*row.peer)),
        ("sends", (&*row.sends).into()),
        ("receives", (&*row.receives).into()),
        ("sent", rate(row.sent).into()),
        ("received", rate(row.received).into()),
        ("queued", row.queued.into()),
        ("round_trip", row.round_trip.into()),
        ("monitors", row.monitors.into()),
        ("tls", row.tls.clone()),
    ]
    .into_iter()
    .collect();
    map.into()
}
