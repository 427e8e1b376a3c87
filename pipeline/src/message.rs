//! What flows down the chain of stages, and the number by which a barge-in makes work stale.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rejoinder_models::asr::Transcript;
use rejoinder_models::llm::Cancel;
use rejoinder_models::units::{Position, Samples};
use serde::{Deserialize, Serialize};

/// One exchange: what the caller says, and the reply to it. Turn 0 is before anybody spoke.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TurnId(pub u64);

impl TurnId {
    /// The turn after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for TurnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The current turn, shared by all stages of a conversation. Only `listen` raises it; everyone else compares.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    current: AtomicU64,
    busy: AtomicBool,
    running: Mutex<Option<(TurnId, Cancel)>>,
}

impl Turns {
    /// The current turn.
    pub fn current(&self) -> TurnId {
        TurnId(self.0.current.load(Ordering::Acquire))
    }

    /// Whether work for `turn` is still wanted.
    pub fn is_current(&self, turn: TurnId) -> bool {
        turn >= self.current()
    }

    /// Makes `turn` the current one and cancels what runs for an older one.
    pub(crate) fn raise(&self, turn: TurnId) {
        self.0.current.fetch_max(turn.0, Ordering::AcqRel);
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cancel)) = running.as_ref().filter(|(of, _)| *of < turn) {
            cancel.cancel();
        }
    }

    /// Whether nothing is going on: nobody speaks, and no reply is on its way or sounds.
    pub fn is_idle(&self) -> bool {
        !self.0.busy.load(Ordering::Acquire)
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        self.0.busy.store(!idle, Ordering::Release);
    }

    /// A flag that is raised when `turn` becomes stale. One reply runs at a time: a second call replaces the first.
    pub fn guard(&self, turn: TurnId) -> Cancel {
        let cancel = Cancel::default();
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_current(turn) {
            cancel.cancel();
        }
        *running = Some((turn, cancel.clone()));
        cancel
    }
}

/// A message from one stage to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The turn that it belongs to.
    pub turn: TurnId,
    /// When it was sent, on the one clock.
    pub at: Position,
    /// What it says.
    pub body: Body,
}

/// What a message says. A stage forwards each kind that it does not handle.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Into `listen`: mono samples at the source's rate.
    Captured(Vec<f32>),
    /// Into `listen`: this turn gets no reply.
    NoReply,
    /// The caller begins to speak; the audio that follows starts at this moment.
    Began(Position),
    /// The caller's turn, mono at 16 kHz, in pieces.
    Heard(Vec<f32>),
    /// The caller's turn is over.
    Ended,
    /// The transcript so far.
    Partial(Transcript),
    /// The transcript of the whole turn, word times on the one clock.
    Final(Transcript),
    /// A piece of the reply's text.
    Reply(String),
    /// The reply's text is complete.
    ReplyEnd,
    /// A piece of the reply's sound.
    Sound(Sound),
    /// The reply's sound is complete.
    SoundEnd,
}

impl Body {
    /// Whether this is work on a reply, which nobody wants once the turn is stale. The caller's own words are kept.
    pub fn is_reply(&self) -> bool {
        matches!(self, Self::Reply(_) | Self::ReplyEnd | Self::Sound(_) | Self::SoundEnd)
    }
}

/// A piece of a reply's sound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sound {
    /// Mono samples in [-1, 1] at the synthesizer's rate.
    pub samples: Vec<f32>,
    /// The words that begin in this piece.
    pub words: Vec<ReplyWord>,
}

/// When a word of a reply is over.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyWord {
    /// The word as it stands in the text.
    pub text: String,
    /// The byte offset in the reply's whole text just after the word.
    pub text_end: usize,
    /// The word's end, in samples of the synthesizer's rate since the reply's sound began.
    pub end: Samples,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_the_turn_cancels_what_runs_for_an_older_one() {
        let turns = Turns::default();
        turns.raise(TurnId(1));
        let cancel = turns.guard(TurnId(1));
        assert!(turns.is_current(TurnId(1)) && !cancel.is_cancelled());
        turns.raise(TurnId(2));
        assert!(!turns.is_current(TurnId(1)) && cancel.is_cancelled());
    }

    #[test]
    fn a_guard_taken_too_late_is_already_cancelled() {
        let turns = Turns::default();
        turns.raise(TurnId(3));
        assert!(turns.guard(TurnId(2)).is_cancelled());
        assert!(!turns.guard(TurnId(3)).is_cancelled());
    }

    #[test]
    fn the_turn_never_goes_back() {
        let turns = Turns::default();
        turns.raise(TurnId(5));
        turns.raise(TurnId(4));
        assert_eq!(turns.current(), TurnId(5));
    }
}
