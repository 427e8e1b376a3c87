//! A conversation as a picture: a row for each turn, with the caller's sound, the assistant's, the state of turn-taking
//! and what was decided, over the time in seconds.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;

use rejoinder_models::units::{Position, Samples};

use super::line::Record;
use super::scenario::Kind;
use crate::event::{Event, EventKind};
use crate::timeline::{Timeline, Timelines};
use crate::turn::{State, Verdict};

/// Pixels of a second, of the left margin and of a row.
const SECOND: f64 = 90.0;
const LEFT: f64 = 70.0;
const ROW: f64 = 116.0;
/// Names of decisions that stand below each other.
const LEVELS: u8 = 5;
const TOP: f64 = 44.0;
/// A row shows this much of what was before its turn and after its last event, and at most this much in all.
const BEFORE: Samples = Samples(8_000);
const AFTER: Samples = Samples(4_000);
const LONGEST: Samples = Samples(14 * 16_000);
/// What of a text stands in a row.
const LETTERS: usize = 110;

const STYLE: &str = "text{font:11px sans-serif;fill:#333}.title{font-weight:bold}.small{font-size:9px}\
    .say{fill:#2a7f3f}.sound{fill:#c98a1b}.reply{fill:#2b62b8}.detected{fill:#9ccbaa}\
    .asleep{fill:#e3e3e8}.listening{fill:#f0f6f1}.hearing{fill:#c8e6cf}.pausing{fill:#dcecc0}\
    .thinking{fill:#f6e7b4}.speaking{fill:#cfdff5}.interrupted{fill:#f3c6c0}\
    .end{stroke:#b08900}.cut{stroke:#c0392b}.word{stroke:#888}.guess{stroke:#7b5ea7}.grid{stroke:#eee}";

/// The picture of a conversation, as SVG.
pub fn draw(record: &Record) -> String {
    let lines: Timelines = record.events.iter().collect();
    let turns = lines.turns();
    let states = states(record);
    let windows = windows(turns, record);
    let (width, height) = (LEFT + LONGEST.0 as f64 / 16_000.0 * SECOND + 20.0, TOP + ROW * turns.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    legend(&mut svg);
    // What was decided of a turn stands in its own row; what is of none, where it is first seen.
    let row_of = |event: &Event| {
        let own = turns.iter().position(|turn| turn.turn == event.turn);
        let seen = |row: &usize| windows[*row].contains(&event.at);
        own.filter(seen).or_else(|| (0..turns.len()).find(seen))
    };
    let rows: Vec<Option<usize>> = record.events.iter().map(row_of).collect();
    for (i, turn) in turns.iter().enumerate() {
        let mut row = Row { svg: &mut svg, window: windows[i].clone(), top: TOP + ROW * i as f64 };
        row.frame(turn);
        row.lanes(record, &states);
        row.decisions(record.events.iter().zip(&rows).filter(|(_, row)| **row == Some(i)).map(|(event, _)| event));
    }
    svg.push_str("</svg>\n");
    svg
}

/// What of the time each row shows: up to the next turn, and so much longer that all of its own turn is in it.
fn windows(turns: &[Timeline], record: &Record) -> Vec<Range<Position>> {
    let before = |at: Position| Position(at.0.saturating_sub(BEFORE.0));
    let starts: Vec<Position> = turns.iter().map(|turn| before(start_of(turn, record))).collect();
    let window = |(i, turn): (usize, &Timeline)| {
        let (from, next) = (starts[i], starts.get(i + 1).copied().unwrap_or(record.length));
        let last = record.events.iter().rev().find(|event| event.turn == turn.turn).map_or(from, |event| event.at);
        from..next.max(last + AFTER).max(from + Samples(16_000)).min(from + LONGEST)
    };
    turns.iter().enumerate().map(window).collect()
}

fn start_of(turn: &Timeline, record: &Record) -> Position {
    // A turn of the assistant's own has neither.
    let own = turn.first_token.or(turn.first_audio);
    turn.speech_start.or(turn.endpoint).or(own).unwrap_or(record.length)
}

/// The states of turn-taking and when each was.
fn states(record: &Record) -> Vec<(State, Range<Position>)> {
    let mut states = vec![(State::Listening, Position(0)..record.length)];
    for event in &record.events {
        if let EventKind::State { state } = event.kind {
            if let Some((_, span)) = states.last_mut() {
                span.end = event.at;
            }
            states.push((state, event.at..record.length));
        }
    }
    states
}

fn legend(svg: &mut String) {
    let entries = [
        ("say", "caller"),
        ("detected", "detected"),
        ("sound", "cough, sign of attention"),
        ("reply", "assistant"),
        ("listening", "listening"),
        ("hearing", "hearing"),
        ("pausing", "pausing"),
        ("thinking", "thinking"),
        ("speaking", "speaking"),
        ("interrupted", "interrupted"),
    ];
    let mut x = LEFT;
    for (class, name) in entries {
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.0}\" y=\"14\" width=\"12\" height=\"12\"/><text x=\"{:.0}\" y=\"24\">{name}</text>",
            x + 16.0
        );
        x += 40.0 + 7.0 * name.len() as f64;
    }
}

struct Row<'a> {
    svg: &'a mut String,
    window: Range<Position>,
    top: f64,
}

