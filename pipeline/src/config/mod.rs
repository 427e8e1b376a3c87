//! What an assistant is made of: a TOML file that is read (raw), looked up and checked (resolved), and then opened.

mod raw;
#[cfg(test)]
mod tests;
mod turn;

use std::path::{Path, PathBuf};

use rejoinder_models::asr::Decoding;
use rejoinder_models::card::{Bundle, LatencyChoice};
use rejoinder_models::in_one_line;
use rejoinder_models::llm::llama::LlamaOptions;
use rejoinder_models::llm::openai::{OpenAiOptions, OpenAiResponder};
use rejoinder_models::llm::tools::Tools;
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::text::ClauseConfig;
use rejoinder_models::vad::{SegmenterConfig, VadConfig};
use rejoinder_models::variant::{self, Variant};
use rejoinder_models::zoo;

pub use raw::{AudioConfig, LlmKind, RawAsr, RawConfig, RawDialogue, RawLlm, RawSpeaker, RawTts};
pub use turn::{RawEnd, RawInterruption, RawNoAnswer, RawSpeculation, RawTurn, RawWake};

use crate::turn::{RuleJudgeConfig, TurnTaking};
use crate::{Error, Result};

/// Where the configuration is that is used when none is named.
const DEFAULT: &str = "configs/assistants/default.toml";

/// The tables whose other keys depend on their `kind`.
const TAGGED: [&str; 2] = ["vad", "llm"];

/// What will run.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file that it came from.
    pub path: PathBuf,
    /// The engine for ONNX models.
    pub runtime: RuntimeConfig,
    /// Microphone and loudspeaker.
    pub audio: AudioConfig,
    /// Is somebody speaking?
    pub vad: VadConfig,
    /// How long speech and silence must last to count.
    pub segments: SegmenterConfig,
    /// Who may take the floor, and when a turn is over.
    pub turn_taking: TurnTaking,
    /// The bundle or file of what tells whether a turn is over, where silence alone does not decide.
    pub turn_detector: Option<PathBuf>,
    /// What listens for the wake phrase, where the transcript does not.
    pub wake_word: Option<WakeWordConfig>,
    /// How interruptions are told from backchannels and noise.
    pub judge: RuleJudgeConfig,
    /// The recogniser's bundle or file.
    pub recognizer: PathBuf,
    /// In what chunks it hears.
    pub latency: LatencyChoice,
    /// How it decodes.
    pub decoding: Decoding,
    /// The enrolled voices, where there are any.
    pub speaker: Option<SpeakerConfig>,
    /// Who answers.
    pub responder: ResponderConfig,
    /// The synthesizer's bundle.
    pub synthesizer: PathBuf,
    /// Where a reply is cut.
    pub clauses: ClauseConfig,
    /// The instructions that open a dialogue.
    pub instructions: String,
    /// Messages that are remembered.
    pub memory: usize,
    /// Tools that one reply may call.
    pub max_tool_calls: usize,
    /// What is said in place of a reply whose model failed before its first word.
    pub apology: Option<String>,
    /// The names of the tools that the model may call.
    pub tools: Vec<String>,
}

/// Enrolled voices.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakerConfig {
    /// The model's bundle.
    pub model: PathBuf,
    /// The file of the voices.
    pub voices: PathBuf,
    /// The cosine from which on a voice is taken for an enrolled one, where the model's own is not wanted.
    pub threshold: Option<f32>,
    /// How the dialogue is told who says something.
    pub told: Option<String>,
}

/// A keyword spotter that opens a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct WakeWordConfig {
    /// The spotter's bundle.
    pub model: PathBuf,
    /// The phrase, as the spotter knows it.
    pub phrase: String,
    /// The probability from which on it counts, where the model's own is not wanted.
    pub threshold: Option<f32>,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponderConfig {
    /// llama.cpp in process, with a bundle or a GGUF file.
    Llama(PathBuf, LlamaOptions),
    /// An OpenAI-compatible endpoint.
    OpenAi(OpenAiOptions),
}

