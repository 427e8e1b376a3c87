//! What makes a run fail.

use std::collections::BTreeMap;

use super::figures::{Figures, Rate};
use super::line::Record;
use super::scenario::Scenario;
use crate::event::EventKind;
use crate::message::TurnId;
use rejoinder_models::quantiles::Quantiles;

/// What was wrong with a run: what no run may do, and what the scenario expects.
pub fn complaints(scenario: &Scenario, record: &Record, figures: &Figures) -> Vec<String> {
    let mut complaints = broken(record);
    complaints.extend(missed(scenario, figures));
    complaints
}

#[derive(Default)]
struct Turn {
    ended: bool,
    answers: usize,
    over: bool,
    heard: Vec<String>,
    kept: Option<String>,
}

/// Failures, lost messages, turns that stay open or are answered twice, and histories that differ from what was heard.
fn broken(record: &Record) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut turns: BTreeMap<TurnId, Turn> = BTreeMap::new();
    for event in &record.events {
        let turn = turns.entry(event.turn).or_default();
        match &event.kind {
            EventKind::Endpoint { .. } => turn.ended = true,
            EventKind::AudioStarted => turn.answers += 1,
            EventKind::AudioFinished | EventKind::Interrupted | EventKind::NoReply => turn.over = true,
            EventKind::WordPlayed { text } => turn.heard.push(text.clone()),
            EventKind::Kept { text } => turn.kept = Some(text.clone()),
            EventKind::Failed { stage, reason } => {
                turn.over = true;
                complaints.push(format!("turn {}: {stage} failed: {reason}", event.turn));
            }
            EventKind::Degraded { stage, reason } => {
                complaints.push(format!("turn {}: {stage} failed, and went on: {reason}", event.turn));
            }
            EventKind::DeviceLost { device } => {
                turn.over = true;
                complaints.push(format!("turn {}: the {device} stood still", event.turn));
            }
            EventKind::Overrun { queue, lost } => complaints.push(format!("the {queue} queue lost {lost}")),
            _ => {}
        }
    }
    // The last words may have ended with the run.
    let last = turns.iter().rev().find(|(_, turn)| turn.ended).map(|(id, _)| *id);
    for (id, turn) in &turns {
        if turn.answers > 1 {
            complaints.push(format!("turn {id} was answered {} times", turn.answers));
        }
        if turn.ended && !turn.over && Some(*id) != last {
            complaints.push(format!("turn {id} was left open"));
        }
        let heard: Vec<&str> = turn.heard.iter().flat_map(|words| words.split_whitespace()).collect();
        if let Some(kept) = &turn.kept
            && !kept.split_whitespace().eq(heard.iter().copied())
        {
            complaints.push(format!("turn {id}: the history keeps {kept:?}, heard was {:?}", heard.join(" ")));
        }
    }
    complaints
}

fn missed(scenario: &Scenario, figures: &Figures) -> Vec<String> {
    let expect = &scenario.expect;
    let share = |name: &str, rate: Rate, limit: Option<f64>| {
        let limit = limit.filter(|limit| rate.of == 0 || rate.share() > *limit)?;
        let Rate { count, of } = rate;
        Some(match of {
            0 => format!("{name}: expected at most {limit}, found no case in which it could have been"),
            _ => format!("{name}: expected at most {limit}, found {:.3} ({count} of {of})", rate.share()),
        })
    };
    let time = |name: &str, times: Quantiles, found: f64, limit: Option<f64>| {
        let limit = limit.filter(|limit| times.n == 0 || found > *limit)?;
        Some(match times.n {
            0 => format!("{name}: expected at most {limit} ms, found no case"),
            _ => format!("{name}: expected at most {limit} ms, found {found:.0} ms"),
        })
    };
    let (voice_to_voice, barge_in) = (figures.voice_to_voice_ms, figures.barge_in_ms);
    let count = |name: &str, Rate { count, .. }: Rate, limit: Option<usize>| {
        let limit = limit.filter(|limit| count > *limit)?;
        Some(format!("{name}: expected at most {limit}, found {count}"))
    };
    [
        share("false_cutoffs", figures.false_cutoffs, expect.false_cutoffs),
        share("false_interruptions", figures.false_interruptions, expect.false_interruptions),
        share("missed_barge_ins", figures.missed_barge_ins, expect.missed_barge_ins),
        share("unanswered", figures.unanswered, expect.unanswered),
        count("ghosts", figures.ghosts, expect.ghosts),
        count("ghost_replies", figures.ghost_replies, expect.ghost_replies),
        time("voice_to_voice_p50_ms", voice_to_voice, voice_to_voice.p50, expect.voice_to_voice_p50_ms),
        time("barge_in_p95_ms", barge_in, barge_in.p95, expect.barge_in_p95_ms),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use rejoinder_models::units::Position;

    use super::*;
    use crate::event::Event;
    use crate::sim::scenario::Expect;

    fn record(kinds: Vec<(u64, EventKind)>) -> Record {
        let event = |(turn, kind)| Event { at: Position(0), turn: TurnId::new(turn), kind };
        Record { events: kinds.into_iter().map(event).collect(), ..Record::default() }
    }

    fn endpoint() -> EventKind {
        EventKind::Endpoint { speech_end: Position(0) }
    }

    fn played(text: &str) -> EventKind {
        EventKind::WordPlayed { text: text.to_owned() }
    }

    #[test]
    fn a_history_that_differs_from_what_was_heard_fails_the_run() {
        let run = |kept: &str| {
            let kept = EventKind::Kept { text: kept.to_owned() };
            let kinds =
                vec![(1, endpoint()), (1, played("It")), (1, played("is")), (1, EventKind::Interrupted), (1, kept)];
            broken(&record(kinds))
        };
        assert_eq!(run("It is"), Vec::<String>::new());
        assert_eq!(run("It"), ["turn 1: the history keeps \"It\", heard was \"It is\""]);
        assert_eq!(run("It is noon").len(), 1);
    }

    #[test]
    fn turns_left_open_or_answered_twice_and_failures_fail_the_run() {
        let failed = EventKind::Failed { stage: "speak".to_owned(), reason: "no voice".to_owned() };
        let kinds = vec![
            (1, endpoint()),
            (2, endpoint()),
            (2, EventKind::AudioStarted),
            (2, EventKind::AudioStarted),
            (2, EventKind::AudioFinished),
            (3, failed),
            (4, endpoint()),
        ];
        let expected = ["turn 3: speak failed: no voice", "turn 1 was left open", "turn 2 was answered 2 times"];
        assert_eq!(broken(&record(kinds)), expected);
    }

    #[test]
    fn what_a_scenario_expects_is_held_against_the_figures() {
        let expect = Expect { false_cutoffs: Some(0.05), ghosts: Some(0), ..Expect::default() };
        let scenario = Scenario { expect, ..Scenario::default() };
        let figures = Figures { false_cutoffs: Rate { count: 1, of: 10 }, ..Figures::default() };
        assert_eq!(missed(&scenario, &figures), ["false_cutoffs: expected at most 0.05, found 0.100 (1 of 10)"]);
        let unheard = Expect { missed_barge_ins: Some(0.0), barge_in_p95_ms: Some(150.0), ..Expect::default() };
        let nothing = [
            "missed_barge_ins: expected at most 0, found no case in which it could have been",
            "barge_in_p95_ms: expected at most 150 ms, found no case",
        ];
        assert_eq!(missed(&Scenario { expect: unheard, ..Scenario::default() }, &figures), nothing);
        assert_eq!(missed(&Scenario::default(), &figures), Vec::<String>::new());
    }
}
