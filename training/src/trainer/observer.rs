//! What may be done beside training: the hooks of SpeechBrain's `Brain`, by their names and in their order.

use super::{Kept, Task};
use crate::Result;

/// What is under way: SpeechBrain's `Stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// An epoch of training.
    Train,
    /// A validation between epochs.
    Valid,
    /// An evaluation by itself.
    Test,
}

impl Stage {
    /// The name, as it stands in the logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct At {
    /// The epoch under way, from 1; 0 outside a run.
    pub epoch: usize,
    /// Optimizer steps that are done.
    pub step: usize,
    /// The share of the run that is done, by its nearest limit.
    pub share: f64,
    /// Minutes of training that are done.
    pub minutes: f64,
    /// The learning rate of the next step.
    pub rate: f64,
    /// The best validation so far.
    pub best: Option<Kept>,
}

/// A batch that was trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchEnd<'a> {
    /// The named figures of its loss; none where it was skipped.
    pub parts: &'a [(&'static str, f64)],
    /// Seconds of sound in it, by [`Task::seconds`].
    pub seconds: f64,
    /// Whether the gradients that were gathered were to be used: SpeechBrain's `should_step`.
    pub should_step: bool,
}

/// Looks on while a task's net is trained or evaluated. Each call is one of SpeechBrain's `Brain`, in its order:
///
/// | | |
/// |---|---|
/// | once | `on_fit_start` |
/// | each epoch | `on_stage_start(Train)`; for each batch `on_fit_batch_start`, [`Task::loss`], `on_fit_batch_end`; `on_stage_end(Train)` |
/// | each validation | `on_stage_start(Valid)`; for each batch [`Task::evaluate`]; `on_stage_end(Valid)` |
/// | at the end | `on_fit_end`, which `Brain` has not |
/// | [`evaluate_observed`](super::evaluate_observed) | `on_evaluate_start`, `on_stage_start(Test)`; for each batch [`Task::evaluate`]; `on_stage_end(Test)` |
///
/// What `Brain` has one override (`compute_forward`, `compute_objectives`, `fit_batch`, `evaluate_batch`) is the task's. An
/// error ends training; no call may change what is learnt.
pub trait Observer<T: Task> {
    /// Before the first batch of a run, or of what is left of one that is resumed.
    ///
    /// # Errors
    /// Whatever the observer cannot go on without; it ends training.
    fn on_fit_start(&mut self, _net: &T::Net, _at: &At) -> Result<()> {
        Ok(())
    }

    /// Before the first batch of a stage.
    ///
    /// # Errors
    /// As [`on_fit_start`](Self::on_fit_start).
    fn on_stage_start(&mut self, _stage: Stage, _at: &At) -> Result<()> {
        Ok(())
    }

    /// Before a batch that is trained on.
    ///
    /// # Errors
    /// As [`on_fit_start`](Self::on_fit_start).
    fn on_fit_batch_start(&mut self, _batch: &T::Batch, _at: &At) -> Result<()> {
        Ok(())
    }

    /// After a batch that was trained on, and the step if it was the last that one waited for.
    ///
    /// # Errors
    /// As [`on_fit_start`](Self::on_fit_start).
    fn on_fit_batch_end(&mut self, _batch: &BatchEnd<'_>, _at: &At) -> Result<()> {
        Ok(())
    }

    /// After the last batch of a stage, with the means of its figures, and the net: as it trains, or as it was evaluated.
    ///
    /// # Errors
    /// As [`on_fit_start`](Self::on_fit_start).
    fn on_stage_end(&mut self, _stage: Stage, _figures: &[(&str, f64)], _net: &T::Net, _at: &At) -> Result<()> {
        Ok(())
    }

    /// After a run that came to its end, with what was chosen among the best (nothing: the last weights) and the net that is
    /// exported.
    ///
    /// # Errors
    /// As [`on_fit_start`](Self::on_fit_start).
    fn on_fit_end(&mut self, _chosen: &[Kept], _net: &T::Net, _at: &At) -> Result<()> {
        Ok(())
    }

    /// Before an evaluation by itself.
    ///
    /// # Errors
    /// As [`on_fit_start`](Self::on_fit_start).
    fn on_evaluate_start(&mut self, _net: &T::Net) -> Result<()> {
        Ok(())
    }
}

impl<T: Task, O: Observer<T> + ?Sized> Observer<T> for &mut O {
    fn on_fit_start(&mut self, net: &T::Net, at: &At) -> Result<()> {
        (**self).on_fit_start(net, at)
    }

    fn on_stage_start(&mut self, stage: Stage, at: &At) -> Result<()> {
        (**self).on_stage_start(stage, at)
    }

    fn on_fit_batch_start(&mut self, batch: &T::Batch, at: &At) -> Result<()> {
        (**self).on_fit_batch_start(batch, at)
    }

    fn on_fit_batch_end(&mut self, batch: &BatchEnd<'_>, at: &At) -> Result<()> {
        (**self).on_fit_batch_end(batch, at)
    }

    fn on_stage_end(&mut self, stage: Stage, figures: &[(&str, f64)], net: &T::Net, at: &At) -> Result<()> {
        (**self).on_stage_end(stage, figures, net, at)
    }

    fn on_fit_end(&mut self, chosen: &[Kept], net: &T::Net, at: &At) -> Result<()> {
        (**self).on_fit_end(chosen, net, at)
    }

    fn on_evaluate_start(&mut self, net: &T::Net) -> Result<()> {
        (**self).on_evaluate_start(net)
    }
}

/// Those who look on, in the order in which they are told.
pub type Observers<'a, T> = Vec<Box<dyn Observer<T> + Send + 'a>>;

/// Tells each of them.
pub(super) fn tell<T: Task>(
    observers: &mut Observers<'_, T>,
    mut call: impl FnMut(&mut dyn Observer<T>) -> Result<()>,
) -> Result<()> {
    observers.iter_mut().try_for_each(|observer| call(&mut **observer))
}