impl Row<'_> {
    fn x(&self, at: Position) -> f64 {
        LEFT + (at.clamp(self.window.start, self.window.end).ms() - self.window.start.ms()) / 1e3 * SECOND
    }

    fn frame(&mut self, turn: &Timeline) {
        let (top, first) = (self.top, self.window.start.ms() / 1e3);
        let title = format!("turn {}: {} → {}", turn.turn, quoted(&turn.text), quoted(&turn.reply));
        let _ = writeln!(self.svg, "<text class=\"title\" x=\"{LEFT}\" y=\"{:.0}\">{title}</text>", top + 10.0);
        for (lane, name) in ["caller", "assistant", "state"].iter().enumerate() {
            let y = top + 30.0 + 20.0 * lane as f64;
            let _ = writeln!(self.svg, "<text x=\"4\" y=\"{y:.0}\">{name}</text>");
        }
        for second in first.ceil() as u64..=(self.window.end.ms() / 1e3) as u64 {
            let x = self.x(Position(second * 16_000));
            let (low, high) = (top + 16.0, top + 78.0);
            let _ = writeln!(
                self.svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low:.0}\" y2=\"{high:.0}\"/>\
                 <text class=\"small\" x=\"{x:.1}\" y=\"{:.0}\">{second}</text>",
                high + 9.0
            );
        }
    }

    fn bar(&mut self, class: &str, span: &Range<Position>, y: f64, height: f64, hint: &str) {
        if span.end <= self.window.start || span.start >= self.window.end {
            return;
        }
        let (from, until) = (self.x(span.start), self.x(span.end));
        let (y, width) = (self.top + y, (until - from).max(0.5));
        let _ = writeln!(
            self.svg,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            escaped(hint)
        );
    }

    fn lanes(&mut self, record: &Record, states: &[(State, Range<Position>)]) {
        for (state, span) in states {
            let class = match state {
                State::Asleep | State::Waking => "asleep",
                State::Listening => "listening",
                State::Hearing => "hearing",
                State::Pausing => "pausing",
                State::Thinking => "thinking",
                State::Speaking => "speaking",
                State::Interrupted => "interrupted",
            };
            self.bar(class, span, 60.0, 12.0, class);
        }
        for span in &record.audible {
            self.bar("reply", span, 40.0, 12.0, "assistant");
        }
        for said in &record.said {
            let sound = matches!(said.kind, Kind::Backchannel | Kind::Cough | Kind::ClearThroat);
            let class = if sound { "sound" } else { "say" };
            let hint = format!("{:?} {}: {}", said.kind, said.clip, said.text);
            for part in &said.sounding {
                self.bar(class, part, 20.0, 9.0, &hint);
            }
        }
        let mut since = None;
        for event in &record.events {
            match event.kind {
                EventKind::SpeechStarted { since: at } => since = Some(at),
                EventKind::SpeechStopped { since: at } => {
                    if let Some(from) = since.take() {
                        self.bar("detected", &(from..at), 30.0, 4.0, "detected");
                    }
                }
                _ => {}
            }
        }
    }

    fn decisions<'a>(&mut self, events: impl Iterator<Item = &'a Event>) {
        let (mut begun, mut level) = (BTreeSet::new(), 0);
        for event in events {
            let (class, name) = match &event.kind {
                EventKind::Endpoint { .. } => ("end", "end of turn"),
                EventKind::Final { .. } => ("word", "transcript"),
                EventKind::ReplyText { .. } if begun.insert(event.turn) => ("word", "first text"),
                EventKind::AudioStarted => ("word", "sound"),
                EventKind::SpeculationStarted { .. } => ("guess", "begun ahead"),
                EventKind::SpeculationKept => ("guess", "kept"),
                EventKind::SpeculationDropped { .. } => ("guess", "dropped"),
                EventKind::Ducked { .. } => ("cut", "held back"),
                EventKind::Judged { verdict: Verdict::Interruption } => ("cut", "judged an interruption"),
                EventKind::Judged { verdict: Verdict::Backchannel } => ("word", "judged a backchannel"),
                EventKind::Judged { verdict: Verdict::Noise } => ("word", "judged noise"),
                EventKind::Restored => ("word", "goes on"),
                EventKind::Interrupted => ("cut", "interrupted"),
                EventKind::NoReply => ("cut", "no reply"),
                EventKind::Failed { .. } => ("cut", "failed"),
                EventKind::Degraded { .. } => ("cut", "degraded"),
                EventKind::DeviceLost { .. } => ("cut", "device lost"),
                EventKind::Overrun { .. } => ("cut", "overrun"),
                _ => continue,
            };
            let (x, y) = (self.x(event.at), self.top);
            let _ = writeln!(
                self.svg,
                "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.0}\" y2=\"{:.0}\"><title>{name} {:.0} ms</title></line>\
                 <text class=\"small\" x=\"{:.1}\" y=\"{:.0}\">{name}</text>",
                y + 16.0,
                y + 78.0,
                event.at.ms(),
                x + 2.0,
                y + 88.0 + 6.0 * f64::from(level),
            );
            level = (level + 1) % LEVELS;
        }
    }
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(LETTERS).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("“{}{more}”", escaped(short.trim()))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
