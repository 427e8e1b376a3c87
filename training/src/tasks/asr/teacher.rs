use std::path::PathBuf;
use std::sync::OnceLock;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rejoinder_models::text::Tokenizer;
use serde::{Deserialize, Serialize};

use super::recipe::AsrRecipe;
use crate::losses::{ctc_distillation_loss, distillation_loss, distilled, softened};
use crate::nets::conformer::{Chunks, Conformer};
use crate::recipe;
use crate::trainer::Loss;
use crate::{Error, Result};

/// Whose answers a recogniser learns beside the labels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillConfig {
    /// The run folder of a trained recipe with `task = "asr"` and the same features; its tokens are taken over.
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
    recipe: AsrRecipe,
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
        let path = config.teacher.join(recipe::RESOLVED);
        let table = recipe::table(&path)?;
        let parsed = table.try_into::<AsrRecipe>();
        let mut teacher = parsed.map_err(|e| Error::config(path.display().to_string(), recipe::one_line(&e)))?;
        // All that is random in a net would make its answers worse.
        (teacher.run, teacher.net.dropout) = (config.teacher.clone(), 0.0);
        if teacher.features != student.features {
            return mistake(
                "teacher",
                format!("expected the features of this recipe, found others in {}", path.display()),
            );
        }
        if teacher.read_tokenizer()?.pieces() != tokenizer.pieces() {
            let reason = format!("expected the tokens of {}: run this recipe's `tokenizer` step again", path.display());
            return mistake("teacher", reason);
        }
        Ok(Some(Self { config, recipe: teacher, net: OnceLock::new() }))
    }

    fn net(&self, device: &Device) -> Result<&Conformer> {
        if let Some(net) = self.net.get() {
            return Ok(net);
        }
        let trained = self.recipe.trained(device)?;
        Ok(self.net.get_or_init(|| trained.no_grad()))
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
