use serde::{Deserialize, Serialize};

use super::{Metric, TrainOptions};
use crate::{Error, Result};

/// The share of the best figure by which a new one must be lower.
const LEAST_GAIN: f64 = 1e-6;

/// How the learning rate falls by a figure of the validation, on top of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Anneal {
    /// By `factor` whenever the figure improves by less than the share `threshold`, after `patience` such validations:
    /// SpeechBrain's `NewBobScheduler`.
    NewBob {
        /// The figure, such as `wer`.
        metric: String,
        /// Which way it is better. Default: as the best weights are kept by it, and `min` for a loss or an error rate; of others
        /// it has to be said.
        #[serde(default)]
        direction: Option<Direction>,
        /// What the rate is multiplied with. Default: 0.5.
        #[serde(default = "half")]
        factor: f64,
        /// The least improvement, as a share of the figure before. Default: 0.0025.
        #[serde(default = "threshold")]
        threshold: f64,
        /// Validations without it that are borne. Default: 0.
        #[serde(default)]
        patience: usize,
    },
    /// By `factor` after `patience` validations in a row without a new best figure: SpeechBrain's `ReduceLROnPlateau`.
    Plateau {
        /// The figure.
        metric: String,
        /// Which way it is better. Default: as for `new_bob`.
        #[serde(default)]
        direction: Option<Direction>,
        /// What the rate is multiplied with. Default: 0.5.
        #[serde(default = "half")]
        factor: f64,
        /// Validations without a new best that are borne. Default: 2.
        #[serde(default = "two")]
        patience: usize,
        /// Validations at the beginning that change nothing. Default: 0.
        #[serde(default)]
        not_before: usize,
    },
}

fn half() -> f64 {
    0.5
}

fn threshold() -> f64 {
    0.0025
}

fn two() -> usize {
    2
}

impl Anneal {
    /// The figure that it goes by.
    pub fn metric(&self) -> &str {
        match self {
            Self::NewBob { metric, .. } | Self::Plateau { metric, .. } => metric,
        }
    }

    fn direction(&self) -> Option<Direction> {
        let (Self::NewBob { direction, .. } | Self::Plateau { direction, .. }) = self;
        *direction
    }
}

/// Figures of which less is better, whatever the task.
const LESS: [&str; 6] = ["loss", "wer", "cer", "ser", "per", "eer"];

/// Whether more of a figure is better: as is said, else as one of these has it that are called so, else as its name tells.
fn rises(name: &str, direction: Option<Direction>, metrics: &[&Metric]) -> Option<bool> {
    let known = || metrics.iter().find(|metric| metric.name() == name).map(|metric| metric.is_highest());
    let told = direction.map(|direction| direction == Direction::Max);
    told.or_else(known).or_else(|| LESS.contains(&name).then_some(false))
}

/// The keys of options that name a figure of the validations, with the names.
fn named(options: &TrainOptions) -> impl Iterator<Item = (&'static str, &str)> {
    let keys = [
        ("train.anneal.metric", options.anneal.as_ref().map(Anneal::metric)),
        ("train.early_stopping.metric", options.early_stopping.as_ref().map(|stopping| &*stopping.metric)),
        ("train.min_key", options.min_key.as_deref()),
        ("train.max_key", options.max_key.as_deref()),
    ];
    keys.into_iter().filter_map(|(key, name)| Some((key, name?)))
}

/// Whether options go by figures of the validations that they name.
pub(super) fn names_figures(options: &TrainOptions) -> bool {
    named(options).next().is_some()
}

/// Refuses options that name another figure than those of a validation.
pub(super) fn check_names(options: &TrainOptions, figures: &[(&str, f64)]) -> Result<()> {
    match named(options).find(|(_, wanted)| figures.iter().all(|(name, _)| name != wanted)) {
        Some((key, wanted)) => {
            let names: Vec<_> = figures.iter().map(|(name, _)| *name).collect();
            Err(Error::config(key, format!("expected one of {}, found {wanted}", names.join(", "))))
        }
        None => Ok(()),
    }
}

