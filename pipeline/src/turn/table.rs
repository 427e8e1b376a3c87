//! The states and transitions as data: the machine runs on this table, and the drawing in the documentation is made
//! from it.

use serde::{Deserialize, Serialize};

use On::*;
use State::*;
use When::*;

/// Who has the floor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody: the wake phrase opens the conversation.
    Asleep,
    /// Somebody speaks, perhaps the wake phrase.
    Waking,
    /// The caller, who is silent so far.
    #[default]
    Listening,
    /// The caller, who speaks or holds the talk button.
    Hearing,
    /// The caller, who is silent within a turn. A reply may be begun ahead, and is held at a gate.
    Pausing,
    /// The caller's turn is over, the reply does not sound yet.
    Thinking,
    /// The reply sounds.
    Speaking,
    /// Somebody speaks over the reply, which is held back until it is known whether that is an interruption.
    Interrupted,
}

/// What a transition waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    SpeechStarted,
    SpeechStopped,
    /// The silence has lasted for `min_silence`.
    MinSilence,
    /// The silence has lasted for `hangover`, or where what was said is unfinished, for `patience`.
    Hangover,
    /// The detector of turn ends takes what was said for complete.
    Complete,
    /// It takes it for unfinished.
    Unfinished,
    /// It cannot tell.
    Undecided,
    /// The caller has spoken for `max_turn`, in Waking without the wake phrase.
    MaxTurn,
    WakePhrase,
    /// The transcript up to the pause is known; in Waking, without the wake phrase in it.
    Transcribed,
    Interruption,
    Backchannel,
    Noise,
    /// The judge's window is over.
    Window,
    /// As much again is over, and the transcript that the judge needs is still not known.
    LateWindow,
    ReplyFailed,
    /// The reply begins to sound.
    AudioStarted,
    /// The reply was played to its end, or had no sound.
    AudioFinished,
    /// The loudspeaker stands still, and the reply waits for it.
    Unheard,
    /// What the assistant has to tell of its own accord is due.
    Reminder,
    /// The silence has lasted for `no_answer`.
    NoAnswer,
    /// The silence has lasted for `follow_up`.
    FollowUp,
    Press,
    Release,
    Mute,
}

/// What else must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The microphone is on and no talk button is needed.
    OpenMicrophone,
    /// As that, and the caller is listened to during a reply.
    FullDuplex,
    Unmuted,
    Held,
    /// The caller is silent.
    Silent,
    /// The transcript up to the pause was not asked for yet.
    Unasked,
    /// It was asked for and is known.
    Known,
    /// A reply was begun ahead.
    Ahead,
    /// Another reply may be begun ahead.
    MayStart,
    /// The caller spoke for less than `min_speech`, and nothing that they said before waits for an answer.
    Brief,
    /// A stage has failed in this turn.
    Failed,
    ReplyOver,
    ReplyPending,
    ReplySounds,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Do {
    /// What the caller says is listened to, as what may become a turn.
    Begin,
    /// It is the caller's turn.
    Take,
    /// It is no turn.
    Drop,
    /// The caller speaks.
    Resume,
    /// The caller is silent.
    Stop,
    /// The silence may last for `patience`.
    Wait,
    /// It may last for `hangover`.
    WaitNoMore,
    /// Ask for the transcript up to the pause.
    Ask,
    /// The transcript up to the pause is known.
    Know,
    /// Begin a reply ahead.
    Start,
    /// Drop the reply that was begun ahead.
    Retract,
    /// The turn is over and gets its reply.
    End,
    /// The turn is over and gets its reply; the caller goes on in the next.
    Split,
    /// The talk button is down.
    Hold,
    /// The turn gets no reply.
    Fail,
    /// The reply is dropped.
    Interrupt,
    /// The reply, which nobody hears, is dropped.
    Silence,
    /// The reply is held back.
    Duck,
    /// Sound is let through again.
    Restore,
    /// The assistant asks whether the caller is still there.
    Prompt,
    /// The assistant tells what has become due.
    Remind,
    /// The reply sounds.
    Sound,
    /// The reply is over.
    Over,
}

/// One transition. Of those that fit, the first counts.
pub(super) struct Row {
    pub(super) from: State,
    pub(super) on: On,
    pub(super) when: &'static [When],
    pub(super) to: State,
    pub(super) todo: &'static [Do],
}

const fn row(from: State, on: On, when: &'static [When], to: State, todo: &'static [Do]) -> Row {
    Row { from, on, when, to, todo }
}

