//! The models of an assistant, opened and shared by all its conversations.

use std::sync::Arc;

use rejoinder_models::asr::Recognizer;
use rejoinder_models::llm::Responder;
use rejoinder_models::text::ClauseConfig;
use rejoinder_models::tts::Synthesizer;
use rejoinder_models::vad::{SegmenterConfig, Vad};

use crate::dialogue::Toolbox;
use crate::turn::Policy;

/// Makes the tools of one conversation, with a state of their own.
pub type ToolboxMaker = Arc<dyn Fn() -> Toolbox + Send + Sync>;

/// What a conversation runs on: four models and how to use them. Immutable and cheap to clone.
#[derive(Clone)]
pub struct Assistant {
    /// Is somebody speaking?
    pub vad: Arc<dyn Vad>,
    /// When speech begins and ends, by the detector's probabilities.
    pub segments: SegmenterConfig,
    /// What is said?
    pub recognizer: Arc<dyn Recognizer>,
    /// What to answer?
    pub responder: Arc<dyn Responder>,
    /// Where the reply is cut into pieces to be spoken.
    pub clauses: ClauseConfig,
    /// How to say it.
    pub synthesizer: Arc<dyn Synthesizer>,
    /// When a turn is over.
    pub policy: Policy,
    /// How much sound before the detected beginning belongs to a turn, in milliseconds.
    pub preroll_ms: f64,
    /// The instructions that open the dialogue.
    pub instructions: String,
    /// How many messages are remembered.
    pub memory: usize,
    /// How many tools one reply may call, one after another.
    pub max_tool_calls: usize,
    /// The tools.
    pub tools: ToolboxMaker,
}
