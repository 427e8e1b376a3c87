//! What was written: the shape of a TOML file, with nothing looked up or checked against anything else.

use std::path::PathBuf;

use rejoinder_models::asr::Decoding;
use rejoinder_models::enhance::EnhanceConfig;
use rejoinder_models::llm::llama::LlamaOptions;
use rejoinder_models::llm::openai::OpenAiOptions;
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::text::ClauseConfig;
use rejoinder_models::vad::{SegmenterConfig, VadConfig};
use serde::{Deserialize, Serialize};

use super::turn::{RawInterruption, RawSpeculation, RawTurn};

/// A file in `configs/assistants`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The engine for ONNX models.
    #[serde(default)]
    pub runtime: RuntimeConfig,
    /// Microphone and loudspeaker.
    #[serde(default)]
    pub audio: AudioConfig,
    /// Is somebody speaking?
    #[serde(default)]
    pub vad: VadConfig,
    /// How long speech and silence must last to count.
    #[serde(default)]
    pub segments: SegmenterConfig,
    /// Who may take the floor, and when a turn is over.
    #[serde(default)]
    pub turn: RawTurn,
    /// What happens when somebody speaks over a reply.
    #[serde(default)]
    pub interruption: RawInterruption,
    /// Replies that are begun before it is certain that the caller is done.
    #[serde(default)]
    pub speculation: RawSpeculation,
    /// Speech to text.
    pub asr: RawAsr,
    /// Whose voice it is. Default: nobody asks.
    #[serde(default)]
    pub speaker: Option<RawSpeaker>,
    /// Dialogue.
    pub llm: RawLlm,
    /// Text to speech.
    pub tts: RawTts,
    /// Where a reply is cut into pieces to be spoken.
    #[serde(default)]
    pub clauses: ClauseConfig,
    /// What the model is told, and what it may do.
    #[serde(default)]
    pub dialogue: RawDialogue,
}

/// Microphone and loudspeaker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudioConfig {
    /// The microphone's id or name. Default: the system's.
    pub input: Option<String>,
    /// The loudspeaker's id or name. Default: the system's.
    pub output: Option<String>,
    /// How much sound a device takes or gives at a time. Default: 10.
    pub block_ms: f64,
    /// What is done to the microphone's sound: with a loudspeaker that it hears, `echo` is to be on.
    pub enhance: EnhanceConfig,
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self { input: None, output: None, block_ms: 10.0, enhance: EnhanceConfig::default() }
    }
}

/// Speech to text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAsr {
    /// A bundle's name, its folder, or an ONNX file with a card inside.
    pub model: String,
    /// The length of the chunks in which it hears, one of those that the bundle offers. Default: the bundle's.
    #[serde(default)]
    pub chunk_ms: Option<f64>,
    /// How far before its chunk a sound is seen, likewise.
    #[serde(default)]
    pub left_ms: Option<f64>,
    /// The search, where the bundle's own is not wanted.
    #[serde(default)]
    pub decoding: Decoding,
}

/// Enrolled voices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSpeaker {
    /// A bundle's name or its folder.
    pub model: String,
    /// The file that `rejoinder enrol` writes; its path counts from this file's folder.
    pub voices: PathBuf,
    /// The cosine from which on a voice is taken for an enrolled one. Default: the model's own.
    #[serde(default)]
    pub threshold: Option<f32>,
    /// How the model is told who says something, such as `"{name}: {text}"`. Default: it is not told.
    #[serde(default)]
    pub told: Option<String>,
}

/// Dialogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLlm {
    /// Who answers.
    pub kind: LlmKind,
    /// For `llama`: a bundle's name, its folder, or any GGUF file.
    pub model: Option<String>,
    /// For `llama`: how it answers.
    pub options: Option<LlamaOptions>,
    /// For `openai`: where it is and how it is asked.
    pub endpoint: Option<OpenAiOptions>,
    /// For `openai`: the environment variable that holds the key. Default: no key is sent.
    pub api_key_variable: Option<String>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LlmKind {
    /// llama.cpp in process.
    Llama,
    /// An OpenAI-compatible endpoint.
    Openai,
}

/// Text to speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTts {
    /// A bundle's name or its folder.
    pub model: String,
}

/// What the model is told, and what it may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDialogue {
    /// The instructions that open a dialogue. Default: those that the embedded model was trained with.
    pub instructions: String,
    /// Messages that are remembered. Default: 40.
    pub memory: usize,
    /// Tools that one reply may call, one after another. Default: 3.
    pub max_tool_calls: usize,
    /// What is said in place of a reply whose model failed before its first word; empty for nothing. Default: an English
    /// apology, as the voice that is embedded speaks.
    pub apology: String,
    /// The tools that the model may call. Default: all.
    pub tools: Option<Vec<String>>,
}

impl Default for RawDialogue {
    fn default() -> Self {
        let instructions = rejoinder_models::llm::PERSONA.to_owned();
        let apology = "Sorry, I can't answer right now.".to_owned();
        Self { instructions, memory: 40, max_tool_calls: 3, apology, tools: None }
    }
}
