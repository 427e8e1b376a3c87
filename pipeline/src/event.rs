//! What an application is told about a conversation.

use rejoinder_models::asr::Word;
use rejoinder_models::units::Position;
use serde::{Deserialize, Serialize};

use crate::message::{AudioDevice, Body, Control, TurnId};
use crate::turn::{State, Verdict};

/// Something that happened, and when. As JSON: one object with `at_ms`, `turn`, `kind` and the kind's own fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, on the one clock.
    #[serde(rename = "at_ms", with = "as_ms")]
    pub at: Position,
    /// The turn that it belongs to.
    pub turn: TurnId,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The turn-taking state changed.
    State {
        /// The new state.
        state: State,
    },
    /// The caller began to speak.
    SpeechStarted {
        /// When, by the detector's reckoning: some time before the event.
        #[serde(rename = "since_ms", with = "as_ms")]
        since: Position,
    },
    /// The caller fell silent.
    SpeechStopped {
        /// When, by the detector's reckoning.
        #[serde(rename = "since_ms", with = "as_ms")]
        since: Position,
    },
    /// The wake phrase was heard by what listens for it.
    Spotted {
        /// The phrase.
        keyword: String,
        /// How likely it was that it had just been said, 0 to 1.
        probability: f32,
    },
    /// A detector of turn ends was asked in a pause.
    Paused {
        /// How likely it is that the caller has said all, 0 to 1: by the sound, and by the words where they are known.
        probability: f32,
        /// How likely it is by the sound alone, in the mean of the last looks at the pause.
        sound: f32,
        /// How much likelier a sentence ends after these words than after any, as a ratio of odds; none where the
        /// words up to the pause are not known yet.
        ending: Option<f32>,
        /// The log-odds that it is over by the recogniser's states, where they are known.
        finality: Option<f32>,
    },
    /// The caller's turn is over.
    Endpoint {
        /// When the caller last spoke.
        #[serde(rename = "speech_end_ms", with = "as_ms")]
        speech_end: Position,
    },
    /// Whose voice the turn's was, where voices are enrolled.
    Speaker {
        /// The name; none for a stranger.
        name: Option<String>,
        /// The cosine to the nearest enrolled voice.
        score: f32,
    },
    /// The transcript so far.
    Partial {
        /// Its text.
        text: String,
        /// The recogniser's mean probability for its words, 0 to 1; 0 without words.
        confidence: f32,
        /// Whether it takes in all that was said up to a pause.
        complete: bool,
        /// How much likelier a sentence ends here than after any word, as a ratio of odds.
        ending: f32,
        /// The log-odds that all was said, by the recogniser's own states; none where it has no net for that, and before a
        /// pause.
        finality: Option<f32>,
    },
    /// The transcript of the whole turn.
    Final {
        /// Its text.
        text: String,
        /// Its words, in samples of 16 kHz on the one clock.
        words: Vec<Word>,
    },
    /// A piece of the reply's text. The first of a turn is the first token.
    ReplyText {
        /// The piece.
        text: String,
    },
    /// The model has called a tool. For a reply that was begun ahead that is told once it is the turn's.
    ToolCalled {
        /// The tool.
        name: String,
        /// What it is given.
        arguments: serde_json::Value,
    },
    /// The tool has answered.
    ToolReturned {
        /// The tool.
        name: String,
        /// What it gave back.
        result: String,
    },
    /// What the tool was called for is taken back, since the caller went on before the reply was noticed. The model is
    /// asked anew with all that they said.
    ToolTakenBack {
        /// The tool.
        name: String,
    },
    /// When a tool will have something to tell of its own accord, such as that a timer is done; none for never, as
    /// things stand.
    Scheduled {
        /// When, on the one clock.
        due_ms: Option<f64>,
    },
    /// The reply's text is complete.
    ReplyFinished {
        /// All of it.
        text: String,
    },
    /// The first sample of the reply sounds.
    AudioStarted,
    /// A word of the reply was played to its end.
    WordPlayed {
        /// The word.
        text: String,
    },
    /// The last sample of the reply was played.
    AudioFinished,
    /// Somebody speaks over the reply of this turn, which is held back until it is known what that is.
    Ducked {
        /// Its gain meanwhile, in decibels; from -60 on it stands still.
        db: f64,
    },
    /// What was said over a reply, and would become this turn, was judged.
    Judged {
        /// What it is.
        verdict: Verdict,
    },
    /// What was said is no turn: a backchannel, noise, too short, or without the wake phrase.
    Ignored,
    /// The reply that was held back goes on.
    Restored,
    /// The caller spoke over the reply of this turn, which is dropped.
    Interrupted,
    /// What the history keeps of an interrupted reply.
    Kept {
        /// The text that was heard.
        text: String,
    },
    /// The caller pressed or let go a button.
    Controlled {
        /// Which.
        control: Control,
    },
    /// The caller was silent after a reply: the assistant asks, as a turn of its own, whether they are still there.
    Prompted,
    /// The assistant tells, as a turn of its own, what has become due.
    Reminded,
    /// A reply is begun ahead, for the caller may be done.
    SpeculationStarted {
        /// What the caller has said.
        text: String,
    },
    /// A reply that was begun ahead is the turn's.
    SpeculationKept,
    /// A reply that was begun ahead is dropped, for the caller went on.
    SpeculationDropped {
        /// Pieces of its text, about a token each, that were made in vain.
        tokens: usize,
        /// Sound that was made in vain.
        audio_ms: f64,
    },
    /// The turn gets no reply: nothing was understood, or the caller went on.
    NoReply,
    /// A stage failed. Its turn is over, the conversation goes on.
    Failed {
        /// The stage.
        stage: String,
        /// What it said.
        reason: String,
    },
    /// A stage failed at something that the turn can do without: `identify` at a name, `listen` at a piece of sound,
    /// `respond` at a reply in whose place the assistant apologizes. It is told once in a turn, by `listen` once for each
    /// reason.
    Degraded {
        /// The stage.
        stage: String,
        /// What it said.
        reason: String,
    },
    /// A microphone gives nothing: silence takes its place, and the conversation goes on. Or a loudspeaker takes nothing:
    /// the reply of this turn, which waits for it, is dropped, and the history ends with what was heard.
    DeviceLost {
        /// Which.
        device: AudioDevice,
    },
    /// A device that was lost goes on.
    DeviceFound {
        /// Which.
        device: AudioDevice,
    },
    /// The echo canceller found that the loudspeaker's sound comes back after another time than it took before.
    EchoDelay {
        /// How long it takes, to the canceller's precision of 4 ms.
        ms: f64,
    },
    /// A full queue lost something.
    Overrun {
        /// The queue.
        queue: String,
        /// How many samples or messages were lost.
        lost: u64,
    },
}

