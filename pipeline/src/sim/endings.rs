//! What other ways to decide that a turn is over would have done with a caller's pauses.

use std::ops::Range;

use rejoinder_models::turn::delay::{FIRST_MS, LONGEST_MS, Looked, STEP_MS};
use rejoinder_models::units::{Position, SampleRate, Samples};

use super::caller::Said;
use super::line::Record;
use crate::Config;
use crate::event::EventKind;
use crate::turn::EndRule;

/// The assistant that leaves every pause to silence, as long a one as counts, so that all that may be said of a pause is said.
pub fn patient(mut config: Config) -> Config {
    let longest = Samples::from_ms(LONGEST_MS as f64, SampleRate::INTERNAL);
    let policy = &mut config.turn_taking.policy;
    (policy.hangover, policy.patience) = (longest, longest);
    config.turn_taking.end = EndRule { threshold: f32::INFINITY, unfinished: 0.0, ..EndRule::default() };
    config
}

/// For each of the caller's utterances in a conversation with a [`patient`] assistant: what was known at each look of each
/// pause, which begins and ends where the caller's sound truly does. `told` takes the probability out of an event.
pub fn looked(record: &Record, told: impl Fn(&EventKind) -> Option<f32>) -> Vec<Looked> {
    let known: Vec<_> = record.events.iter().filter_map(|event| Some((event.at, told(&event.kind)?))).collect();
    let of = |(act, said): (usize, &Said)| {
        let next = record.said.get(act + 1).map_or(record.length, |next| next.start);
        let pauses = said.sounding.windows(2).map(|pair| looks(&known, pair[0].end..pair[1].start));
        Looked {
            pauses: pauses.filter(|looks| !looks.is_empty()).collect(),
            end: looks(&known, said.end..next.max(said.end)),
        }
    };
    record.said.iter().enumerate().filter(|(_, said)| said.kind.is_turn()).map(of).collect()
}

/// What is known at each look of a silence: what was told last since it began, nothing (0) before that.
fn looks(known: &[(Position, f32)], silence: Range<Position>) -> Vec<f32> {
    let length = silence.end.since(silence.start).ms(SampleRate::INTERNAL) as usize;
    let look = |ms: usize| {
        let now = silence.start + Samples::from_ms(ms as f64, SampleRate::INTERNAL);
        let told = known.iter().rev().find(|(at, _)| *at <= now);
        told.filter(|(at, _)| *at >= silence.start).map_or(0.0, |(_, probability)| *probability)
    };
    (FIRST_MS..=length.min(LONGEST_MS)).step_by(STEP_MS).map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Kind;
    use super::*;
    use crate::event::Event;
    use crate::message::TurnId;

    #[test]
    fn a_look_knows_what_was_told_since_the_silence_began() {
        let ms = |ms: u64| Position(ms * 16);
        let event = |at: u64, probability: f32| Event {
            at: ms(at),
            turn: TurnId::default(),
            kind: EventKind::Paused { probability, sound: 0.5, ending: None, finality: None },
        };
        let said = Said {
            kind: Kind::Say,
            clip: "clip".into(),
            text: String::new(),
            start: ms(0),
            end: ms(2_000),
            sounding: vec![ms(0)..ms(1_000), ms(1_220)..ms(2_000)],
        };
        let record = Record {
            said: vec![said],
            events: vec![event(900, 0.9), event(1_130, 0.2), event(2_120, 0.6), event(2_210, 0.7)],
            length: ms(2_260),
            ..Record::default()
        };
        let told = |kind: &EventKind| match kind {
            EventKind::Paused { probability, .. } => Some(*probability),
            _ => None,
        };
        let expected = Looked { pauses: vec![vec![0.0, 0.2, 0.2]], end: vec![0.0, 0.6, 0.6, 0.7] };
        assert_eq!(looked(&record, told), [expected]);
    }
}