/// All transitions. What is not here changes nothing.
pub(super) const TABLE: &[Row] = &[
    row(Asleep, SpeechStarted, &[OpenMicrophone], Waking, &[Do::Begin]),
    row(Asleep, Reminder, &[], Thinking, &[Do::Remind]),
    // A reply that was taken for failed may have begun before it failed.
    row(Asleep, AudioStarted, &[], Speaking, &[Do::Sound]),
    row(Asleep, Press, &[Unmuted], Hearing, &[Do::Begin, Do::Take, Do::Hold]),
    row(Waking, SpeechStarted, &[OpenMicrophone], Waking, &[Do::Resume]),
    row(Waking, SpeechStopped, &[], Waking, &[Do::Stop]),
    row(Waking, AudioStarted, &[], Interrupted, &[Do::Duck, Do::Sound]),
    row(Waking, WakePhrase, &[Silent], Pausing, &[Do::Take]),
    row(Waking, WakePhrase, &[], Hearing, &[Do::Take]),
    row(Waking, Transcribed, &[Silent], Waking, &[Do::Know]),
    row(Waking, MinSilence, &[Unasked], Waking, &[Do::Ask]),
    row(Waking, Hangover, &[Known], Asleep, &[Do::Drop]),
    row(Waking, MaxTurn, &[], Asleep, &[Do::Drop]),
    row(Waking, Reminder, &[], Thinking, &[Do::Drop, Do::Remind]),
    row(Waking, ReplyFailed, &[], Asleep, &[Do::Drop]),
    // What others said before the button is no part of the turn.
    row(Waking, Press, &[Unmuted], Hearing, &[Do::Drop, Do::Begin, Do::Take, Do::Hold]),
    row(Waking, Mute, &[], Asleep, &[Do::Drop]),
    row(Listening, SpeechStarted, &[OpenMicrophone], Hearing, &[Do::Begin, Do::Take]),
    row(Listening, Press, &[Unmuted], Hearing, &[Do::Begin, Do::Take, Do::Hold]),
    row(Listening, AudioStarted, &[], Speaking, &[Do::Sound]),
    row(Listening, Reminder, &[], Thinking, &[Do::Remind]),
    row(Listening, NoAnswer, &[], Thinking, &[Do::Prompt]),
    row(Listening, FollowUp, &[], Asleep, &[]),
    row(Hearing, SpeechStarted, &[], Hearing, &[Do::Resume]),
    row(Hearing, SpeechStopped, &[Held], Hearing, &[Do::Stop]),
    row(Hearing, SpeechStopped, &[], Pausing, &[Do::Stop]),
    row(Hearing, MaxTurn, &[], Hearing, &[Do::Split]),
    row(Hearing, ReplyFailed, &[], Hearing, &[Do::Fail]),
    row(Hearing, Press, &[Unmuted], Hearing, &[Do::Hold]),
    row(Hearing, Release, &[Held, Failed], Listening, &[Do::End]),
    row(Hearing, Release, &[Held], Thinking, &[Do::End]),
    row(Hearing, Mute, &[Held, Failed], Listening, &[Do::End]),
    row(Hearing, Mute, &[Held], Thinking, &[Do::End]),
    row(Hearing, Mute, &[], Pausing, &[Do::Stop]),
    row(Pausing, SpeechStarted, &[OpenMicrophone, Ahead], Hearing, &[Do::Retract, Do::Resume]),
    row(Pausing, SpeechStarted, &[OpenMicrophone], Hearing, &[Do::Resume]),
    row(Pausing, MinSilence, &[MayStart], Pausing, &[Do::Start]),
    row(Pausing, MinSilence, &[Unasked], Pausing, &[Do::Ask]),
    // What was begun ahead of a turn that failed, or is none, is dropped; where it failed, the turn gets another attempt.
    row(Pausing, Hangover, &[Failed, Ahead], Thinking, &[Do::Retract, Do::End]),
    row(Pausing, Hangover, &[Failed], Listening, &[Do::End]),
    row(Pausing, Hangover, &[Brief, Ahead], Listening, &[Do::Retract, Do::Drop]),
    row(Pausing, Hangover, &[Brief], Listening, &[Do::Drop]),
    row(Pausing, Hangover, &[], Thinking, &[Do::End]),
    row(Pausing, Complete, &[Failed, Ahead], Thinking, &[Do::Retract, Do::End]),
    row(Pausing, Complete, &[Failed], Listening, &[Do::End]),
    row(Pausing, Complete, &[Brief, Ahead], Listening, &[Do::Retract, Do::Drop]),
    row(Pausing, Complete, &[Brief], Listening, &[Do::Drop]),
    row(Pausing, Complete, &[], Thinking, &[Do::End]),
    row(Pausing, Unfinished, &[], Pausing, &[Do::Wait]),
    row(Pausing, Undecided, &[], Pausing, &[Do::WaitNoMore]),
    row(Pausing, ReplyFailed, &[], Pausing, &[Do::Fail]),
    row(Pausing, Press, &[Unmuted, Ahead], Hearing, &[Do::Retract, Do::Hold]),
    row(Pausing, Press, &[Unmuted], Hearing, &[Do::Hold]),
    row(Thinking, SpeechStarted, &[FullDuplex], Interrupted, &[Do::Duck, Do::Begin]),
    row(Thinking, Press, &[Unmuted], Hearing, &[Do::Interrupt, Do::Begin, Do::Take, Do::Hold]),
    row(Thinking, AudioStarted, &[], Speaking, &[Do::Sound]),
    row(Thinking, AudioFinished, &[], Listening, &[Do::Over]),
    row(Thinking, Unheard, &[], Listening, &[Do::Silence]),
    row(Thinking, ReplyFailed, &[], Listening, &[Do::Over]),
    row(Speaking, SpeechStarted, &[FullDuplex], Interrupted, &[Do::Duck, Do::Begin]),
    row(Speaking, Press, &[Unmuted], Hearing, &[Do::Interrupt, Do::Begin, Do::Take, Do::Hold]),
    row(Speaking, AudioFinished, &[], Listening, &[Do::Over]),
    row(Speaking, Unheard, &[], Listening, &[Do::Silence]),
    row(Interrupted, SpeechStarted, &[OpenMicrophone], Interrupted, &[Do::Resume]),
    row(Interrupted, SpeechStopped, &[], Interrupted, &[Do::Stop, Do::Ask]),
    row(Interrupted, Interruption, &[Silent], Pausing, &[Do::Interrupt, Do::Take, Do::Restore]),
    row(Interrupted, Interruption, &[], Hearing, &[Do::Interrupt, Do::Take, Do::Restore]),
    row(Interrupted, Backchannel, &[Silent, ReplyPending], Pausing, &[Do::Interrupt, Do::Take, Do::Restore]),
    row(Interrupted, Backchannel, &[Silent, ReplySounds], Speaking, &[Do::Drop, Do::Restore]),
    row(Interrupted, Backchannel, &[Silent, ReplyOver], Listening, &[Do::Drop, Do::Restore]),
    row(Interrupted, Noise, &[ReplyPending], Thinking, &[Do::Drop, Do::Restore]),
    row(Interrupted, Noise, &[ReplySounds], Speaking, &[Do::Drop, Do::Restore]),
    row(Interrupted, Noise, &[ReplyOver], Listening, &[Do::Drop, Do::Restore]),
    row(Interrupted, Transcribed, &[Silent], Interrupted, &[Do::Know]),
    row(Interrupted, Window, &[Silent, Known, ReplyPending], Thinking, &[Do::Drop, Do::Restore]),
    row(Interrupted, Window, &[Silent, Known, ReplySounds], Speaking, &[Do::Drop, Do::Restore]),
    row(Interrupted, Window, &[Silent, Known, ReplyOver], Listening, &[Do::Drop, Do::Restore]),
    // A recogniser that is slow, or was busy, must not cost what was said.
    row(Interrupted, Window, &[Silent], Interrupted, &[]),
    row(Interrupted, Window, &[], Hearing, &[Do::Interrupt, Do::Take, Do::Restore]),
    row(Interrupted, LateWindow, &[Silent], Pausing, &[Do::Interrupt, Do::Take, Do::Restore]),
    row(Interrupted, AudioStarted, &[], Interrupted, &[Do::Sound]),
    row(Interrupted, AudioFinished, &[], Interrupted, &[Do::Over]),
    row(Interrupted, Unheard, &[], Interrupted, &[Do::Silence]),
    row(Interrupted, ReplyFailed, &[], Interrupted, &[Do::Over]),
    row(Interrupted, Press, &[Unmuted], Hearing, &[Do::Interrupt, Do::Take, Do::Restore, Do::Hold]),
    row(Interrupted, Mute, &[], Interrupted, &[Do::Stop, Do::Ask]),
];