impl EventKind {
    /// Whether this tells of work on a reply that stops being true once its turn is stale.
    pub(crate) fn is_reply(&self) -> bool {
        matches!(self, Self::ReplyText { .. } | Self::ReplyFinished { .. })
    }

    /// What turn-taking has to know of this.
    pub(crate) fn report(&self) -> Option<Body> {
        match self {
            Self::Scheduled { due_ms } => Some(Body::Scheduled(due_ms.map(Position::from_ms))),
            Self::NoReply | Self::Failed { .. } => Some(Body::NoReply),
            Self::Partial { text, confidence, complete, ending, finality } => Some(Body::Overheard {
                text: text.clone(),
                confidence: *confidence,
                complete: *complete,
                ending: *ending,
                finality: *finality,
            }),
            _ => None,
        }
    }
}

pub(crate) mod as_ms {
    use rejoinder_models::units::Position;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &Position, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(at.ms())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Position, D::Error> {
        f64::deserialize(deserializer).map(Position::from_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_json_object_and_comes_back_the_same() {
        let event = Event {
            at: Position(24_001),
            turn: TurnId::new(2),
            kind: EventKind::Endpoint { speech_end: Position(16_000) },
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"at_ms":1500.0625,"turn":2,"kind":"endpoint","speech_end_ms":1000.0}"#);
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}
