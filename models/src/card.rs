//! The model card: all that exporter and loader must agree on.
//!
//! It stands as `card.toml` in a [`Bundle`], and as TOML in the metadata of each ONNX file of it (key [`CARD_KEY`]),
//! so that a lone file opens as well.

mod bundle;
mod latency;
mod measure;
mod task;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use bundle::{Bundle, NewFile};
pub use latency::{Latency, LatencyChoice};
pub use measure::Measure;
pub use task::Task;

use crate::features::FbankConfig;
use crate::runtime::ElementType;
use crate::units::SampleRate;
use crate::{Error, Result, in_one_line};

/// The metadata key under which an ONNX file carries its card.
pub const CARD_KEY: &str = "rejoinder.card";

/// Followed by a role, the metadata key under which an ONNX file carries another text file of its bundle.
pub const FILE_KEY_PREFIX: &str = "rejoinder.file.";

/// The role of the main ONNX or GGUF file of a bundle.
pub const MODEL_ROLE: &str = "model";

/// The role of the prediction net of a transducer's bundle, whose main file is the encoder.
pub const DECODER_ROLE: &str = "decoder";

/// The role of the joiner of a transducer's bundle.
pub const JOINER_ROLE: &str = "joiner";

/// The role of a net over a recogniser's tokens that says which comes next: a second language model, of the joint search.
pub const TOKEN_LM_ROLE: &str = "token_lm";

/// The role of the net in a recogniser's bundle that tells whether somebody has said all.
pub const FINALITY_ROLE: &str = "finality";

/// The role of the token list of a bundle.
pub const TOKENS_ROLE: &str = "tokens";
/// The roles of texts that stand in the metadata of a bundle's model as well, so that the lone file opens. What takes a
/// language model, which does not, is left out.
pub const EMBEDDED_ROLES: [&str; 1] = [TOKENS_ROLE];

/// The role of the language model of a recogniser's bundle.
pub const LM_ROLE: &str = "lm";

/// The role of the pronunciations in a recogniser's bundle: a word and its phones in each line.
pub const LEXICON_ROLE: &str = "lexicon";

/// The role of the phone list of a recogniser's bundle: a name and its number in each line.
pub const PHONES_ROLE: &str = "phones";

/// All that exporter and loader must agree on, and where the model came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// The model's name, as the folder is called.
    pub name: String,
    /// What it is for.
    pub task: Task,
    /// The contract of its tensors: the name of a family file of this crate, such as `conformer-ctc`.
    pub family: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub summary: String,
    /// The language that it knows, as a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The licence of the weights, as an SPDX expression.
    pub licence: String,
    /// The rate of the audio that goes in or comes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<SampleRate>,
    /// How it was made.
    pub origin: Origin,
    /// What the audio is turned into before the net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FbankConfig>,
    /// What is subtracted from each feature, and what it is divided by; nothing when the net does it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalization: Option<Normalization>,
    /// How a stream is cut for the net.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunking: Option<Chunking>,
    /// The tensors that a run hands to the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<StateTensor>,
    /// Settings that only the family knows.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub params: toml::Table,
    /// What was measured: what and how, and the figure.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, Measure>,
    /// The largest difference between the exported net and the trained one, for each engine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parity: BTreeMap<String, f64>,
    /// The files of the bundle by role, such as `model` and `tokens`. Empty in a card inside an ONNX file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileEntry>,
}

/// How a model was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The recipe that trained it, as a path in the repository.
    pub recipe: String,
    /// The data that it was trained on.
    pub data: Vec<String>,
    /// The commit of the repository that trained it.
    pub commit: String,
}

/// Mean and standard deviation of each feature bin: `y = (x - mean) / std`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// The mean of each bin.
    pub mean: Vec<f32>,
    /// The standard deviation of each bin, above zero.
    pub std: Vec<f32>,
}

/// How a stream of feature frames is cut for the net: each run sees `left_frames + chunk_frames + right_frames`
/// frames and gives `chunk_frames / subsampling` output frames; the next run begins `chunk_frames` later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunking {
    /// Frames of the past that are given again.
    #[serde(default)]
    pub left_frames: usize,
    /// New frames in each run.
    pub chunk_frames: usize,
    /// Frames of the future that are given ahead of their own run.
    #[serde(default)]
    pub right_frames: usize,
    /// Feature frames for each output frame.
    pub subsampling: usize,
    /// What stands for the frames before the beginning and after the end, in the values that the net sees.
    #[serde(default)]
    pub pad_value: f32,
    /// The input that tells how much of the caches is real, when the net has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<ValidCount>,
    /// The latencies among which whoever opens the model may choose; `chunk_frames` and the limit of `valid` are the
    /// default. Empty where the sizes are fixed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<Latency>,
}

