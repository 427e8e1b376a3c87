use serde::{Deserialize, Serialize};

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Task {
    /// Speech to text.
    Asr,
    /// Text to speech.
    Tts,
    /// Dialogue.
    Llm,
    /// Voice activity.
    Vad,
    /// Letters to sounds.
    G2p,
    /// A language model for decoding.
    Lm,
    /// End of a turn.
    Turn,
    /// Words and phrases that are listened for.
    Keyword,
    /// Who speaks.
    Speaker,
    /// Noise and echo removal.
    Enhance,
}

impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Asr => "asr",
            Self::Tts => "tts",
            Self::Llm => "llm",
            Self::Vad => "vad",
            Self::G2p => "g2p",
            Self::Lm => "lm",
            Self::Turn => "turn",
            Self::Keyword => "keyword",
            Self::Speaker => "speaker",
            Self::Enhance => "enhance",
        })
    }
}
