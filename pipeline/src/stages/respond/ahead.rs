//! Replies that are begun ahead: on copies of all that they change, which take the originals' places if the caller is
//! done.

use rejoinder_models::asr::Transcript;

use super::reply::{Draft, NOT_CALLED, Progress, called};
use super::{Respond, take_back};
use crate::Result;
use crate::dialogue::History;
use crate::event::EventKind;
use crate::message::TurnId;
use crate::stage::Outbox;

/// A reply that was begun before it was certain that the caller is done.
pub(super) struct Ahead {
    pub(super) turn: TurnId,
    /// What the history becomes if it is kept.
    history: History,
    /// The tools whose calls for the last reply are taken back meanwhile, if any are.
    taken_back: Option<Vec<String>>,
    draft: Draft,
    /// How far it came. A tool call that cannot be taken back, and a failure, wait until the reply is kept.
    progress: Result<Progress>,
}

impl Respond {
    /// Begins a reply ahead on a fork of the cache.
    pub(super) fn begin_ahead(&mut self, turn: TurnId, transcript: &Transcript, out: &mut Outbox<'_>) -> Result<()> {
        let text = self.said(transcript).into_owned();
        if text.is_empty() || !self.turns.is_current(turn) {
            return Ok(());
        }
        self.dialogue.fork()?;
        let mut history = self.history.clone();
        let taken_back = self.premature.and_then(|last| take_back(last, &mut self.tools, &mut history));
        history.heard(turn, &self.told(&text));
        out.event(turn, EventKind::SpeculationStarted { text });
        let mut draft = Draft::default();
        let progress = self.reply(turn, &mut history, &mut draft, true, out);
        self.ahead = Some(Ahead { turn, history, taken_back, draft, progress });
        Ok(())
    }

    /// The caller went on: a reply that was begun ahead is forgotten, and its waste is told.
    pub(super) fn drop_ahead(&mut self, turn: TurnId, out: &mut Outbox<'_>) -> Result<()> {
        let Some(ahead) = self.ahead.take() else { return Ok(()) };
        self.tools.discard();
        if ahead.taken_back.is_some() {
            self.tools.redo();
            self.schedule(turn, out);
        }
        let discarded = self.dialogue.discard();
        let now = out.now();
        let tokens = ahead.draft.pieces.iter().filter(|at| **at <= now).count();
        out.event(turn, EventKind::SpeculationDropped { tokens, audio_ms: self.playout.made_ms(ahead.turn) });
        Ok(discarded?)
    }

    /// The turn is over as was thought: the reply that was begun ahead is the turn's, and goes on where it waited.
    pub(super) fn keep(&mut self, ahead: Ahead, out: &mut Outbox<'_>) -> Result<()> {
        let Ahead { turn, history, taken_back, mut draft, progress } = ahead;
        let adopted = self.dialogue.adopt();
        self.settle(out);
        self.commit();
        self.tools.adopt();
        self.tell_taken_back(turn, taken_back, out);
        self.history = history;
        self.unsettled = Some(turn);
        for (call, result) in draft.attempted.drain(..) {
            called(turn, call, result, out);
        }
        self.schedule(turn, out);
        out.event(turn, EventKind::SpeculationKept);
        if let Err(error) = adopted {
            if matches!(progress, Ok(Progress::Call(_))) {
                self.history.returned(turn, NOT_CALLED);
            }
            return self.end(turn, &draft, Err(error.into()), out);
        }
        let call = match progress {
            Ok(Progress::Call(call)) => call,
            end => return self.end(turn, &draft, end, out),
        };
        if !self.turns.is_current(turn) {
            self.history.returned(turn, NOT_CALLED);
            self.cancelled = true;
            return Ok(());
        }
        let mut history = std::mem::replace(&mut self.history, History::new("", 0));
        self.call(turn, &mut history, &mut draft, call, out);
        self.history = history;
        self.finish(turn, draft, out)
    }
}
