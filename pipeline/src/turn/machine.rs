mod perform;

use rejoinder_models::units::{Position, Samples};

use super::Verdict;
use super::caller::Caller;
use super::input::{Action, Input, Outlook};
use super::policy::Policy;
use super::table::{On, State, TABLE, When};
use crate::message::{Control, TurnId};

/// How far the reply to the current turn has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    Pending,
    Sounds,
    #[default]
    Over,
}

/// The state machine of one conversation.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(super) policy: Policy,
    pub(super) state: State,
    pub(super) now: Position,
    pub(super) turn: TurnId,
    pub(super) next: TurnId,
    pub(super) caller: Option<Caller>,
    pub(super) reply: Reply,
    pub(super) failed: bool,
    pub(super) muted: bool,
    /// Whether the current turn is one of the assistant's own.
    pub(super) own: bool,
    /// Whether a reply to the caller has sounded since they were last spoken to unasked, so that they may be asked whether
    /// they are still there.
    pub(super) answered: bool,
    /// When `Listening` was entered.
    pub(super) silent_since: Position,
    /// When the assistant has something to tell of its own accord.
    pub(super) reminder: Option<Position>,
    /// Whether what is said took the place of a turn that had no answer yet, and is to be answered with it.
    pub(super) owed: bool,
    /// Whether the wake phrase was said, and nothing has been answered since.
    pub(super) addressed: bool,
}

/// For so long at least somebody who was woken may think of what to say: 5 s.
const AFTER_WAKING: Samples = Samples(5 * 16_000);

