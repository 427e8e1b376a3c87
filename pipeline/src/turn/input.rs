use rejoinder_models::units::Position;

use super::Verdict;
use crate::message::{Control, TurnId};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The detector heard speech begin, at this moment in the past.
    SpeechStarted(Position),
    /// The detector heard speech end, at this moment in the past.
    SpeechStopped(Position),
    /// It is now this late.
    Tick(Position),
    /// What the caller does besides speaking.
    Control(Control),
    /// The transcript of this turn so far.
    Transcript {
        /// The turn.
        turn: TurnId,
        /// Whether the wake phrase is in it.
        wakes: bool,
        /// Whether it takes in all that was said up to a pause.
        complete: bool,
    },
    /// The wake phrase was heard in this turn by what listens for it.
    WakeWord(TurnId),
    /// What the detector of turn ends makes of the caller's silence in this turn.
    Paused(TurnId, Outlook),
    /// What the judge says of speech over the reply, which would become this turn.
    Judged(TurnId, Verdict),
    /// This turn gets no reply.
    NoReply(TurnId),
    /// From this moment on, the assistant has something to tell of its own accord; none for never, as things stand.
    Scheduled(Option<Position>),
    /// The reply to this turn begins to sound.
    AudioStarted(TurnId),
    /// The reply to this turn was played to its end, or had no sound.
    AudioFinished(TurnId),
    /// The reply to this turn waits for a loudspeaker that stands still.
    Unheard(TurnId),
}

/// Whether a caller who is silent has said all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outlook {
    /// What was said is complete: the silence is no pause.
    Complete,
    /// It may be.
    Undecided,
    /// It is not.
    Unfinished,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Listen to what may become this turn, from this moment on.
    Begin(TurnId, Position),
    /// It is the caller's turn: all older work is stale.
    Take(TurnId),
    /// It is no turn: forget it.
    Drop(TurnId),
    /// The transcript up to now is wanted.
    Ask(TurnId),
    /// Begin a reply ahead, and hold it at the gate.
    Start(TurnId),
    /// Drop the reply that was begun ahead; the turn goes on as a new attempt, and all older work is stale.
    Retract(TurnId),
    /// The caller's turn is over; speech ended at this moment. Its reply may sound.
    End(TurnId, Position),
    /// Drop the reply to this turn.
    Interrupt(TurnId),
    /// Drop what is left of the reply to this turn's last attempt, which nobody hears.
    Silence(TurnId),
    /// Hold the reply back.
    Duck,
    /// Let sound through again.
    Restore,
    /// Ask whether the caller is still there, as a turn of the assistant's own.
    Prompt(TurnId),
    /// Tell what has become due, as a turn of the assistant's own.
    Remind(TurnId),
}
