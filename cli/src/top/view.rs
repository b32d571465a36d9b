//! Draws what `top` shows. Everything fits 80 columns; names are cut where they must be.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use aemp::Value;

use super::model::{LinkRow, Model, Sort, View};

/// The smallest terminal that shows something of use.
const SMALLEST: (u16, u16) = (40, 8);

const KEYS: &str =
    "q quit  Tab view  \u{2191}\u{2193} select  Enter look at  Backspace back  s sort  p pause";

/// The same for narrow terminals.
const SHORT_KEYS: &str = "q quit Tab \u{2191}\u{2193} Enter Backspace s p";

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    let (width, height) = SMALLEST;
    if area.width < width || area.height < height {
        let text = format!(
            "too small: {}x{}; {width}x{height} needed, q quits",
            area.width, area.height
        );
        return frame.render_widget(Paragraph::new(text).wrap(Default::default()), area);
    }
    let parts = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ];
    let [head, tabs, list, keys] = Layout::vertical(parts).areas(area);
    frame.render_widget(headline(model), head);
    frame.render_widget(views(model), tabs);
    let table = match model.view {
        View::Links => links(model, list),
        View::Nodes => nodes(model, list),
        View::Families => families(model, list),
    };
    frame.render_widget(table, list);
    let shown = match area.width < 80 {
        true => SHORT_KEYS,
        false => KEYS,
    };
    frame.render_widget(Line::styled(shown, Modifier::DIM), keys);
}

/// The node, and how it does.
fn headline(model: &Model) -> Line<'_> {
    let name = Span::styled(model.node().as_str(), Modifier::BOLD);
    let rest = match (&model.trouble, &model.stats) {
        (Some(trouble), _) => {
            let red = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
            return Line::from(vec![
                name,
                Span::styled(format!("  NO ANSWER: {trouble}"), red),
            ]);
        }
        (None, None) => "  asking ...".into(),
        (None, Some(stats)) => {
            let role = match &stats.role {
                Value::Text(role) => role.to_string(),
                Value::Array(role) => {
                    let words = role.iter().filter_map(Value::as_str);
                    words.collect::<Vec<_>>().join(" of ")
                }
                _ => String::from("?"),
            };
            let waits = stats.shards.iter().map(|shard| shard.queued).sum::<u64>();
            let done = model.done.map_or_else(|| "-".into(), short);
            let paused = if model.paused { "  PAUSED" } else { "" };
            let links = match stats.links.len() {
                1 => String::from("1 link"),
                links => format!("{links} links"),
            };
            format!("  {role}  {links}  ports: {done} done/s, {waits} wait{paused}")
        }
    };
    Line::from(vec![name, Span::raw(rest)])
}

fn views(model: &Model) -> Line<'static> {
    let tab = |view: View| {
        let style = match view == model.view {
            true => Modifier::REVERSED,
            false => Modifier::empty(),
        };
        [
            Span::styled(format!(" {} ", view.name()), style),
            Span::raw(" "),
        ]
    };
    View::ALL.into_iter().flat_map(tab).collect()
}

/// The rows of a list that are in sight around the selected one: nothing is built for the others.
fn in_sight(model: &Model, area: Rect) -> std::ops::Range<usize> {
    let height = usize::from(area.height.saturating_sub(1)).max(1);
    let first = model.selected() / height * height;
    first..(first + height).min(model.rows())
}

fn table<'a>(
    model: &Model,
    area: Rect,
    header: Row<'a>,
    rows: impl Iterator<Item = Row<'a>>,
    widths: impl IntoIterator<Item = Constraint>,
) -> Table<'a> {
    let first = in_sight(model, area).start;
    let selected = model.selected();
    let rows = rows
        .enumerate()
        .map(|(at, row)| match first + at == selected {
            true => row.style(Modifier::REVERSED),
            false => row,
        });
    Table::new(rows, widths).header(header.style(Modifier::BOLD))
}