impl Machine {
    /// A conversation in which nobody has spoken yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            state: if policy.follow_up.is_some() { State::Asleep } else { State::Listening },
            now: Position(0),
            turn: TurnId::default(),
            next: TurnId::new(1),
            caller: None,
            reply: Reply::Over,
            failed: false,
            muted: false,
            own: false,
            answered: false,
            silent_since: Position(0),
            reminder: None,
            owed: false,
            addressed: false,
        }
    }

    /// Who has the floor.
    pub fn state(&self) -> State {
        self.state
    }

    /// The turn to which what is said now belongs, or may come to belong; else the current one.
    pub fn turn(&self) -> TurnId {
        self.caller.map_or(self.turn, |caller| caller.id)
    }

    /// Since when, and until when, the caller speaks over the reply; none when nobody does.
    pub fn overlap(&self) -> Option<(Position, Option<Position>)> {
        let caller = self.caller.filter(|_| self.state == State::Interrupted)?;
        Some((caller.from, caller.stopped))
    }

    /// From when on, and until when, the caller has spoken within a turn, where they are silent now.
    pub fn pause(&self) -> Option<(Position, Position)> {
        let caller = self.caller.filter(|caller| self.state == State::Pausing && !caller.held)?;
        Some((caller.from, caller.stopped?))
    }

    /// Whether somebody is listened to, so that audio belongs to [`turn`](Self::turn).
    pub fn is_hearing(&self) -> bool {
        self.caller.is_some()
    }

    /// Whether the microphone is off.
    pub fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether what is said now is said over a reply.
    pub fn is_overlapped(&self) -> bool {
        matches!(self.state, State::Speaking | State::Interrupted)
    }

    /// Whether nothing is going on.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Listening | State::Asleep)
    }

    /// Takes what happened and appends what is to be done.
    pub fn take(&mut self, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::SpeechStarted(at) => self.on(On::SpeechStarted, at, actions),
            Input::SpeechStopped(at) => self.on(On::SpeechStopped, at, actions),
            Input::Tick(now) => self.tick(now, actions),
            Input::Control(control) => self.control(control, actions),
            Input::Transcript { turn, wakes, complete } if self.hears(turn) => {
                let known = complete && self.caller.is_some_and(|caller| caller.asked);
                if wakes {
                    self.on(On::WakePhrase, self.now, actions);
                }
                if known {
                    self.on(On::Transcribed, self.now, actions);
                }
            }
            Input::WakeWord(turn) if self.hears(turn) => self.on(On::WakePhrase, self.now, actions),
            Input::Paused(turn, outlook) if self.hears(turn) => {
                let on = match outlook {
                    Outlook::Complete => On::Complete,
                    Outlook::Undecided => On::Undecided,
                    Outlook::Unfinished => On::Unfinished,
                };
                self.on(on, self.now, actions);
            }
            Input::Judged(turn, verdict) if self.hears(turn) => {
                let on = match verdict {
                    Verdict::Interruption => On::Interruption,
                    Verdict::Backchannel => On::Backchannel,
                    Verdict::Noise => On::Noise,
                };
                self.on(on, self.now, actions);
            }
            Input::Scheduled(at) => self.reminder = at,
            Input::NoReply(turn) if self.state == State::Interrupted && self.hears(turn) => self.failed = true,
            Input::NoReply(turn) if turn == self.replying() => self.on(On::ReplyFailed, self.now, actions),
            Input::AudioStarted(turn) if turn == self.turn => self.on(On::AudioStarted, self.now, actions),
            Input::AudioFinished(turn) if turn == self.turn => self.on(On::AudioFinished, self.now, actions),
            Input::Unheard(turn) if turn == self.turn && self.reply != Reply::Over => {
                self.on(On::Unheard, self.now, actions);
            }
            Input::Transcript { .. }
            | Input::WakeWord(_)
            | Input::Paused(..)
            | Input::Judged(..)
            | Input::NoReply(_)
            | Input::AudioStarted(_)
            | Input::AudioFinished(_)
            | Input::Unheard(_) => {}
        }
    }

    /// The turn whose failure counts: while somebody speaks over a reply, that of the reply.
    fn replying(&self) -> TurnId {
        if self.state == State::Interrupted { self.turn } else { self.turn() }
    }

    fn hears(&self, turn: TurnId) -> bool {
        self.caller.is_some_and(|caller| caller.id == turn)
    }

    fn control(&mut self, control: Control, actions: &mut Vec<Action>) {
        match control {
            Control::Press => self.on(On::Press, self.now, actions),
            Control::Release => self.on(On::Release, self.now, actions),
            Control::Mute => {
                self.muted = true;
                self.on(On::Mute, self.now, actions);
            }
            Control::Unmute => {
                self.muted = false;
                // Who could not be heard was not silent.
                self.silent_since = self.now;
            }
        }
    }

    fn tick(&mut self, now: Position, actions: &mut Vec<Action>) {
        self.now = self.now.max(now);
        let by_time = [
            On::Hangover,
            On::MinSilence,
            On::MaxTurn,
            On::Window,
            On::LateWindow,
            On::Reminder,
            On::NoAnswer,
            On::FollowUp,
        ];
        for on in by_time {
            if self.is_due(on) {
                self.on(on, now, actions);
            }
        }
    }

    fn is_due(&self, on: On) -> bool {
        let Policy { min_silence, hangover, patience, max_turn, judge_window, .. } = self.policy;
        let passed = |since: Option<Position>, length| since.is_some_and(|since| self.now.since(since) >= length);
        let from = self.caller.map(|caller| caller.from);
        let stopped = self.caller.filter(|caller| !caller.held).and_then(|caller| caller.stopped);
        let silent = |length: Option<Samples>| {
            self.state == State::Listening && length.is_some_and(|length| passed(Some(self.silent_since), length))
        };
        match on {
            On::Hangover => {
                let unfinished = self.caller.is_some_and(|caller| caller.unfinished);
                passed(stopped, if unfinished { patience } else { hangover })
            }
            On::MinSilence => passed(stopped, min_silence),
            On::MaxTurn => passed(self.caller.map(|caller| caller.opened), max_turn),
            On::Window => passed(from, judge_window),
            On::LateWindow => passed(from, Samples(2 * judge_window.0)),
            // What somebody begins to say may be the wake phrase.
            On::Reminder if self.state == State::Waking && !passed(from, judge_window) => false,
            On::Reminder => self.reminder.is_some_and(|at| at <= self.now),
            On::NoAnswer => self.answered && !self.muted && silent(self.policy.no_answer),
            On::FollowUp => silent(
                self.policy.follow_up.map(|length| if self.addressed { length.max(AFTER_WAKING) } else { length }),
            ),
            _ => false,
        }
    }

    fn on(&mut self, on: On, at: Position, actions: &mut Vec<Action>) {
        let fits = |row: &&super::table::Row| {
            row.from == self.state && row.on == on && row.when.iter().all(|when| self.holds(*when))
        };
        let Some(row) = TABLE.iter().find(fits) else { return };
        for todo in row.todo {
            self.perform(*todo, at, actions);
        }
        if row.to == State::Listening && self.state != State::Listening {
            self.silent_since = self.now;
        }
        self.state = row.to;
    }

    fn holds(&self, when: When) -> bool {
        let Policy { min_speech, half_duplex, push_to_talk, max_starts, .. } = self.policy;
        let caller = |holds: fn(&Caller) -> bool| self.caller.as_ref().is_some_and(holds);
        match when {
            When::OpenMicrophone => !self.muted && (!push_to_talk || caller(|caller| caller.held)),
            When::FullDuplex => !self.muted && !push_to_talk && !half_duplex,
            When::Unmuted => !self.muted,
            When::Held => caller(|caller| caller.held),
            When::Silent => caller(|caller| caller.since.is_none()),
            When::Unasked => caller(|caller| !caller.asked),
            When::Known => caller(|caller| caller.known),
            When::Ahead => caller(|caller| caller.ahead),
            When::MayStart => {
                !self.failed && self.caller.is_some_and(|caller| !caller.ahead && caller.starts < max_starts)
            }
            When::Brief => !self.owed && self.caller.is_some_and(|caller| caller.spoken < min_speech),
            When::Failed => self.failed,
            When::ReplyOver => self.reply == Reply::Over,
            When::ReplyPending => self.reply == Reply::Pending,
            When::ReplySounds => self.reply == Reply::Sounds,
        }
    }
}
