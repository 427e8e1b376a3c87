//! Who has the floor: a pure state machine. Events go in, actions come out; it does no I/O and reads no clock.
//!
//! ```text
//!              speech starts                 silence lasts, or the turn is too long
//! listening ───────────────▶ listening ─────────────────────────────▶ thinking
//!     ▲                      (caller speaks)                           │    │
//!     │                                              no reply          │    │ reply sounds
//!     ├────────────────────────────────────────────────────────────────┘    ▼
//!     ├──────────────────────────────────────────────────────────────── speaking
//!     │                      reply was played to its end                    │
//!     │                                                                     │ speech starts (from thinking, too)
//!     └─── as listening, once the caller is done ───── interrupted ◀────────┘
//! ```

use rejoinder_models::units::{Position, Samples};
use serde::{Deserialize, Serialize};

use crate::message::TurnId;

#[cfg(test)]
mod tests;

/// Who has the floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The caller: silent so far, or speaking.
    #[default]
    Listening,
    /// The caller's turn is over, the reply does not sound yet.
    Thinking,
    /// The reply sounds.
    Speaking,
    /// The caller took the floor back and speaks.
    Interrupted,
}

/// When a turn is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// How long the caller is silent at a turn's end, counted from the detector's end of speech.
    pub silence: Samples,
    /// A turn that lasts longer is cut here, and goes on as the next one.
    pub max_turn: Samples,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// The detector heard speech begin, at this moment in the past.
    SpeechStarted(Position),
    /// The detector heard speech end, at this moment in the past.
    SpeechStopped(Position),
    /// It is now this late.
    Tick(Position),
    /// This turn gets no reply.
    NoReply(TurnId),
    /// The reply to this turn begins to sound.
    AudioStarted(TurnId),
    /// The reply to this turn was played to its end, or had no sound.
    AudioFinished(TurnId),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Drop the reply to this turn.
    Interrupt(TurnId),
    /// The caller's turn begins at this moment.
    Begin(TurnId, Position),
    /// The caller's turn is over; speech ended at this moment.
    End(TurnId, Position),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Caller {
    from: Position,
    stopped: Option<Position>,
}

/// The state machine of one conversation.
#[derive(Clone, Debug)]
pub struct Machine {
    policy: Policy,
    state: State,
    turn: TurnId,
    caller: Option<Caller>,
    failed: bool,
}

impl Machine {
    /// A conversation in which nobody has spoken yet.
    pub fn new(policy: Policy) -> Self {
        Self { policy, state: State::Listening, turn: TurnId::default(), caller: None, failed: false }
    }

    /// Who has the floor.
    pub fn state(&self) -> State {
        self.state
    }

    /// The current turn.
    pub fn turn(&self) -> TurnId {
        self.turn
    }

    /// Whether the caller's turn is open, so that audio belongs to it.
    pub fn caller_has_turn(&self) -> bool {
        self.caller.is_some()
    }

    /// Whether nothing is going on.
    pub fn is_idle(&self) -> bool {
        self.state == State::Listening && self.caller.is_none()
    }

    /// Takes what happened and appends what is to be done.
    pub fn take(&mut self, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::SpeechStarted(at) => self.speech_started(at, actions),
            Input::SpeechStopped(at) => {
                if let Some(caller) = &mut self.caller {
                    caller.stopped = Some(at);
                }
            }
            Input::Tick(now) => self.tick(now, actions),
            Input::NoReply(turn) if turn == self.turn => match self.state {
                State::Thinking => self.state = State::Listening,
                State::Speaking => {}
                State::Listening | State::Interrupted => self.failed = true,
            },
            Input::AudioStarted(turn) if turn == self.turn && self.state == State::Thinking => {
                self.state = State::Speaking;
            }
            Input::AudioFinished(turn)
                if turn == self.turn && matches!(self.state, State::Thinking | State::Speaking) =>
            {
                self.state = State::Listening;
            }
            Input::NoReply(_) | Input::AudioStarted(_) | Input::AudioFinished(_) => {}
        }
    }

    fn speech_started(&mut self, at: Position, actions: &mut Vec<Action>) {
        if let Some(caller) = &mut self.caller {
            caller.stopped = None;
            return;
        }
        if matches!(self.state, State::Thinking | State::Speaking) {
            actions.push(Action::Interrupt(self.turn));
            self.state = State::Interrupted;
        }
        self.begin(at, actions);
    }

    fn begin(&mut self, from: Position, actions: &mut Vec<Action>) {
        self.turn = self.turn.next();
        self.failed = false;
        self.caller = Some(Caller { from, stopped: None });
        actions.push(Action::Begin(self.turn, from));
    }

    fn tick(&mut self, now: Position, actions: &mut Vec<Action>) {
        let Some(caller) = self.caller else { return };
        if let Some(stopped) = caller.stopped.filter(|at| now.since(*at) >= self.policy.silence) {
            self.caller = None;
            if self.failed {
                self.state = State::Listening;
            } else {
                self.state = State::Thinking;
                actions.push(Action::End(self.turn, stopped));
            }
        } else if now.since(caller.from) >= self.policy.max_turn {
            actions.push(Action::End(self.turn, now));
            self.begin(now, actions);
            self.caller = Some(Caller { from: now, stopped: caller.stopped });
        }
    }
}