/// The drawing and the list of all transitions, as Markdown.
#[cfg(test)]
pub(super) fn render() -> String {
    use std::fmt::Write;

    let all = [Asleep, Waking, Listening, Hearing, Pausing, Thinking, Speaking, Interrupted];
    let mut text = "```mermaid\nstateDiagram-v2\n    [*] --> listening\n    [*] --> asleep\n".to_owned();
    for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from, to))).filter(|(a, b)| a != b) {
        let mut events: Vec<String> =
            TABLE.iter().filter(|row| (row.from, row.to) == (*from, *to)).map(|row| words(&row.on)).collect();
        events.dedup();
        if !events.is_empty() {
            let _ = writeln!(text, "    {} --> {}: {}", words(from), words(to), events.join(", "));
        }
    }
    text.push_str("```\n\n| in | on | if | then | does |\n|---|---|---|---|---|\n");
    for row in TABLE {
        let list = |items: Vec<String>| items.join(", ");
        let when = list(row.when.iter().map(|when| words(when)).collect());
        let todo = list(row.todo.iter().map(|todo| words(todo)).collect());
        let _ = writeln!(text, "| {} | {} | {when} | {} | {todo} |", words(&row.from), words(&row.on), words(&row.to));
    }
    text
}

/// `SpeechStarted` as "speech started".
#[cfg(test)]
fn words(name: &dyn std::fmt::Debug) -> String {
    let mut text = String::new();
    for c in format!("{name:?}").chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}
