use std::path::PathBuf;

use burn::optim::{AdamWConfig, ModuleOptimizer};
use serde::{Deserialize, Serialize};

use super::{AdaptersConfig, Anneal, EarlyStopping, Precision, Schedule};
use crate::device::Backend;

/// The `[train]` table of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainOptions {
    /// The backend. Default: `auto`.
    pub backend: Backend,
    /// In what a step computes. Default: fp32.
    pub precision: Precision,
    /// Stop after this many epochs. Default: 100.
    pub epochs: usize,
    /// Stop after this many optimizer steps, 0 for no limit. Default: 0.
    pub steps: usize,
    /// Stop after this many minutes, 0 for no limit; the schedule then follows the clock, unless `steps` are counted.
    /// Default: 0.
    pub minutes: f64,
    /// The peak learning rate. Default: 1e-3.
    pub learning_rate: f64,
    /// How the rate changes. Default: cosine.
    pub schedule: Schedule,
    /// Steps of linear warm-up. Default: 200.
    pub warmup_steps: usize,
    /// AdamW's decoupled weight decay. Default: 0.01.
    pub weight_decay: f32,
    /// AdamW's second-moment decay. Default: 0.98.
    pub beta_2: f32,
    /// The largest global norm of the gradient, 0 for no clipping. Default: 5.
    pub max_grad_norm: f64,
    /// Batches whose gradients are added up for a step, which follows their mean. The last step of an epoch has those that are
    /// left, which SpeechBrain's `Brain` drops; a batch whose loss is not finite does not count. Default: 1.
    pub grad_accumulation_factor: usize,
    /// Batches with a non-finite loss and steps with a non-finite gradient that are skipped in a row before training gives
    /// up. Default: 3.
    pub nonfinite_patience: usize,
    /// Decay of the running average of the weights, which is what is evaluated and exported; 0 for none.
    /// Default: 0.999.
    pub average_decay: f64,
    /// Minutes between checkpoints. Default: 5.
    pub ckpt_interval_minutes: f64,
    /// Steps between checkpoints, whichever comes first; 0, the default, for none by steps.
    pub ckpt_interval_steps: usize,
    /// Epochs between validations. Default: 1.
    pub valid_every: usize,
    /// A few epochs of a few batches, and as many in each validation: whether all runs, not whether it learns.
    /// Default: false.
    pub debug: bool,
    /// Epochs in debug mode. Default: 2.
    pub debug_epochs: usize,
    /// Batches of an epoch and of a validation in debug mode. Default: 2.
    pub debug_batches: usize,
    /// Whether the figures are written to a file of events in the run folder too, for TensorBoard. Default: true.
    pub tensorboard: bool,
    /// The seed of weights, order and augmentation. Default: 1234.
    pub seed: u64,
    /// What the net begins with: `net.bpk` of another run, or the folder of a bundle that `export` has written, whose tokens
    /// and features are then those of the recipe. Default: fresh weights.
    pub start: Option<PathBuf>,
    /// How the rate falls by a figure of the validation, on top of the schedule. Default: it does not.
    pub anneal: Option<Anneal>,
    /// What ends training early. Default: nothing.
    pub early_stopping: Option<EarlyStopping>,
    /// Weights that are trained beside those of another run or of a bundle, which stay. Default: all of the net is trained.
    pub adapters: Option<AdaptersConfig>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            precision: Precision::Fp32,
            epochs: 100,
            steps: 0,
            minutes: 0.0,
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            warmup_steps: 200,
            weight_decay: 0.01,
            beta_2: 0.98,
            max_grad_norm: 5.0,
            grad_accumulation_factor: 1,
            nonfinite_patience: 3,
            average_decay: 0.999,
            ckpt_interval_minutes: 5.0,
            ckpt_interval_steps: 0,
            valid_every: 1,
            debug: false,
            debug_epochs: 2,
            debug_batches: 2,
            tensorboard: true,
            seed: 1234,
            start: None,
            anneal: None,
            early_stopping: None,
            adapters: None,
        }
    }
}

impl TrainOptions {
    /// A fresh optimizer: AdamW (Loshchilov and Hutter, ICLR 2019).
    pub(super) fn optimizer(&self) -> ModuleOptimizer {
        let config = AdamWConfig::new().with_beta_2(self.beta_2).with_epsilon(1e-8);
        config.with_weight_decay(self.weight_decay).init()
    }
}