/// A column of links: its name, what sorts by it, its width, and how narrow a terminal may be for it to be shown.
struct Column(&'static str, Option<Sort>, u16, u16, fn(&LinkRow) -> String);

const COLUMNS: [Column; 9] = [
    Column("OUT", None, 4, 0, |row| row.sends.clone()),
    Column("IN", None, 4, 0, |row| row.receives.clone()),
    Column("MSG/S\u{2192}", Some(Sort::Sent), 7, 0, |row| {
        rate(row.sent, 0)
    }),
    Column("\u{2190}MSG/S", Some(Sort::Received), 7, 0, |row| {
        rate(row.received, 0)
    }),
    Column("B/S\u{2192}", None, 7, 72, |row| rate(row.sent, 1)),
    Column("\u{2190}B/S", None, 7, 72, |row| rate(row.received, 1)),
    Column("QUEUE", Some(Sort::Queued), 7, 50, |row| {
        short(row.queued as f64)
    }),
    Column("RTT", Some(Sort::RoundTrip), 7, 58, |row| {
        row.round_trip.map_or_else(|| "-".into(), time)
    }),
    Column("MON", None, 5, 78, |row| short(row.monitors as f64)),
];

fn links<'a>(model: &'a Model, area: Rect) -> Table<'a> {
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .filter(|Column(_, _, _, least, _)| area.width >= *least)
        .collect();
    let names = columns.iter().map(|Column(name, sort, ..)| (*name, *sort));
    let header = [("PEER", Some(Sort::Peer))].into_iter().chain(names);
    let header = header.enumerate().map(|(at, (name, sort))| {
        let style = match sort == Some(model.sort) {
            true => Modifier::UNDERLINED,
            false => Modifier::empty(),
        };
        cell(Span::styled(name, style), at > CODECS)
    });
    let rows = model.links[in_sight(model, area)].iter().map(|row| {
        let texts = columns.iter().map(|Column(.., text)| text(row));
        let texts = [row.peer.clone()].into_iter().chain(texts).enumerate();
        texts
            .map(|(at, text)| cell(Span::raw(text), at > CODECS))
            .collect()
    });
    let widths = columns
        .iter()
        .map(|Column(_, _, width, ..)| Constraint::Length(*width));
    let widths: Vec<_> = [Constraint::Fill(1)].into_iter().chain(widths).collect();
    table(model, area, header.collect(), rows, widths)
}

/// The last column of text; numbers are behind it.
const CODECS: usize = 2;

fn rate(rate: Option<[f64; 2]>, at: usize) -> String {
    rate.map_or_else(|| "-".into(), |rate| short(rate[at]))
}

fn nodes<'a>(model: &'a Model, area: Rect) -> Table<'a> {
    let linked = |node: &str| {
        let mut links = model.links.iter();
        let link = links.find(|link| link.peer == *node)?;
        Some(format!("{}/{}", link.sends, link.receives))
    };
    let sight = in_sight(model, area);
    let rows = model.nodes.iter().skip(sight.start).take(sight.len());
    let rows = rows.map(move |(node, row)| {
        let kind = if row.is_global { "global" } else { "" };
        let link = match node == model.node().as_str() {
            true => String::from("(this)"),
            false => linked(node).unwrap_or_default(),
        };
        Row::new([
            Cell::from(&**node),
            Cell::from(kind),
            Cell::from(link),
            Cell::from(&*row.addresses),
        ])
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(7),
        Constraint::Length(10),
        Constraint::Fill(1),
    ];
    let header = Row::new(["NODE", "KIND", "LINK", "LISTENS AT"]);
    table(model, area, header, rows, widths)
}

fn families<'a>(model: &'a Model, area: Rect) -> Table<'a> {
    let sight = in_sight(model, area);
    let families = model.stats.iter().flat_map(|stats| &stats.families);
    let rows = families.skip(sight.start).take(sight.len());
    let rows = rows.map(|(family, keys)| {
        Row::new([
            cell(Span::raw(&**family), false),
            cell(Span::raw(keys.to_string()), true),
        ])
    });
    let widths = [Constraint::Fill(1), Constraint::Length(12)];
    let header = Row::new([
        cell(Span::raw("FAMILY"), false),
        cell(Span::raw("KEYS"), true),
    ]);
    table(model, area, header, rows, widths)
}

