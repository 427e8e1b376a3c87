//! The models of an assistant, opened and shared by all its conversations.

use std::sync::Arc;

use rejoinder_models::asr::Recognizer;
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::enhance::Enhancer;
use rejoinder_models::llm::Responder;
use rejoinder_models::llm::llama::LlamaResponder;
use rejoinder_models::llm::openai::OpenAiResponder;
use rejoinder_models::text::ClauseConfig;
use rejoinder_models::tts::Synthesizer;
use rejoinder_models::turn::{ENCODER_STATES, TurnDetector};
use rejoinder_models::vad::{SegmenterConfig, Vad};
use rejoinder_models::{runtime, zoo};

use crate::config::{Config, ResponderConfig};
use crate::dialogue::{Calendar, Toolbox};
use crate::identity::Identity;
use crate::turn::{Judge, RuleJudge, TurnTaking};
use crate::wake::WakeWord;
use crate::{Error, Result};

/// Makes the tools of one conversation, with a state of their own, which go by its calendar.
pub type ToolboxMaker = Arc<dyn Fn(Calendar) -> Toolbox + Send + Sync>;

/// What a conversation runs on: its models and how to use them. Immutable and cheap to clone.
#[derive(Clone)]
pub struct Assistant {
    /// Takes the assistant's own voice, noise and distance out of what the microphone hears. None where that is not
    /// wanted.
    pub enhancer: Option<Arc<dyn Enhancer>>,
    /// Is somebody speaking?
    pub vad: Arc<dyn Vad>,
    /// When speech begins and ends, by the detector's probabilities.
    pub segments: SegmenterConfig,
    /// What is said?
    pub recognizer: Arc<dyn Recognizer>,
    /// Whose voice is it? Nobody asks where no voices are enrolled.
    pub identity: Option<Identity>,
    /// What to answer?
    pub responder: Arc<dyn Responder>,
    /// Where the reply is cut into pieces to be spoken.
    pub clauses: ClauseConfig,
    /// How to say it.
    pub synthesizer: Arc<dyn Synthesizer>,
    /// Who may take the floor, and when a turn is over.
    pub turn_taking: TurnTaking,
    /// Has a caller who pauses said all? Without it, silence alone decides.
    pub turn_detector: Option<Arc<dyn TurnDetector>>,
    /// Listens for the phrase that opens a conversation, where the transcript does not.
    pub wake_word: Option<WakeWord>,
    /// Tells interruptions from backchannels and noise.
    pub judge: Arc<dyn Judge>,
    /// The instructions that open the dialogue.
    pub instructions: String,
    /// How many messages are remembered.
    pub memory: usize,
    /// How many tools one reply may call, one after another.
    pub max_tool_calls: usize,
    /// What is said in place of a reply whose model failed before its first word; without it, nothing is.
    pub apology: Option<String>,
    /// The tools.
    pub tools: ToolboxMaker,
}

impl Assistant {
    /// Opens the models that a configuration names.
    ///
    /// # Errors
    /// [`Error::Models`] naming the bundle, file or engine that is missing or damaged.
    pub fn open(config: &Config) -> Result<Self> {
        let runtime = runtime::open(&config.runtime)?;
        let tools = config.tools.clone();
        Ok(Self {
            enhancer: config.audio.enhance.open(runtime.as_ref())?,
            vad: config.vad.open(runtime.as_ref())?,
            segments: config.segments,
            recognizer: zoo::open_recognizer_with(
                &config.recognizer,
                &config.runtime,
                &config.latency,
                &config.decoding,
            )?,
            identity: config.speaker.as_ref().map(|speaker| Identity::open(speaker, &config.runtime)).transpose()?,
            responder: open_responder(&config.responder)?,
            clauses: config.clauses,
            synthesizer: zoo::open_synthesizer(&config.synthesizer, &config.runtime)?,
            turn_taking: config.turn_taking.clone(),
            turn_detector: open_turn_detector(config)?,
            wake_word: config.wake_word.as_ref().map(|wake| WakeWord::open(wake, &config.runtime)).transpose()?,
            judge: Arc::new(RuleJudge::new(config.judge.clone())),
            instructions: config.instructions.clone(),
            memory: config.memory,
            max_tool_calls: config.max_tool_calls,
            apology: config.apology.clone(),
            tools: Arc::new(move |calendar| Toolbox::assistant(&tools, calendar)),
        })
    }
}

fn open_turn_detector(config: &Config) -> Result<Option<Arc<dyn TurnDetector>>> {
    let Some(path) = &config.turn_detector else { return Ok(None) };
    let detector = zoo::open_turn_detector(path, &config.runtime)?;
    if detector.name() == ENCODER_STATES {
        let reason = "turn.end.model: expected a detector of turn ends, found a recogniser, which tells what it knows of them \
                      without being named here";
        return Err(Error::config(path, reason));
    }
    Ok(Some(detector))
}

fn open_responder(config: &ResponderConfig) -> Result<Arc<dyn Responder>> {
    Ok(match config {
        ResponderConfig::Llama(path, options) if path.is_dir() => {
            let bundle = Bundle::open(path)?;
            Arc::new(LlamaResponder::open(bundle.path(MODEL_ROLE)?, options.clone())?)
        }
        ResponderConfig::Llama(path, options) => Arc::new(LlamaResponder::open(path, options.clone())?),
        ResponderConfig::OpenAi(options) => Arc::new(OpenAiResponder::new(options.clone())?),
    })
}
