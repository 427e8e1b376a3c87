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
        /// Which way it is better. Default: as the best weights are kept by it, of other figures `min`.
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

/// Whether more of a figure is better: as is said, else as one of these has it that are called so, else not.
fn rises(name: &str, direction: Option<Direction>, metrics: &[&Metric]) -> bool {
    let known = || metrics.iter().any(|metric| metric.name() == name && metric.is_highest());
    direction.map_or_else(known, |direction| direction == Direction::Max)
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
    /// Which way it is better. Default: that of the task's own figure, of others `min`.
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
        figures: &[(&'static str, f64)],
    ) -> Result<()> {
        let falling = |figure: f64, rises: bool| if rises { -figure } else { figure };
        let find = |key: &str, metric: &str| {
            let found = figures.iter().find(|(name, _)| *name == metric).map(|(_, value)| *value);
            found.ok_or_else(|| {
                let names: Vec<_> = figures.iter().map(|(name, _)| *name).collect();
                Error::config(key, format!("expected one of {}, found {metric}", names.join(", ")))
            })
        };
        let anneal = match &options.anneal {
            Some(anneal) => {
                let figure = find("train.anneal.metric", anneal.metric())?;
                Some((anneal, falling(figure, rises(anneal.metric(), anneal.direction(), metrics))))
            }
            None => None,
        };
        let stopping = match &options.early_stopping {
            Some(stopping) => {
                let figure = find("train.early_stopping.metric", &stopping.metric)?;
                Some((stopping, falling(figure, rises(&stopping.metric, stopping.direction, metrics))))
            }
            None => None,
        };
        for (key, name) in [("train.min_key", &options.min_key), ("train.max_key", &options.max_key)] {
            if let Some(name) = name {
                find(key, name)?;
            }
        }
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
        stopping.is_some_and(|stopping| self.best.is_some() && self.since_best >= stopping.patience)
    }

    fn anneal(&mut self, anneal: &Anneal, figure: f64) {
        match *anneal {
            Anneal::NewBob { factor, threshold, patience, .. } => {
                let before = self.anchor.replace(figure);
                let improvement =
                    before.map(|before| if before == 0.0 { 0.0 } else { (before - figure) / before.abs() });
                if improvement.is_some_and(|improvement| improvement < threshold) {
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