impl Config {
    /// Reads and resolves a file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Config`] when it cannot run: the message names the key, what was
    /// found and what is allowed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::parse(&text, path)
    }

    /// Reads and resolves the configuration that is used when none is named: `configs/assistants/default.toml` in the
    /// working folder, beside the program, or in a folder above either.
    ///
    /// # Errors
    /// As [`load`](Self::load); [`Error::Config`] when there is none.
    pub fn load_default() -> Result<Self> {
        let found = zoo::find_above(&zoo::starts(), DEFAULT, Path::is_file);
        let missing = || Error::config(DEFAULT, "it is neither here, nor beside the program, nor above; name one");
        Self::load(found.ok_or_else(missing)?)
    }

    /// Resolves what was read from `path`, with the files that it includes: see [`variant`].
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let variant = text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("include"));
        let (raw, files) = if variant {
            let Variant { table, files } = variant::parse(text, path, &TAGGED)?;
            let raw = table.try_into().map_err(|error| Error::config(path, plain(&error.to_string())))?;
            (raw, files)
        } else {
            let raw = toml::from_str(text).map_err(|error| Error::config(path, one_line(text, &error)))?;
            (raw, vec![path.to_owned()])
        };
        RawConfig::resolve(raw, &files).map_err(|reason| Error::config(path, reason))
    }
}

impl RawConfig {
    /// `files` are that which was read and those that it includes.
    fn resolve(self, files: &[PathBuf]) -> Result<Config, String> {
        self.vad.check().map_err(|error| format!("vad.hysteresis: {error}"))?;
        self.segments.check().map_err(|error| format!("segments: {error}"))?;
        within("audio.block_ms", self.audio.block_ms, 1.0, 200.0)?;
        self.audio.enhance.check().map_err(|error| format!("audio.enhance.{error}"))?;
        within("dialogue.memory", self.dialogue.memory as f64, 2.0, 10_000.0)?;
        within("dialogue.max_tool_calls", self.dialogue.max_tool_calls as f64, 0.0, 100.0)?;
        self.clauses.check().map_err(|error| format!("clauses.{error}"))?;
        within("runtime.threads", self.runtime.threads as f64, 1.0, 256.0)?;
        let turn_taking = turn::resolve(&self.turn, &self.interruption, &self.speculation)?;
        let (silence, hangover) = (f64::from(self.segments.min_silence_ms), self.turn.hangover_ms);
        if silence > hangover {
            return Err(format!(
                "segments.min_silence_ms: expected at most {hangover}, as turn.hangover_ms is, found {silence}"
            ));
        }
        let wake_word = self.turn.wake.map(|wake| wake.resolve(files)).transpose()?.flatten();
        let (recognizer, latency, decoding) = self.asr.resolve(files)?;
        Ok(Config {
            path: files[0].clone(),
            runtime: self.runtime,
            audio: self.audio.resolve(files)?,
            vad: vad(self.vad, files)?,
            segments: self.segments,
            turn_taking,
            turn_detector: self.turn.end.map(|end| model("turn.end.model", &end.model, files)).transpose()?,
            wake_word,
            judge: self.interruption.judge,
            recognizer,
            latency,
            decoding,
            speaker: self.speaker.map(|speaker| speaker.resolve(files)).transpose()?,
            responder: self.llm.resolve(files)?,
            synthesizer: model("tts.model", &self.tts.model, files)?,
            clauses: self.clauses,
            instructions: self.dialogue.instructions,
            memory: self.dialogue.memory,
            max_tool_calls: self.dialogue.max_tool_calls,
            apology: Some(self.dialogue.apology).filter(|apology| !apology.trim().is_empty()),
            tools: tools(self.dialogue.tools)?,
        })
    }
}

impl AudioConfig {
    fn resolve(mut self, files: &[PathBuf]) -> Result<Self, String> {
        if let Some(denoiser) = &mut self.enhance.denoiser {
            *denoiser = model("audio.enhance.denoiser", &denoiser.to_string_lossy(), files)?;
        }
        Ok(self)
    }
}

impl RawAsr {
    /// The bundle, the latency and the search. A latency is looked for in the bundle's card.
    fn resolve(self, files: &[PathBuf]) -> Result<(PathBuf, LatencyChoice, Decoding), String> {
        let Self { model: name, chunk_ms, left_ms, decoding } = self;
        let (model, latency) = (model("asr.model", &name, files)?, LatencyChoice { chunk_ms, left_ms });
        if latency != LatencyChoice::default() && model.is_dir() {
            let chosen = Bundle::open_unchecked(&model).and_then(|bundle| bundle.choose(&latency));
            chosen.map_err(|error| format!("asr: {error}"))?;
        }
        Ok((model, latency, decoding))
    }
}

impl RawWake {
    fn resolve(self, files: &[PathBuf]) -> Result<Option<WakeWordConfig>, String> {
        let Self { phrase, model: name, threshold, .. } = self;
        let Some(name) = name else { return Ok(None) };
        let model = model("turn.wake.model", &name, files)?;
        Ok(Some(WakeWordConfig { model, phrase: phrase.trim().to_lowercase(), threshold }))
    }
}