/// An `f32` input of shape (1): the number of output frames that the caches hold. It begins at zero and grows by the
/// output frames of each run until it reaches the limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidCount {
    /// The name of the input.
    pub input: String,
    /// The output frames that the caches can hold.
    pub limit: usize,
}

/// A tensor that a run hands to the next: zeros, or `fill`, before the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateTensor {
    /// The role of the file that has it, when a bundle has several.
    #[serde(default = "model_role", skip_serializing_if = "is_model_role")]
    pub file: String,
    /// The name of the input.
    pub input: String,
    /// The name of the output that becomes the next run's input.
    pub output: String,
    /// The axes.
    pub shape: Vec<usize>,
    /// The axis that is as long as the left context, where that may be chosen: of `shape`, the default's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_axis: Option<usize>,
    /// The element type.
    #[serde(default)]
    pub element: ElementType,
}

impl StateTensor {
    /// One of 32-bit floats and a fixed shape.
    pub fn fixed(file: &str, [input, output]: [&str; 2], shape: &[usize]) -> Self {
        Self {
            file: file.to_owned(),
            input: input.to_owned(),
            output: output.to_owned(),
            shape: shape.to_vec(),
            left_axis: None,
            element: ElementType::F32,
        }
    }
}

fn model_role() -> String {
    MODEL_ROLE.to_owned()
}

fn is_model_role(role: &str) -> bool {
    role == MODEL_ROLE
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The path inside the bundle.
    pub path: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of the contents, in lower-case hexadecimal.
    pub sha256: String,
}

impl ModelCard {
    /// A card with what every card must have; the rest is empty.
    pub fn new(name: &str, task: Task, family: &str, licence: &str, origin: Origin) -> Self {
        Self {
            name: name.to_owned(),
            task,
            family: family.to_owned(),
            summary: String::new(),
            language: None,
            licence: licence.to_owned(),
            sample_rate: None,
            origin,
            features: None,
            normalization: None,
            chunking: None,
            states: Vec::new(),
            params: toml::Table::new(),
            results: BTreeMap::new(),
            parity: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// Reads a card. `path` stands in the errors.
    ///
    /// # Errors
    /// [`Error::Model`] with the line and the key that is wrong.
    pub fn from_toml(text: &str, path: &Path) -> Result<Self> {
        let card: Self = toml::from_str(text).map_err(|e| toml_error(path, text, &e))?;
        card.verify(path)?;
        Ok(card)
    }

    /// The card as TOML.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `params` holds what TOML cannot.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::invalid("model card", "values that TOML can hold", e))
    }

    /// The card as it goes into the metadata of an ONNX file: without the files, whose sums it would change.
    ///
    /// # Errors
    /// As [`to_toml`](Self::to_toml).
    pub fn to_metadata(&self) -> Result<String> {
        Self { files: BTreeMap::new(), ..self.clone() }.to_toml()
    }

    /// The family's own settings. `path` stands in the errors.
    ///
    /// # Errors
    /// [`Error::Model`] naming the key that is missing, unknown or of another type.
    pub fn params<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<T> {
        let read = toml::Value::Table(self.params.clone()).try_into();
        read.map_err(|e: toml::de::Error| {
            Error::model(path, format!("[params] of the card: {}", in_one_line(e.message())))
        })
    }

    /// The rate of the audio. `path` stands in the error.
    ///
    /// # Errors
    /// [`Error::Model`] when the card has none.
    pub fn required_sample_rate(&self, path: &Path) -> Result<SampleRate> {
        self.sample_rate.ok_or_else(|| Error::model(path, "the card lacks the key `sample_rate`"))
    }

    /// What the audio is turned into. `path` stands in the error.
    ///
    /// # Errors
    /// [`Error::Model`] when the card has no `[features]`.
    pub fn required_features(&self, path: &Path) -> Result<&FbankConfig> {
        self.features.as_ref().ok_or_else(|| Error::model(path, "the card lacks the table [features]"))
    }

    /// How a stream is cut. `path` stands in the error.
    ///
    /// # Errors
    /// [`Error::Model`] when the card has no `[chunking]`.
    pub fn required_chunking(&self, path: &Path) -> Result<&Chunking> {
        self.chunking.as_ref().ok_or_else(|| Error::model(path, "the card lacks the table [chunking]"))
    }
}

fn toml_error(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
    let place = line.map_or_else(String::new, |line| format!("line {line}: "));
    Error::model(path, format!("{place}{}", in_one_line(error.message())))
}
