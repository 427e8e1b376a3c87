//! What both runners take: the stages of one conversation and what they share.

use std::ops::ControlFlow;
use std::sync::Arc;

use rejoinder_models::llm::Cancel;
use rejoinder_models::units::Position;

use super::world::Step;
use crate::clock::Clock;
use crate::event::{Event, EventKind};
use crate::io::playout::{Loudspeaker, Player, Playout};
use crate::message::{Body, Control, TurnId, Turns};
use crate::stage::Stage;

/// The stages of one conversation, from `listen` to the one whose sound is played.
pub(crate) struct Chain {
    pub(crate) stages: Vec<Box<dyn Stage>>,
    pub(crate) turns: Turns,
    pub(crate) clock: Clock,
    pub(crate) player: Player,
    pub(crate) loudspeaker: Loudspeaker,
    pub(crate) playout: Playout,
    pub(crate) stop: Stop,
    /// What the caller does besides speaking, in virtual time.
    pub(crate) controls: Vec<(Position, Control)>,
    pub(crate) on_event: EventHandler,
    pub(crate) on_step: Option<StepHandler>,
}

/// Whether a conversation is to end at once: its application asks for it, or it ends by itself, which the application's
/// flag does not show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    asked: Cancel,
    ended: Cancel,
}

impl Stop {
    /// One that an application asks for by its flag.
    pub(crate) fn asked_by(asked: Cancel) -> Self {
        Self { asked, ended: Cancel::default() }
    }

    pub(crate) fn cancel(&self) {
        self.ended.cancel();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.asked.is_cancelled() || self.ended.is_cancelled()
    }
}

/// What an application does with an event.
pub(crate) type EventHandler = Box<dyn FnMut(&Event) + Send>;

/// What an application does with what a stage did, on the stage's own thread.
pub(crate) type StepHandler = Arc<dyn Fn(&Step) + Send + Sync>;

/// Whether a message is still wanted.
pub(crate) fn is_wanted(turns: &Turns, turn: TurnId, body: &Body) -> bool {
    !body.is_reply() || turns.is_current(turn)
}

/// Whether an event is still true.
pub(crate) fn is_true(turns: &Turns, turn: TurnId, kind: &EventKind) -> bool {
    !kind.is_reply() || turns.is_current(turn)
}

/// What a sender of this turn is told.
pub(crate) fn flow(turns: &Turns, stop: &Stop, turn: TurnId, was_reply: bool) -> ControlFlow<()> {
    if stop.is_cancelled() || (was_reply && !turns.is_current(turn)) {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}