impl RawSpeaker {
    fn resolve(self, files: &[PathBuf]) -> Result<SpeakerConfig, String> {
        let mut beside = files.iter().map(|file| file.with_file_name(&self.voices));
        let Some(voices) = beside.find(|voices| voices.is_file()) else {
            let found = files[0].with_file_name(&self.voices);
            let found = found.display();
            return Err(format!(
                "speaker.voices: no file {found}; make it with rejoinder enrol --voices {found} NAME FILE"
            ));
        };
        if let Some(threshold) = self.threshold {
            within("speaker.threshold", f64::from(threshold), -1.0, 1.0)?;
        }
        if let Some(told) = self.told.as_ref().filter(|told| !told.contains("{text}")) {
            return Err(format!("speaker.told: expected a text with {{text}} in it, found {told}"));
        }
        let model = model("speaker.model", &self.model, files)?;
        Ok(SpeakerConfig { model, voices, threshold: self.threshold, told: self.told })
    }
}

impl RawLlm {
    fn resolve(self, files: &[PathBuf]) -> Result<ResponderConfig, String> {
        match self {
            Self { kind: LlmKind::Llama, model: name, options, endpoint: None, api_key_variable: None } => {
                let name = name.ok_or("llm.model: expected a bundle's name or a GGUF file, found nothing")?;
                let options = options.unwrap_or_default();
                options.check().map_err(|error| format!("llm.options.{error}"))?;
                Ok(ResponderConfig::Llama(model("llm.model", &name, files)?, options))
            }
            Self { kind: LlmKind::Openai, model: None, options: None, endpoint, api_key_variable } => {
                let mut endpoint = endpoint.ok_or("llm.endpoint: expected a table with a url, found nothing")?;
                if let Some(name) = api_key_variable {
                    let key = std::env::var(&name);
                    let key = key.map_err(|_| format!("llm.api_key_variable: {name} is not in the environment"))?;
                    endpoint.api_key = Some(key.into());
                }
                OpenAiResponder::new(endpoint.clone()).map_err(|error| format!("llm.endpoint: {error}"))?;
                Ok(ResponderConfig::OpenAi(endpoint))
            }
            Self { kind: LlmKind::Llama, .. } => {
                Err("llm: endpoint and api_key_variable are for kind = \"openai\"; found \"llama\"".to_owned())
            }
            Self { kind: LlmKind::Openai, .. } => {
                Err("llm: model and options are for kind = \"llama\"; found \"openai\"".to_owned())
            }
        }
    }
}

/// A model by its name, or by a path that counts from the folder of the configuration, or of one that it includes.
fn model(key: &str, value: &str, files: &[PathBuf]) -> Result<PathBuf, String> {
    zoo::resolve_for(Path::new(value), files).map_err(|error| format!("{key}: {error}"))
}

/// A detector whose file, where it has one, was found.
fn vad(mut vad: VadConfig, files: &[PathBuf]) -> Result<VadConfig, String> {
    let found = |key, path: &Path| model(key, &path.to_string_lossy(), files);
    match &mut vad {
        VadConfig::Crdnn(crdnn) => crdnn.model = found("vad.model", &crdnn.model)?,
        VadConfig::Silero(silero) => silero.path = found("vad.path", &silero.path)?,
        VadConfig::Earshot(_) | VadConfig::Webrtc(_) => {}
    }
    Ok(vad)
}

fn tools(wanted: Option<Vec<String>>) -> Result<Vec<String>, String> {
    let known: Vec<String> = Tools::default().specs().into_iter().map(|spec| spec.name).collect();
    let wanted = wanted.unwrap_or_else(|| known.clone());
    match wanted.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(format!("dialogue.tools: expected {}, found {name}", known.join(", "))),
        None => Ok(wanted),
    }
}

pub(crate) fn within(key: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(format!("{key}: expected {low} to {high}, found {value}")) }
}

/// What a person calls the types that the parser names.
const TYPES: [(&str, &str); 5] = [
    ("expected f64", "expected a number"),
    ("expected f32", "expected a number"),
    ("expected u64", "expected a whole number from 0 on"),
    ("expected u32", "expected a whole number from 0 on"),
    ("expected usize", "expected a whole number from 0 on"),
];

/// In one line and in plain words.
fn plain(message: &str) -> String {
    TYPES.iter().fold(in_one_line(message), |message, (parsed, plain)| message.replace(parsed, plain))
}

fn one_line(text: &str, error: &toml::de::Error) -> String {
    let message = plain(error.message());
    match error.span() {
        Some(span) => format!("line {}: {message}", text[..span.start].matches('\n').count() + 1),
        None => message,
    }
}
