//! What the directory costs as a network grows: messages and bytes, of all nodes together, for a node that joins, for an
//! update, and for one who watches. They are counted, so the table is the same on every machine.

use std::time::Duration;

use crate::formation::{Formation, Shape};

const UPDATES: u64 = 20;

/// Longer than changes are held back.
const APART: Duration = Duration::from_millis(400);

#[derive(Debug, Clone, Copy)]
struct Cost {
    messages: f64,
    bytes: f64,
}

fn shape(nodes: usize, globals: usize) -> Shape {
    Shape {
        nodes,
        globals,
        entries: 0,
        steps: 0,
        watches: false,
        // So that nobody asks for signs of life meanwhile.
        monitor_timeout: Duration::from_secs(3600),
    }
}

/// The cost for one of `count`, of what was sent since `before`.
fn each(formation: &Formation, before: (u64, u64), count: u64) -> Cost {
    let (messages, bytes) = formation.sent();
    Cost {
        messages: (messages - before.0) as f64 / count as f64,
        bytes: (bytes - before.1) as f64 / count as f64,
    }
}

/// Of a network of so many nodes: a join, an update, and what a watcher costs at one.
fn measure(nodes: usize, globals: usize) -> [Cost; 3] {
    crate::simulated().block_on(async {
        let mut formation = Formation::new(1, shape(nodes, globals));
        formation.network.heal();
        for at in 0..globals {
            formation.begin(at).await;
        }
        tokio::time::sleep(10 * APART).await;
        let before = formation.sent();
        for at in globals..nodes {
            formation.begin(at).await;
        }
        tokio::time::sleep(10 * APART).await;
        let join = each(&formation, before, (nodes - globals) as u64);

        let writer = formation.node(nodes - 1).directory();
        let update = async |formation: &Formation| {
            let before = formation.sent();
            for n in 0..UPDATES {
                writer
                    .set("f", format!("key{}", n % 4), n)
                    .expect("it is fine");
                tokio::time::sleep(APART).await;
            }
            each(formation, before, UPDATES)
        };
        let unseen = update(&formation).await;
        let watchers = (nodes - globals) / 2;
        let watches: Vec<_> = (globals..globals + watchers)
            .map(|at| formation.node(at).directory().watch("f").expect("a family"))
            .collect();
        tokio::time::sleep(APART).await;
        let seen = update(&formation).await;
        drop(watches);
        formation.end().await;
        let watcher = Cost {
            messages: (seen.messages - unseen.messages) / watchers as f64,
            bytes: (seen.bytes - unseen.bytes) / watchers as f64,
        };
        [join, unseen, watcher]
    })
}

#[test]
fn costs_grow_no_faster_than_they_must() {
    let sizes: &[usize] = match cfg!(debug_assertions) {
        true => &[10, 30],
        false => &[10, 30, 100, 300, 1000],
    };
    println!(
        "| nodes | global | a join: messages | bytes | an update: messages | bytes | each watcher: messages | bytes |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for globals in [1, 3] {
        let rows: Vec<_> = sizes
            .iter()
            .map(|nodes| (*nodes, measure(*nodes, globals)))
            .collect();
        for (nodes, costs) in &rows {
            let costs = costs.map(|cost| format!("{:.1} | {:.0}", cost.messages, cost.bytes));
            println!("| {nodes} | {globals} | {} |", costs.join(" | "));
        }
        let (_, small) = rows[0];
        for (nodes, costs) in &rows {
            for (what, (cost, small)) in ["join", "update", "watcher"]
                .iter()
                .zip(costs.iter().zip(small))
            {
                // Names are longer, and that is all.
                assert!(
                    cost.messages <= small.messages + 0.5,
                    "{what}, {nodes} nodes: {cost:?}, {small:?}"
                );
                assert!(
                    cost.bytes <= 1.2 * small.bytes + 10.0,
                    "{what}, {nodes} nodes: {cost:?}, {small:?}"
                );
            }
        }
    }
}
