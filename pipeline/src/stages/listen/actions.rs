//! What the state machine of turn-taking wants done.

use rejoinder_models::units::Position;

use super::{AFTERMATH, Listen, Overheard};
use crate::event::EventKind;
use crate::message::{Body, Opening, TurnId};
use crate::stage::{Effect, Outbox};
use crate::turn::{Action, Policy};

impl Listen {
    /// `opening` says what opened a turn that is taken.
    pub(super) fn perform(&mut self, action: Action, opening: Opening, out: &mut Outbox<'_>) {
        match action {
            Action::Begin(turn, from) => self.begin(turn, from, out),
            Action::Take(turn) => {
                self.raise(turn, out);
                let _ = out.send(turn, Body::Taken(opening));
            }
            Action::Drop(turn) => {
                self.give_back();
                out.event(turn, EventKind::Ignored);
                let _ = out.send(turn, Body::Dropped);
            }
            Action::Ask(turn) | Action::Start(turn) => {
                self.forward(turn, out);
                let _ = out.send(turn, Body::Paused { ahead: matches!(action, Action::Start(_)) });
            }
            Action::Retract(turn) => {
                self.raise(turn, out);
                let _ = out.send(turn, Body::Resumed);
            }
            Action::End(turn, speech_end) => {
                self.forward(turn, out);
                out.event(turn, EventKind::Endpoint { speech_end });
                out.act(Effect::Release(turn));
                let _ = out.send(turn, Body::Ended);
                self.give_back();
            }
            Action::Interrupt(turn) => out.event(turn, EventKind::Interrupted),
            Action::Silence(turn) => self.raise(turn, out),
            Action::Duck => {
                let db = self.settings.duck_db;
                out.act(Effect::Duck(db));
                out.event(self.current, EventKind::Ducked { db });
            }
            Action::Restore => {
                out.act(Effect::Duck(0.0));
                if !self.machine.is_hearing() {
                    out.event(self.current, EventKind::Restored);
                }
            }
            Action::Prompt(turn) => {
                let prompt = Body::Say(self.settings.prompt.clone());
                self.speak_up(turn, EventKind::Prompted, prompt, out);
            }
            Action::Remind(turn) => self.speak_up(turn, EventKind::Reminded, Body::Remind, out),
        }
    }

    /// A turn of the assistant's own.
    fn speak_up(&mut self, turn: TurnId, why: EventKind, what: Body, out: &mut Outbox<'_>) {
        self.raise(turn, out);
        out.act(Effect::Release(turn));
        out.event(turn, why);
        let _ = out.send(turn, what);
    }

    fn raise(&mut self, turn: TurnId, out: &mut Outbox<'_>) {
        self.current = self.current.max(turn);
        out.act(Effect::Raise(turn));
    }

    fn begin(&mut self, turn: TurnId, from: Position, out: &mut Outbox<'_>) {
        self.overheard = Overheard::default();
        let mut since = Position(from.0.saturating_sub(self.settings.preroll.0));
        let Policy { half_duplex, push_to_talk, .. } = self.settings.policy;
        if half_duplex || push_to_talk {
            // What the microphone heard until then may be the assistant's own voice.
            since = since.max(from.min(self.replied + AFTERMATH));
        }
        self.sent = since.max(self.recent.oldest(self.now)).max(self.sent);
        let _ = out.send(turn, Body::Began(self.sent));
    }

    /// What was sent since the caller is silent may hold the beginning of what is said next, of which the detector is not
    /// sure yet: it may be sent again, to another turn.
    fn give_back(&mut self) {
        if let Some(silent_from) = self.silent_from {
            self.sent = self.sent.min(silent_from);
        }
    }

    /// Sends what of the recent sound was not sent yet.
    pub(super) fn forward(&mut self, turn: TurnId, out: &mut Outbox<'_>) {
        let fresh = self.now.since(self.sent);
        if fresh.0 > 0 {
            self.sent = self.now;
            let _ = out.send(turn, Body::Heard(self.recent.last(fresh)));
        }
    }
}
