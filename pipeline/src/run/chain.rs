//! What both runners take: the stages of one conversation and what they share.

use std::ops::ControlFlow;
use std::sync::Arc;

use rejoinder_models::llm::Cancel;
use rejoinder_models::units::Position;

use super::world::Step;
use crate::clock::Clock;
use crate::event::{Event, EventKind};
use crate::io::playout::{Loudspeaker, Player, Playout};
use crate::message::{Body, Control, Message, TurnId, Turns};
use crate::stage::{Outbox, Port, Stage};

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

impl Chain {
    /// What ends the conversation at once.
    pub(crate) fn shutdown(&self) -> Shutdown {
        Shutdown { turns: self.turns.clone(), playout: self.playout.clone(), stop: self.stop.clone() }
    }
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

/// Ends a conversation at once: whoever waits for a model, for a place in a queue or for a listener is let go.
#[derive(Clone)]
pub(crate) struct Shutdown {
    pub(crate) turns: Turns,
    pub(crate) playout: Playout,
    pub(crate) stop: Stop,
}

impl Shutdown {
    pub(crate) fn now(&self) {
        self.stop.cancel();
        self.turns.raise(TurnId::LAST);
        self.playout.interrupt_before(TurnId::LAST);
        self.turns.set_idle(true);
    }
}

/// What becomes of a stage that fails: its message's turn ends, and the next turn reaches it again. `listen`, which takes
/// sound whoever's turn it is, ends no turn: the reply that sounds meanwhile is none of its doing.
#[derive(Debug)]
pub(crate) struct Failures {
    hears: bool,
    turn: Option<TurnId>,
    /// What `listen`, which gets a message every 10 ms, failed with last, and in which turn, so that it is told once.
    told: Option<(TurnId, String)>,
}

impl Failures {
    /// For the stage that hears the caller, or for one of the others.
    pub(crate) fn new(hears: bool) -> Self {
        Self { hears, turn: None, told: None }
    }

    /// Whether a message comes too late, for a turn in which the stage has failed. What is told of clocks and devices is of
    /// no turn.
    pub(crate) fn ended(&self, turn: TurnId, body: &Body) -> bool {
        let of_no_turn = matches!(body, Body::ClockMoved | Body::Found(_));
        !of_no_turn && self.turn.is_some_and(|failed| turn <= failed)
    }

    /// Gives the stage a message.
    pub(crate) fn run(&mut self, stage: &mut dyn Stage, message: Message, port: &mut dyn Port) {
        let turn = message.turn;
        let Err(error) = stage.handle(message, &mut Outbox::new(port)) else { return };
        let (stage, reason) = (stage.name().to_owned(), error.to_string());
        if !self.hears {
            port.event(None, turn, EventKind::Failed { stage, reason });
            let _ = port.send(turn, Body::SoundEnd { whole: false });
            self.turn = Some(turn);
        } else if self.told.as_ref().is_none_or(|told| (told.0, &told.1) != (turn, &reason)) {
            port.event(None, turn, EventKind::Degraded { stage, reason: reason.clone() });
            self.told = Some((turn, reason));
        }
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
