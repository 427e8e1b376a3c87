use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::features::FbankConfig;
use rejoinder_models::in_one_line;
use rejoinder_models::text::Tokenizer;
use serde::{Deserialize, Serialize};

use super::recipe::AsrRecipe;
use super::source;
use crate::import::{self, Weights, is_bundle};
use crate::losses::{ctc_distillation_loss, distillation_loss, distilled, softened};
use crate::nets::conformer::{Chunks, Conformer, ConformerConfig};
use crate::recipe;
use crate::trainer::Loss;
use crate::{Error, Result};

/// Whose answers a recogniser learns beside the labels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillConfig {
    /// The run folder of a trained recipe with `task = "asr"` and the same features, or the folder of a bundle of that task
    /// whose net is a Conformer; its tokens are taken over.
    pub teacher: PathBuf,
    /// How much its answers count beside the labels, 0 to 1. Default: 0.5.
    #[serde(default = "weight")]
    pub weight: f64,
    /// How flat the teacher's probabilities are made. The student's stay as they are, as in SpeechBrain's recipes, so that
    /// above 1 it learns to be less sure than its teacher. Default: 1.
    #[serde(default = "temperature")]
    pub temperature: f64,
    /// What is learnt of them. Default: `frames`.
    #[serde(default)]
    pub answers: Answers,
}

fn weight() -> f64 {
    0.5
}

fn temperature() -> f64 {
    1.0
}

/// What is learnt of a teacher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// The probabilities of each frame.
    #[default]
    Frames,
    /// The tokens that it hears, wherever they are, as if they were labels: the temperature says nothing then.
    Tokens,
}

/// A trained recogniser that another one learns from.
pub(super) struct Teacher {
    config: DistillConfig,
    /// The shape of its net, without all that is random in one, which would make its answers worse.
    shape: ConformerConfig,
    tokens: usize,
    phones: usize,
    weights: Weights,
    /// Its net, on the device that trains.
    net: OnceLock<Conformer>,
}

impl Teacher {
    /// The teacher of a recipe, where it has one.
    ///
    /// # Errors
    /// No run, or one of another task; features or tokens that differ; a weight or temperature out of range.
    pub(super) fn open(student: &AsrRecipe, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let Some(config) = student.distill.clone() else { return Ok(None) };
        let mistake = |key: &str, reason: String| Err(Error::config(format!("distill.{key}"), reason));
        if !(0.0..=1.0).contains(&config.weight) {
            return mistake("weight", format!("expected 0 to 1, found {}", config.weight));
        }
        if !(config.temperature > 0.0 && config.temperature.is_finite()) {
            return mistake("temperature", format!("expected more than 0, found {}", config.temperature));
        }
        let (weights, mut shape, features) = match is_bundle(&config.teacher) {
            true => bundled(&Bundle::open(&config.teacher)?)?,
            false => trained(&config.teacher)?,
        };
        shape.dropout = 0.0;
        let place = config.teacher.display();
        if features != student.features {
            return mistake("teacher", format!("expected the features of this recipe, found others in {place}"));
        }
        if import::tokens(&config.teacher)?.pieces() != tokenizer.pieces() {
            return mistake(
                "teacher",
                format!("expected the tokens of {place}: run this recipe's `tokenizer` step again"),
            );
        }
        let frames = |net: &ConformerConfig| [net.subsampling, net.left_features()];
        if frames(&shape) != frames(&student.net) {
            let ([every, left], [ours, our_left]) = (frames(&shape), frames(&student.net));
            let reason = format!(
                "expected encoder frames of {ours} features behind {our_left} others, as the student's, found {every} behind \
                 {left} in {place}"
            );
            return mistake("teacher", reason);
        }
        let phones = weights.dims("phones.bias").map_or(0, |dims| dims[0] / shape.phone_frames());
        Ok(Some(Self { config, shape, tokens: tokenizer.len(), phones, weights, net: OnceLock::new() }))
    }

    fn net(&self, device: &Device) -> Result<&Conformer> {
        if let Some(net) = self.net.get() {
            return Ok(net);
        }
        let net = self.shape.init(self.tokens, self.phones, device);
        let narrow = |part: &str| self.weights.dims(&format!("{part}.bottleneck.down.weight"))?.last().copied();
        let parts = self.weights.paths().filter_map(|path| path.strip_suffix(".bottleneck.down.weight"));
        let width = parts.filter_map(narrow).next();
        let behind = |part: &str| narrow(part).is_some();
        let net = width.and_then(|width| net.clone().with_bottlenecks(width, &behind)).unwrap_or(net);
        let net = self.weights.load(net, &[])?;
        Ok(self.net.get_or_init(|| net.no_grad()))
    }

    /// The loss of a batch by its labels joined with that by the teacher's answers.
    ///
    /// # Errors
    /// A run without weights.
    ///
    /// # Shapes
    /// - `log_probs`: the student's, (batch, frames, vocabulary)
    /// - the rest: what both hear, as [`Conformer::forward_in`] takes it
    pub(super) fn join(
        &self,
        loss: Loss,
        log_probs: Tensor<3>,
        (chunks, features, lengths): (Chunks, Tensor<3>, &[usize]),
    ) -> Result<Loss> {
        let DistillConfig { weight, temperature, answers, .. } = self.config;
        let answered = self.net(&features.device())?.forward_in(chunks, features, lengths).0.tokens.detach();
        let (beside, temperature) = match answers {
            // Log-probabilities are logits, too: they differ by a constant of the frame.
            Answers::Frames => (distillation_loss(log_probs, softened(answered, temperature), lengths), temperature),
            Answers::Tokens => (ctc_distillation_loss(log_probs, answered, lengths), 1.0),
        };
        let mut parts = loss.parts;
        parts.push(("teacher", f64::from(beside.clone().into_scalar::<f32>())));
        Ok(Loss { total: distilled(loss.total, beside, weight, temperature), parts })
    }
}

/// The weights of a teacher, the shape of its net, and its features.
type Learnt = (Weights, ConformerConfig, FbankConfig);

/// What of a run's recipe says how its weights are used.
#[derive(Deserialize)]
struct Resolved {
    net: ConformerConfig,
    features: FbankConfig,
}

/// What a run has left.
fn trained(run: &Path) -> Result<Learnt> {
    let path = run.join(recipe::RESOLVED);
    let resolved = recipe::table(&path)?.try_into::<Resolved>();
    let Resolved { net, features } =
        resolved.map_err(|e| Error::config(path.display().to_string(), in_one_line(&e)))?;
    Ok((Weights::of_run(&run.join("net.safetensors"))?, net, features))
}

fn bundled(bundle: &Bundle) -> Result<Learnt> {
    let weights = Weights::of_bundle(bundle, &[(MODEL_ROLE, "")])?;
    let shape = source::shape(bundle, &weights)?;
    let features = bundle.card().features.clone().unwrap_or_else(FbankConfig::kaldi);
    Ok((weights, shape, features))
}