fn cell(span: Span<'_>, right: bool) -> Cell<'_> {
    let line = Line::from(span);
    Cell::from(if right { line.right_aligned() } else { line })
}

/// A number in at most six characters.
fn short(number: f64) -> String {
    let mut rest = number;
    for unit in ["", "k", "M", "G", "T"] {
        if rest < 999.5 {
            return match unit {
                // A rate below one is not nothing.
                "" if rest > 0.0 && rest < 9.95 && rest.fract() != 0.0 => format!("{rest:.1}"),
                "" => format!("{rest:.0}"),
                _ if rest < 99.95 => format!("{rest:.1}{unit}"),
                _ => format!("{rest:.0}{unit}"),
            };
        }
        rest /= 1000.0;
    }
    String::from("much")
}

/// Seconds in at most six characters.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0}us", s * 1e6),
        s if s < 0.099_95 => format!("{:.1}ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0}ms", s * 1e3),
        s => format!("{s:.1}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::network::{Link, NodeStats, Shard};

    fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    fn model(links: usize) -> Model {
        let mut model = Model::new("seed".parse().unwrap());
        let now = Instant::now();
        for n in 0..2 {
            let links = (0..links).map(|at| Link {
                peer: format!("worker/{at:04}"),
                sends: "cbor".into(),
                receives: "json".into(),
                sent: [n * 1234, n * 2_500_000],
                received: [n, 0],
                queued: 17,
                round_trip: Some(0.000_42),
                monitors: 3,
                ..Link::default()
            });
            let stats = NodeStats {
                role: "global".into(),
                links: links.collect(),
                shards: vec![Shard {
                    done: n * 50,
                    queued: 2,
                }],
                families: [("workers".into(), 12)].into(),
            };
            let now = now + Duration::from_secs(n);
            model.answered(&"seed".parse().unwrap(), Ok(stats), now);
        }
        model
    }

    #[test]
    fn eighty_columns_hold_a_link() {
        let screen = screen(&model(1), 80, 10);
        assert_eq!(screen[0], "seed  global  1 link  ports: 50 done/s, 2 wait");
        assert_eq!(screen[1], " Links   Nodes   Families");
        #[rustfmt::skip]
        let rows = [
            "PEER             OUT  IN    MSG/S\u{2192}  \u{2190}MSG/S    B/S\u{2192}    \u{2190}B/S   QUEUE     RTT   MON",
            "worker/0000      cbor json    1.2k       1    2.5M       0      17   420us     3",
        ];
        assert_eq!(screen[2..4], rows);
        assert!(screen[9].starts_with("q quit") && screen[9].ends_with("p pause"));
    }

    #[test]
    fn a_narrow_terminal_leaves_columns_out_and_keeps_the_peer() {
        for width in [40, 50, 60, 72, 78] {
            let screen = screen(&model(1), width, 8);
            assert!(screen[2].starts_with("PEER "), "{screen:?}");
            assert!(screen[3].starts_with("worker/0000"), "{screen:?}");
            assert!(screen[3].contains(" 1.2k "), "{screen:?}");
        }
    }

    #[test]
    fn only_what_is_in_sight_is_drawn_around_the_selected_row() {
        let mut model = model(1000);
        model.press(super::super::model::Key::Last);
        let screen = screen(&model, 80, 13);
        assert!(screen.iter().any(|row| row.starts_with("worker/0999")));
        assert!(!screen.iter().any(|row| row.starts_with("worker/0000")));
    }

    #[test]
    fn a_terminal_that_is_too_small_is_told_so() {
        assert!(
            screen(&model(1), 30, 5)
                .join(" ")
                .contains("too small: 30x5")
        );
    }

    #[test]
    fn numbers_and_times_are_short() {
        let cases = [
            (0.0, "0"),
            (0.25, "0.2"),
            (9.0, "9"),
            (999.0, "999"),
            (999.6, "1.0k"),
            (123_456.0, "123k"),
            (99_960.0, "100k"),
            (2.5e6, "2.5M"),
            (3e12, "3.0T"),
            (1e18, "much"),
        ];
        for (number, text) in cases {
            assert_eq!(short(number), text, "{number}");
        }
        let times = [
            (0.000_05, "50us"),
            (0.001, "1.0ms"),
            (0.25, "250ms"),
            (1.0, "1.0s"),
            (12.34, "12.3s"),
        ];
        for (seconds, text) in times {
            assert_eq!(time(seconds), text, "{seconds}");
        }
    }
}