/// Refuses to go by a figure of which it is not known which way it is better; `metrics` as for [`ValidationState::update`].
pub(super) fn check_directions(options: &TrainOptions, metrics: &[&Metric]) -> Result<()> {
    let anneal = options.anneal.as_ref().map(|anneal| ("anneal", anneal.metric(), anneal.direction()));
    let stopping = options.early_stopping.as_ref();
    let stopping = stopping.map(|stopping| ("early_stopping", &*stopping.metric, stopping.direction));
    match [anneal, stopping].into_iter().flatten().find(|(_, name, told)| rises(name, *told, metrics).is_none()) {
        Some((key, name, _)) => {
            let reason =
                format!("expected \"min\" or \"max\": it is not known whether less or more of `{name}` is better");
            Err(Error::config(format!("train.{key}.direction"), reason))
        }
        None => Ok(()),
    }
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Less.
    Min,
    /// More.
    Max,
}

/// Ends training when a figure of the validation no longer gets better: SpeechBrain's `EpochCounterWithStopper`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// The figure.
    pub metric: String,
    /// Which way it is better. Default: that of the task's own figure, and `min` for a loss or an error rate; of others it has
    /// to be said.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// Validations without a new best after which training ends.
    pub patience: usize,
    /// Validations at the beginning that do not count. Default: 0.
    #[serde(default)]
    pub not_before: usize,
}

/// What the validations so far have come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationState {
    /// Validations so far.
    pub validations: usize,
    /// What the scheduled rate is multiplied with.
    pub scale: f64,
    /// The figure that the next is held against to anneal.
    pub anchor: Option<f64>,
    /// Validations without improvement, to anneal.
    pub waited: usize,
    /// The best figure, to stop by.
    pub best: Option<f64>,
    /// Validations since then.
    pub since_best: usize,
}

impl Default for ValidationState {
    fn default() -> Self {
        Self { validations: 0, scale: 1.0, anchor: None, waited: 0, best: None, since_best: 0 }
    }
}

impl ValidationState {
    /// Takes what a validation has come to. `metrics` tell which way figures are better: the one by which weights are kept,
    /// and the task's own.
    ///
    /// # Errors
    /// [`Error::Config`] for a figure that the task does not have.
    pub(super) fn update(
        &mut self,
        options: &TrainOptions,
        metrics: &[&Metric],
        figures: &[(&str, f64)],
    ) -> Result<()> {
        check_names(options, figures)?;
        // What rises is turned round, so that less is better of either.
        let figure = |metric: &str, direction| {
            let value = figures.iter().find(|(name, _)| *name == metric).map_or(f64::NAN, |(_, value)| *value);
            if rises(metric, direction, metrics) == Some(true) { -value } else { value }
        };
        let anneal = options.anneal.as_ref();
        let anneal = anneal.map(|anneal| (anneal, figure(anneal.metric(), anneal.direction())));
        let stopping = options.early_stopping.as_ref();
        let stopping = stopping.map(|stopping| (stopping, figure(&stopping.metric, stopping.direction)));
        self.take(anneal, stopping);
        Ok(())
    }

    /// Takes the figures of a validation: the one to anneal by and the one to stop by, both of which are better when lower.
    /// One that is not finite is no improvement.
    pub fn take(&mut self, anneal: Option<(&Anneal, f64)>, stopping: Option<(&EarlyStopping, f64)>) {
        self.validations += 1;
        if let Some((anneal, figure)) = anneal {
            self.anneal(anneal, figure);
        }
        let Some((stopping, figure)) = stopping else { return };
        if self.validations <= stopping.not_before {
            return;
        }
        if figure.is_finite() && self.best.is_none_or(|best| best - figure > LEAST_GAIN * best.abs()) {
            self.best = Some(figure);
            self.since_best = 0;
        } else {
            self.since_best += 1;
        }
    }

    /// Whether training is over.
    pub fn is_over(&self, stopping: Option<&EarlyStopping>) -> bool {
        stopping.is_some_and(|stopping| self.validations > stopping.not_before && self.since_best >= stopping.patience)
    }

