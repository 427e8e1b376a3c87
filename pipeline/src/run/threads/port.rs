//! What a stage on a thread of its own sends, tells and does.

use std::ops::ControlFlow;

use rejoinder_models::units::Position;

use crate::clock::Clock;
use crate::event::{Event, EventKind};
use crate::io::playout::Player;
use crate::message::{Body, Message, TurnId, Turns};
use crate::run::chain::{Shutdown, StepHandler, flow, is_true, is_wanted};
use crate::run::lossy::Lossy;
use crate::run::queue::Sender;
use crate::stage::{Effect, Port};

/// What the threads of one conversation share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) turns: Turns,
    pub(super) clock: Clock,
    pub(super) shutdown: Shutdown,
    pub(super) events: Sender<Event>,
    pub(super) reports: Option<Sender<Message>>,
    pub(super) on_step: Option<StepHandler>,
}

/// Where what a stage sends goes.
pub(super) enum Link {
    Ears(Lossy),
    Stage(Sender<Message>),
    Player(Box<Player>),
}

pub(super) struct LivePort<'a> {
    pub(super) link: &'a mut Link,
    pub(super) common: &'a Common,
}

impl Port for LivePort<'_> {
    fn send(&mut self, turn: TurnId, body: Body) -> ControlFlow<()> {
        let Common { turns, shutdown, .. } = self.common;
        let is_reply = body.is_reply();
        if is_wanted(turns, turn, &body) {
            let message = Message { turn, at: self.now(), body };
            match &mut *self.link {
                Link::Ears(next) => {
                    if !next.send(message) {
                        return ControlFlow::Break(());
                    }
                }
                Link::Stage(next) => {
                    if !next.send(message) {
                        return ControlFlow::Break(());
                    }
                }
                Link::Player(player) => {
                    if let Err(error) = player.take(message) {
                        self.event(
                            None,
                            turn,
                            EventKind::Failed { stage: "play".to_owned(), reason: error.to_string() },
                        );
                        return ControlFlow::Break(());
                    }
                    player.pump_all();
                }
            }
        }
        flow(turns, &shutdown.stop, turn, is_reply)
    }

    fn event(&mut self, at: Option<Position>, turn: TurnId, kind: EventKind) {
        let Common { turns, reports, events, .. } = self.common;
        if !is_true(turns, turn, &kind) {
            return;
        }
        let at = at.unwrap_or_else(|| self.now());
        if let Some((reports, body)) = reports.as_ref().zip(kind.report()) {
            reports.send(Message { turn, at, body });
        }
        events.send(Event { at, turn: turn.first(), kind });
    }

    fn act(&mut self, effect: Effect) {
        effect.apply(&self.common.turns, &self.common.shutdown.playout);
    }

    fn now(&self) -> Position {
        self.common.clock.now()
    }
}
