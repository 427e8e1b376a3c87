use std::path::PathBuf;

use burn::optim::ModuleOptimizer;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize};

use super::optimizer::OptimizerKind;
use super::{AdaptersConfig, Anneal, Direction, EarlyStopping, Metric, Precision, Schedule};
use crate::device::Backend;
use crate::{Error, Result};

/// The `[train]` table of a recipe. Keys are called as SpeechBrain's run options (`utils/run_opts.py`) where there is one:
/// `precision`, `max_grad_norm`, `grad_accumulation_factor`, `nonfinite_patience`, `skip_nonfinite_grads`,
/// `ckpt_interval_minutes`, `ckpt_interval_steps`, `noprogressbar`, `debug`, `debug_epochs`, `debug_batches`. `backend` and
/// `steps` may also be written `device` and `optimizer_step_limit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainOptions {
    /// The backend; SpeechBrain's `cpu`, `cuda` and `cuda:0` are understood too. Default: `auto`.
    #[serde(alias = "device", deserialize_with = "backend")]
    pub backend: Backend,
    /// In what a step computes. Default: fp32.
    pub precision: Precision,
    /// Stop after this many epochs, 0 for no limit. One of `epochs`, `steps` and `minutes` is needed. Default: 100.
    pub epochs: usize,
    /// Stop after this many optimizer steps, 0 for no limit. Default: 0.
    #[serde(alias = "optimizer_step_limit")]
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
    /// Steps at the peak after it, with the schedules `linear_noam` and `tri_stage`. Default: 0.
    pub keep_steps: usize,
    /// How weights follow their gradients. Default: AdamW.
    pub optimizer: OptimizerKind,
    /// Weight decay: decoupled with AdamW, else added to the gradient. Default: 0.01 with AdamW, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f32>,
    /// The first-moment decay of Adam and AdamW. Default: 0.9.
    pub beta_1: f32,
    /// Their second-moment decay. Default: 0.98.
    pub beta_2: f32,
    /// What is added to a denominator. Default: 1e-6 with Adadelta, else 1e-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f32>,
    /// The momentum of gradient descent. Default: 0.
    pub momentum: f64,
    /// Adadelta's decay. Default: 0.95.
    pub rho: f32,
    /// The largest global norm of the gradient, 0 or less for no clipping. Default: 5.
    pub max_grad_norm: f64,
    /// Batches whose gradients are added up for a step, which follows their mean. The last step of an epoch has those that are
    /// left, which SpeechBrain's `Brain` drops; a batch whose loss is not finite does not count. Default: 1.
    pub grad_accumulation_factor: usize,
    /// Batches with a non-finite loss and steps with a non-finite gradient that are skipped in an epoch before training gives
    /// up. Default: 3.
    pub nonfinite_patience: usize,
    /// Whether a step whose gradient is not finite is skipped; else it ends training. SpeechBrain's drops the gradients of
    /// those weights alone, and takes the step without it. Default: true.
    pub skip_nonfinite_grads: bool,
    /// Decay of the running average of the weights, which is what is evaluated and exported; 0 for none.
    /// Default: 0.999.
    pub average_decay: f64,
    /// How many of the validated weights are kept in the run's folder `best`: those that are best by `min_key` or `max_key`,
    /// else by the figure of `early_stopping`, else by that of the task ([`Task::metric`](super::Task::metric)), as SpeechBrain's
    /// `Checkpointer` does with `num_to_keep`. The best of them is exported. 0 keeps none, and exports the last. Default: 1.
    pub keep_best: usize,
    /// The figure of the validation by which they are best where it is least, such as `wer`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_key: Option<String>,
    /// The figure by which they are best where it is greatest. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_key: Option<String>,
    /// Whether the latest are kept in the place of the best, of which the last comes first. Default: false.
    pub keep_latest: bool,
    /// Whether the mean of all that are kept is exported in the place of the best: SpeechBrain's `average_checkpoints`.
    /// Default: false.
    pub average_best: bool,
    /// Minutes between checkpoints, 0 for none by the clock. Default: 5.
    pub ckpt_interval_minutes: f64,
    /// Steps between checkpoints, whichever comes first; 0, the default, for none by steps.
    #[serde(deserialize_with = "from_zero")]
    pub ckpt_interval_steps: usize,
    /// Epochs between validations. Default: 1.
    pub valid_every: usize,
    /// A few epochs of a few batches, and as many in each validation: whether all runs, not whether it learns. Where `run` is
    /// not given with `--set`, it is then the folder `debug_run` in that of the recipe. Default: false.
    pub debug: bool,
    /// Epochs in debug mode. Default: 2.
    pub debug_epochs: usize,
    /// Batches of an epoch and of a validation in debug mode. Default: 2.
    pub debug_batches: usize,
    /// Whether lines take the place of the bar on a terminal. Default: false.
    pub noprogressbar: bool,
    /// Whether the figures are written to a file of events in the run folder too, for TensorBoard. Default: true.
    pub tensorboard: bool,
    /// The seed of weights, order and augmentation. Default: 1234.
    pub seed: u64,
    /// What the net begins with: `net.safetensors` of another run, or the folder of a bundle that `export` has written, whose tokens
    /// and features are then those of the recipe. Default: fresh weights.
    pub start: Option<PathBuf>,
    /// The share of the weights that it began with in those that are exported: the mean of both keeps more of what a net knew
    /// before (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). What it learnt afresh stays as it is.
    /// Validations are of the weights without it, `evaluate` and `export` with it; a finished run that is resumed with another
    /// share writes them anew. Default: 0.
    pub start_share: f64,
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
            keep_steps: 0,
            optimizer: OptimizerKind::AdamW,
            weight_decay: None,
            beta_1: 0.9,
            beta_2: 0.98,
            epsilon: None,
            momentum: 0.0,
            rho: 0.95,
            max_grad_norm: 5.0,
            grad_accumulation_factor: 1,
            nonfinite_patience: 3,
            skip_nonfinite_grads: true,
            average_decay: 0.999,
            keep_best: 1,
            min_key: None,
            max_key: None,
            keep_latest: false,
            average_best: false,
            ckpt_interval_minutes: 5.0,
            ckpt_interval_steps: 0,
            valid_every: 1,
            debug: false,
            debug_epochs: 2,
            debug_batches: 2,
            noprogressbar: false,
            tensorboard: true,
            seed: 1234,
            start: None,
            start_share: 0.0,
            anneal: None,
            early_stopping: None,
            adapters: None,
        }
    }
}