    fn anneal(&mut self, anneal: &Anneal, figure: f64) {
        match *anneal {
            Anneal::NewBob { factor, threshold, patience, .. } => {
                let gain = |before: f64| if before == 0.0 { 0.0 } else { (before - figure) / before.abs() };
                let is_better = figure.is_finite() && self.anchor.is_none_or(|before| gain(before) >= threshold);
                self.anchor = Some(figure).filter(|figure| figure.is_finite()).or(self.anchor);
                if !is_better {
                    self.wait(factor, patience);
                }
            }
            Anneal::Plateau { factor, patience, not_before, .. } => {
                let is_better = figure.is_finite() && self.anchor.is_none_or(|best| figure <= best);
                if self.validations <= not_before || is_better {
                    self.anchor = Some(figure).filter(|figure| figure.is_finite()).or(self.anchor);
                    self.waited = if self.validations <= not_before { self.waited } else { 0 };
                } else {
                    self.wait(factor, patience);
                }
            }
        }
    }

    fn wait(&mut self, factor: f64, patience: usize) {
        if self.waited < patience {
            self.waited += 1;
        } else {
            self.scale *= factor;
            self.waited = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_training_goes_its_own_way_whatever_weights_are_kept_by() {
        let text = "max_key = \"accuracy\"\n[early_stopping]\nmetric = \"loss\"\npatience = 2";
        let mut options: TrainOptions = toml::from_str(text).unwrap();
        let own = Metric::lowest("wer");
        let validate = |options: &TrainOptions, state: &mut ValidationState, loss: f64, accuracy: f64| {
            let kept = options.metric(own.clone());
            state.update(options, &[&kept, &own], &[("loss", loss), ("accuracy", accuracy), ("wer", 0.5)])
        };
        let mut state = ValidationState::default();
        for step in 0..5 {
            validate(&options, &mut state, 1.0 - 0.1 * f64::from(step), 0.5).unwrap();
        }
        assert!(!state.is_over(options.early_stopping.as_ref()), "the loss falls: {state:?}");
        options.max_key = Some("Accuracy".into());
        let message = validate(&options, &mut state, 0.1, 0.5).unwrap_err().to_string();
        assert!(message.contains("train.max_key") && message.contains("accuracy"), "{message}");
        let text = "min_key = \"loss\"\n[early_stopping]\nmetric = \"accuracy\"\ndirection = \"max\"\npatience = 2";
        let options: TrainOptions = toml::from_str(text).unwrap();
        let mut state = ValidationState::default();
        for step in 0..5 {
            validate(&options, &mut state, 1.0, 0.5 + 0.1 * f64::from(step)).unwrap();
        }
        assert!(!state.is_over(options.early_stopping.as_ref()), "the accuracy rises: {state:?}");
    }

    #[test]
    fn a_figure_whose_way_is_not_known_is_refused() {
        let own = Metric::highest("f1");
        let check = |text: &str| check_directions(&toml::from_str(text).unwrap(), &[&own]).map_err(|e| e.to_string());
        let stopping = |metric: &str| format!("[early_stopping]\nmetric = {metric}\npatience = 2");
        for metric in ["\"f1\"", "\"loss\"", "\"wer\"", "\"recall\"\ndirection = \"max\""] {
            check(&stopping(metric)).unwrap();
        }
        let message = check(&stopping("\"recall\"")).unwrap_err();
        assert!(message.starts_with("train.early_stopping.direction: ") && message.contains("`recall`"), "{message}");
        let message = check("[anneal]\nkind = \"plateau\"\nmetric = \"recall\"").unwrap_err();
        assert!(message.starts_with("train.anneal.direction: "), "{message}");
    }

    #[test]
    fn a_figure_that_rises_is_annealed_when_it_falls() {
        let scale = |direction, metric: &Metric, figures: [f64; 3]| {
            let text = "[anneal]\nkind = \"new_bob\"\nmetric = \"f1\"";
            let mut options: TrainOptions = toml::from_str(text).unwrap();
            if let Some(Anneal::NewBob { direction: of, .. }) = &mut options.anneal {
                *of = direction;
            }
            let mut state = ValidationState::default();
            figures.iter().for_each(|figure| state.update(&options, &[metric], &[("f1", *figure)]).unwrap());
            state.scale
        };
        let (own, other) = (Metric::highest("f1"), Metric::lowest("loss"));
        assert_eq!(scale(None, &own, [0.5, 0.6, 0.7]), 1.0);
        assert_eq!(scale(None, &own, [0.7, 0.6, 0.5]), 0.25);
        assert_eq!(scale(Some(Direction::Max), &other, [0.5, 0.6, 0.7]), 1.0);
        assert_eq!(scale(None, &other, [0.5, 0.6, 0.7]), 0.25);
    }
}
