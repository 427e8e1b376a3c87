//! What flows down the chain of stages.

mod turns;

use rejoinder_models::asr::Transcript;
use rejoinder_models::units::{Position, Samples};
use serde::{Deserialize, Serialize};
pub use turns::TurnId;
pub(crate) use turns::Turns;

/// A message from one stage to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The turn that it belongs to.
    pub turn: TurnId,
    /// When it was sent, on the one clock.
    pub at: Position,
    /// What it says.
    pub body: Body,
}

/// What opened the caller's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Their voice.
    Voice,
    /// The talk button.
    Button,
    /// The wake phrase; where a spotter heard it, shortly before this moment.
    Phrase(Option<Position>),
}

/// What a message says. A stage forwards each kind that it does not handle.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// Into `listen`: mono samples at the source's rate.
    Captured(Vec<f32>),
    /// Into `listen`: this turn gets no reply.
    NoReply,
    /// Into `listen`: the transcript so far.
    Overheard {
        /// Its text.
        text: String,
        /// The recogniser's mean probability for its words, 0 to 1.
        confidence: f32,
        /// Whether it takes in all that was said up to a pause.
        complete: bool,
        /// How much likelier a sentence ends here than after any word, as a ratio of odds.
        ending: f32,
        /// The log-odds that all was said, by the recogniser's own states; none where it has no net for that, and before a
        /// pause.
        finality: Option<f32>,
    },
    /// Into `listen`: when a tool has something to tell of its own accord; none for never, as things stand.
    Scheduled(Option<Position>),
    /// Into `listen`: what the caller does besides speaking.
    Control(Control),
    /// Into `listen`: nothing is captured any more, and nobody is there to let a button go.
    CaptureEnded,
    /// Into `listen`: this device stands still. Of the loudspeaker that is said once a reply waits for it.
    Lost(AudioDevice),
    /// This device goes on.
    Found(AudioDevice),
    /// The machine's clock moved on otherwise than the conversation's: the machine has slept, or was put right.
    ClockMoved,
    /// Somebody begins to speak; the audio that follows starts at this moment. Whether it is the caller's turn is not
    /// known yet.
    Began(Position),
    /// What began is the caller's turn.
    Taken(Opening),
    /// What began is no turn.
    Dropped,
    /// Whose voice the caller's is, as far as is known: none of the enrolled ones, or the one of this name.
    Identified(Option<String>),
    /// The caller's turn, mono at 16 kHz, in pieces.
    Heard(Vec<f32>),
    /// The caller is silent: the transcript as if the turn ended here is wanted now.
    Paused {
        /// Whether a reply is to be begun ahead.
        ahead: bool,
    },
    /// The caller goes on after a pause: a reply that was begun ahead is dropped.
    Resumed,
    /// The caller's turn is over.
    Ended,
    /// To be said by the assistant of its own accord.
    Say(String),
    /// What the tools have to tell is to be said.
    Remind,
    /// The transcript so far.
    Partial(Transcript),
    /// The transcript of what may be the whole turn: a reply may be begun ahead. If it is, [`Final`](Self::Final)
    /// repeats it.
    Ahead(Transcript),
    /// The transcript of the whole turn, word times on the one clock.
    Final(Transcript),
    /// A piece of the reply's text.
    Reply(String),
    /// The reply's text is complete.
    ReplyEnd,
    /// A piece of the reply's sound.
    Sound(Sound),
    /// The reply's sound is complete.
    SoundEnd {
        /// Whether all of it is there: a stage that fails ends it early.
        whole: bool,
    },
}

impl Body {
    /// Whether this is work on a reply, which nobody wants once the turn is stale. The caller's own words are kept.
    pub fn is_reply(&self) -> bool {
        matches!(self, Self::Reply(_) | Self::ReplyEnd | Self::Sound(_) | Self::SoundEnd { .. })
    }
}

/// What the caller does besides speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The talk button goes down: the caller's turn begins, and ends a reply.
    Press,
    /// The talk button is let go: the caller's turn is over.
    Release,
    /// The microphone is switched off.
    Mute,
    /// The microphone is switched on again.
    Unmute,
}

/// A device of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioDevice {
    /// What hears the caller.
    Microphone,
    /// What plays the assistant's replies.
    Loudspeaker,
}

impl std::fmt::Display for AudioDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Microphone => "microphone",
            Self::Loudspeaker => "loudspeaker",
        })
    }
}

/// The magnitude from which sound is heard, -50 dB of full scale.
pub(crate) const AUDIBLE: f32 = 3.2e-3;

/// A piece of a reply's sound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sound {
    /// Mono samples in [-1, 1] at the synthesizer's rate.
    pub samples: Vec<f32>,
    /// What of the reply's text is spoken from this piece on, up to the end of its clause; empty where the piece before
    /// had it.
    pub text: String,
    /// The words that begin in this piece.
    pub words: Vec<ReplyWord>,
}

/// When a word of a reply is over.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyWord {
    /// The word as it stands in the text.
    pub text: String,
    /// The byte offset in the reply's whole text just after the word.
    pub text_end: usize,
    /// The word's end, in samples of the synthesizer's rate since the reply's sound began.
    pub end: Samples,
}
