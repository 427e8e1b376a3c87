//! Which of the assistant's turns belong to which of the caller's words.

use std::ops::Range;

use rejoinder_models::units::{Position, Samples};

use super::caller::Said;
use super::line::Record;
use crate::timeline::{Timeline, Timelines};

/// How far a detector may be off the truth about where speech is.
const MARGIN: Samples = Samples(1_600);

/// The turns of a conversation beside what the caller did.
pub(crate) struct Matched<'a> {
    pub(crate) record: &'a Record,
    pub(crate) turns: Vec<Timeline>,
    /// For each turn, the acts that it overlaps.
    acts: Vec<Vec<usize>>,
}

impl<'a> Matched<'a> {
    pub(crate) fn new(record: &'a Record) -> Self {
        let lines: Timelines = record.events.iter().collect();
        let turns = lines.turns().to_vec();
        let overlaps = |turn: &Timeline, said: &Said| {
            let from = turn.speech_start.unwrap_or(record.length);
            let until = turn.speech_end.filter(|end| *end >= from).unwrap_or(record.length);
            from < said.end + MARGIN && said.start < until + MARGIN
        };
        let acts = turns.iter().map(|turn| {
            let acts = record.said.iter().enumerate().filter(|(_, said)| overlaps(turn, said));
            acts.map(|(i, _)| i).collect()
        });
        let acts = acts.collect();
        Self { record, turns, acts }
    }

    /// The turns that hold some of an act, oldest first.
    pub(crate) fn turns_of(&self, act: usize) -> impl Iterator<Item = &Timeline> {
        self.turns.iter().zip(&self.acts).filter(move |(_, acts)| acts.contains(&act)).map(|(turn, _)| turn)
    }

    /// Whether a turn holds other words than those of an act.
    pub(crate) fn holds_others(&self, turn: &Timeline, act: usize) -> bool {
        let acts = self.turns.iter().zip(&self.acts).find(|(of, _)| of.turn == turn.turn).map(|(_, acts)| acts);
        acts.is_some_and(|acts| acts.iter().any(|other| *other != act && self.record.said[*other].kind.is_turn()))
    }

    /// The words that a turn answers: the last that it holds.
    pub(crate) fn last_words_of(&self, turn: &Timeline) -> Option<usize> {
        let at = self.turns.iter().position(|of| of.turn == turn.turn)?;
        self.acts[at].iter().copied().rfind(|act| self.record.said[*act].kind.is_turn())
    }

    /// Turns in which somebody is said to have spoken, and that hold nothing that the caller did.
    pub(crate) fn ghosts(&self) -> impl Iterator<Item = &Timeline> {
        let spoken = self.turns.iter().zip(&self.acts).filter(|(turn, _)| turn.speech_start.is_some());
        spoken.filter(|(_, acts)| acts.is_empty()).map(|(turn, _)| turn)
    }

    /// The turns whose replies were heard.
    pub(crate) fn replies(&self) -> impl Iterator<Item = (&Timeline, Range<Position>)> {
        let end = self.record.length;
        self.turns.iter().filter_map(move |turn| Some((turn, turn.first_audio?..turn.audio_end.unwrap_or(end))))
    }

    /// When a reply that sounds from `from` on is first heard.
    pub(crate) fn audible_from(&self, from: Position) -> Option<Position> {
        self.record.audible.iter().find(|span| span.end > from).map(|span| span.start.max(from))
    }

    /// When the assistant was last heard before it was silent at `at`.
    pub(crate) fn audible_until(&self, at: Position) -> Option<Position> {
        // An interrupted reply fades out.
        self.record.audible.iter().rev().find(|span| span.start < at).map(|span| span.end)
    }

    /// What the caller was doing, or had done up to `patience` before, at a moment.
    pub(crate) fn doing(&self, at: Position, patience: Samples) -> impl Iterator<Item = &Said> {
        self.record.said.iter().filter(move |said| said.start <= at && at <= said.end + patience)
    }
}