/// A count, of which one below zero is none, as in SpeechBrain.
fn from_zero<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    Ok(usize::try_from(i64::deserialize(from)?).unwrap_or(0))
}

/// A backend by our name, or by a device's as PyTorch has it.
fn backend<'de, D: Deserializer<'de>>(from: D) -> Result<Backend, D::Error> {
    let name = String::deserialize(from)?;
    Ok(match name.as_str() {
        "cpu" if cfg!(feature = "tch") => Backend::Tch,
        "cpu" => Backend::Flex,
        "cuda" | "cuda:0" if cfg!(feature = "tch") && !cfg!(feature = "cuda") => Backend::TchCuda,
        "cuda:0" => Backend::Cuda,
        ours => Backend::deserialize(ours.into_deserializer())?,
    })
}

impl TrainOptions {
    /// Refuses what cannot be meant.
    pub(super) fn check(&self) -> Result<()> {
        let epochs = if self.debug { self.debug_epochs } else { self.epochs };
        let unbounded = self.minutes <= 0.0 || self.minutes.is_nan();
        if epochs == 0 && self.steps == 0 && unbounded {
            let reason = "expected epochs, steps or minutes above 0, found none: the run would never end";
            return Err(Error::config("[train]", reason));
        }
        let Self { learning_rate, average_decay, beta_1, beta_2, rho, momentum, max_grad_norm, .. } = *self;
        let amounts = [
            ("learning_rate", learning_rate),
            ("max_grad_norm", max_grad_norm.abs()),
            ("weight_decay", f64::from(self.weight_decay.unwrap_or(0.0))),
            ("epsilon", f64::from(self.epsilon.unwrap_or(1.0))),
        ];
        let decays = [
            ("average_decay", average_decay),
            ("beta_1", f64::from(beta_1)),
            ("beta_2", f64::from(beta_2)),
            ("rho", f64::from(rho)),
            ("momentum", momentum),
        ];
        let wrong = |(key, value): (&str, f64), expected: &str| {
            Err(Error::config("[train]", format!("{key}: expected {expected}, found {value}")))
        };
        if let Some(amount) = amounts.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            return wrong(amount, "a number from 0 on");
        }
        if let Some(decay) = decays.into_iter().find(|(_, value)| !(0.0..1.0).contains(value)) {
            return wrong(decay, "a number from 0 on and below 1");
        }
        if !(0.0..1.0).contains(&self.start_share) {
            return wrong(("start_share", self.start_share), "a number from 0 on and below 1");
        }
        if self.start_share > 0.0 && self.start.is_none() {
            return Err(Error::config(
                "[train]",
                "start_share: expected `start`, whose weights it is a share of, found none",
            ));
        }
        if self.keep_steps > 0 && !matches!(self.schedule, Schedule::LinearNoam | Schedule::TriStage) {
            let reason =
                "keep_steps: expected `schedule = \"linear_noam\"` or `\"tri_stage\"`, which alone keep the peak";
            return Err(Error::config("[train]", reason));
        }
        if let Some(Anneal::NewBob { factor, .. } | Anneal::Plateau { factor, .. }) = &self.anneal
            && !(*factor > 0.0 && *factor < 1.0)
        {
            return wrong(("anneal.factor", *factor), "a number above 0 and below 1");
        }
        if let Some(Anneal::NewBob { threshold, .. }) = &self.anneal
            && !threshold.is_finite()
        {
            return wrong(("anneal.threshold", *threshold), "a number");
        }
        if self.min_key.is_some() && self.max_key.is_some() {
            return Err(Error::config("[train]", "expected `min_key` or `max_key`, found both"));
        }
        if (self.average_best || self.keep_latest) && self.keep_best == 0 {
            let key = if self.average_best { "average_best" } else { "keep_latest" };
            return Err(Error::config("[train]", format!("{key}: expected keep_best above 0, found 0")));
        }
        Ok(())
    }

    /// The figure by which weights are kept, where the task has `metric`.
    pub(super) fn metric(&self, metric: Metric) -> Metric {
        if let Some(name) = &self.max_key {
            return Metric::highest(name.clone());
        }
        if let Some(name) = &self.min_key {
            return Metric::lowest(name.clone());
        }
        match &self.early_stopping {
            Some(EarlyStopping { metric: name, direction: Some(Direction::Max), .. }) => Metric::highest(name.clone()),
            Some(EarlyStopping { metric: name, direction, .. }) if direction.is_some() || name != metric.name() => {
                Metric::lowest(name.clone())
            }
            _ => metric,
        }
    }

    /// A fresh optimizer.
    pub(super) fn optimizer(&self) -> ModuleOptimizer {
        self.optimizer.init(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> TrainOptions {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn speechbrains_names_are_understood() {
        let theirs =
            read("device = \"cpu\"\noptimizer_step_limit = 5\nskip_nonfinite_grads = false\nnoprogressbar = true");
        assert_eq!(theirs.steps, 5);
        assert!(matches!(theirs.backend, Backend::Flex | Backend::Tch) && theirs.noprogressbar);
        assert_eq!(read("backend = \"tch-cuda\"").backend, Backend::TchCuda);
        let message = toml::from_str::<TrainOptions>("device = \"tpu\"").unwrap_err().to_string();
        assert!(message.contains("tpu") && message.contains("flex"), "{message}");
        let resolved = toml::to_string(&theirs).unwrap();
        assert!(resolved.contains("steps = 5") && !resolved.contains("device"), "{resolved}");
    }

    #[test]
    fn weights_are_kept_by_any_figure() {
        let by = |text| read(text).metric(Metric::lowest("wer"));
        assert_eq!(by(""), Metric::lowest("wer"));
        assert_eq!(by("min_key = \"loss\""), Metric::lowest("loss"));
        let stopping = "[early_stopping]\nmetric = \"loss\"\npatience = 3";
        assert_eq!(by(stopping), Metric::lowest("loss"));
        assert_eq!(by(&format!("max_key = \"accuracy\"\n{stopping}")), Metric::highest("accuracy"));
        assert!(read("min_key = \"a\"\nmax_key = \"b\"").check().unwrap_err().to_string().contains("found both"));
        read("max_grad_norm = -1.0").check().unwrap();
    }

    #[test]
    fn a_run_without_an_end_is_refused() {
        let message = read("epochs = 0").check().unwrap_err().to_string();
        assert!(message.contains("epochs, steps or minutes"), "{message}");
        for bounded in ["epochs = 1", "epochs = 0\nsteps = 1", "epochs = 0\nminutes = 0.5", "epochs = 0\ndebug = true"]
        {
            read(bounded).check().unwrap();
        }
        assert!(read("keep_best = 0\naverage_best = true").check().is_err());
        for (wrong, key) in [
            ("learning_rate = -1.0", "learning_rate"),
            ("beta_2 = 2.0", "beta_2"),
            ("max_grad_norm = nan", "max_grad_norm"),
            ("start_share = 0.5", "start_share"),
            ("keep_steps = 5", "keep_steps"),
            ("average_best = true\nkeep_best = 0", "average_best"),
            ("start = \"a\"\nstart_share = 1.5", "start_share"),
        ] {
            let message = read(wrong).check().unwrap_err().to_string();
            assert!(message.starts_with(&format!("[train]: {key}: expected")), "{message}");
        }
    }
}
