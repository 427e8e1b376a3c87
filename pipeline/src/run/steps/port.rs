use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rejoinder_models::units::Position;

use crate::clock::position;
use crate::event::{Event, EventKind};
use crate::message::{Body, Message, TurnId, Turns};
use crate::run::chain::{Stop, flow};
use crate::stage::{Effect, Port};

/// What a stage gave.
pub(super) enum Out {
    Message(Message),
    Event(Event),
    Effect(Effect),
}

/// Keeps what a stage gives with the moment at which it was ready, by what the work so far cost.
pub(super) struct StepPort<'a> {
    pub(super) turns: &'a Turns,
    pub(super) stop: &'a Stop,
    pub(super) cost: Option<(Duration, Duration)>,
    pub(super) began: Instant,
    pub(super) base: u64,
    pub(super) out: Vec<(u64, Out)>,
}

impl StepPort<'_> {
    /// Now, in nanoseconds.
    pub(super) fn time(&self) -> u64 {
        let spent = match self.cost {
            None => self.began.elapsed(),
            Some((step, output)) => {
                let sent = self.out.iter().filter(|(_, out)| matches!(out, Out::Message(_))).count();
                step + output * sent as u32
            }
        };
        self.base + spent.as_nanos() as u64
    }
}

impl Port for StepPort<'_> {
    fn send(&mut self, turn: TurnId, body: Body) -> ControlFlow<()> {
        let is_reply = body.is_reply();
        let at = self.time();
        self.out.push((at, Out::Message(Message { turn, at: position(at), body })));
        flow(self.turns, self.stop, turn, is_reply)
    }

    fn event(&mut self, at: Option<Position>, turn: TurnId, kind: EventKind) {
        let at = at.unwrap_or_else(|| self.now());
        self.out.push((self.time(), Out::Event(Event { at, turn, kind })));
    }

    fn act(&mut self, effect: Effect) {
        self.out.push((self.time(), Out::Effect(effect)));
    }

    fn now(&self) -> Position {
        position(self.time())
    }
}
