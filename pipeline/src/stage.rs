//! A stage: a message in, messages out. A stage knows no thread and no wall clock, so that the same stages run live
//! and in virtual time.

use std::ops::ControlFlow;

use rejoinder_models::units::Position;

use crate::Result;
use crate::event::EventKind;
use crate::io::playout::Playout;
use crate::message::{Body, Message, TurnId, Turns};

/// One step of the chain from microphone to loudspeaker.
///
/// # For implementations
/// Forward each kind of [`Body`] that you do not handle: `out.send(message.turn, message.body)`. Long work sends each
/// result as it comes, and ends when [`Outbox::send`] says [`ControlFlow::Break`].
pub trait Stage: Send {
    /// The name of the stage and, live, of its thread.
    fn name(&self) -> &'static str;

    /// Runs once before the first message, to warm up what is slow at first.
    ///
    /// # Errors
    /// The conversation does not start.
    fn start(&mut self) -> Result<()> {
        Ok(())
    }

    /// Takes a message.
    ///
    /// # Errors
    /// The message's turn ends with [`EventKind::Failed`]; the next turn reaches the stage again.
    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<()>;
}

/// A change of what all stages share. Live it takes place at once; in virtual time, when the compute that led to it is
/// over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    /// This turn is the current one: work for older ones is stale, and their sound is dropped.
    Raise(TurnId),
    /// The sound of replies before this turn is dropped.
    Silence(TurnId),
    /// The reply to this turn may sound.
    Release(TurnId),
    /// The gain of a reply, in decibels.
    Duck(f64),
    /// Whether nothing is going on.
    Idle(bool),
}

impl Effect {
    /// Takes place.
    pub(crate) fn apply(self, turns: &Turns, playout: &Playout) {
        match self {
            Self::Raise(turn) => {
                turns.raise(turn);
                playout.interrupt_before(turn);
            }
            Self::Silence(turn) => playout.interrupt_before(turn),
            Self::Release(turn) => {
                turns.release(turn);
                playout.released();
            }
            Self::Duck(db) => playout.duck(db),
            Self::Idle(idle) => turns.set_idle(idle),
        }
    }
}

/// Where a stage's results go. What for, the runner decides.
pub(crate) trait Port {
    fn send(&mut self, turn: TurnId, body: Body) -> ControlFlow<()>;
    fn event(&mut self, at: Option<Position>, turn: TurnId, kind: EventKind);
    fn act(&mut self, effect: Effect);
    fn now(&self) -> Position;
}

/// The way out of a stage: messages to the next stage, events to the application.
pub struct Outbox<'a>(&'a mut dyn Port);

impl<'a> Outbox<'a> {
    pub(crate) fn new(port: &'a mut dyn Port) -> Self {
        Self(port)
    }

    /// Sends to the next stage, and waits where its queue is full. [`ControlFlow::Break`] says that nobody wants more
    /// of this turn's reply, or that the conversation is over.
    pub fn send(&mut self, turn: TurnId, body: Body) -> ControlFlow<()> {
        self.0.send(turn, body)
    }

    /// Tells the application.
    pub fn event(&mut self, turn: TurnId, kind: EventKind) {
        self.0.event(None, turn, kind);
    }

    /// Tells the application of something that happened a moment ago.
    pub(crate) fn event_at(&mut self, at: Position, turn: TurnId, kind: EventKind) {
        self.0.event(Some(at), turn, kind);
    }

    /// Changes what all stages share.
    pub(crate) fn act(&mut self, effect: Effect) {
        self.0.act(effect);
    }

    /// Now, on the one clock.
    pub fn now(&self) -> Position {
        self.0.now()
    }
}
