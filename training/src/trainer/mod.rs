//! The training loop that every recipe shares: batches from a loader thread, AdamW with a schedule, clipping by the
//! global norm, an average of the weights, the best of them by the validations, checkpoints, resume, and progress. Who looks on
//! meanwhile is an [`Observer`]: logs, curves, events and the bar are, and a recipe may have its own.

mod adapters;
mod ahead;
mod anneal;
mod average;
mod checkpoint;
mod course;
mod curves;
mod environment;
mod evaluate;
mod events;
mod fit;
mod gradients;
mod interrupt;
mod kept;
mod layers;
mod observer;
mod optimizer;
mod options;
mod pool;
mod precision;
mod progress;
mod run;
mod run_log;
mod safetensors;
mod schedule;
mod start;
mod timing;
mod trained;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rejoinder_models::card::Bundle;

pub use adapters::{AdaptersConfig, HoulsbyConfig, LoraConfig};
pub use anneal::{Anneal, Direction, EarlyStopping, ValidationState};
pub use average::Average;
pub use checkpoint::{Checkpoint, load_weights, save_weights};
pub use evaluate::{evaluate, evaluate_observed};
pub use fit::{fit, fit_observed};
pub use interrupt::{interrupted, on_interrupt};
pub use kept::{Kept, Metric};
pub use observer::{At, BatchEnd, Observer, Observers, Stage};
pub use options::TrainOptions;
pub use precision::Precision;
pub(crate) use progress::TARGET as PROGRESS;
pub(crate) use run::DEBUG_RUN;
pub use run::RunMode;
pub use run_log::Meter;
pub use schedule::Schedule;
pub use timing::{Timing, time};
pub(crate) use trained::Trained;

use crate::import::speechbrain::Names;
use crate::nets::bottleneck::Parts;
use crate::{Error, Result};

/// Batches of one epoch, made on the loader thread.
pub type Batches<B> = Box<dyn Iterator<Item = Result<B>> + Send>;

/// A loss and what to show of it.
pub struct Loss {
    /// The scalar whose gradient trains the net, shape `(1)`.
    pub total: Tensor<1>,
    /// Named figures for the log, averaged over batches.
    pub parts: Vec<(&'static str, f64)>,
}

/// One figure of an evaluation: the mean of `value` over batches, weighted by `weight`.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The name, as it stands in the log.
    pub name: &'static str,
    /// The value for this batch.
    pub value: f64,
    /// How much this batch counts.
    pub weight: f64,
}

/// What is trained: a net, its batches, its loss and its figures.
pub trait Task: Sync {
    /// The net.
    type Net: Module + Sync;
    /// What the loader makes and the loss takes; it lives on the host.
    type Batch: Send + 'static;

    /// A net with fresh weights.
    fn net(&self, device: &Device) -> Self::Net;

    /// The net with bottlenecks of this width to train ([`AdaptersConfig`]) behind those of its parts that `behind` chooses;
    /// `None` where it has no place for them.
    fn with_bottlenecks(&self, _net: Self::Net, _width: usize, _behind: Parts<'_>) -> Option<Self::Net> {
        None
    }

    /// The files of a bundle that hold the net, for one to begin with them: each by its role, with the module of the net that
    /// is in it, which is empty for the net itself.
    ///
    /// # Errors
    /// A bundle of another family, or for other features or tokens; by default every one, since the task's bundles hold no
    /// weights that can be trained.
    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        let reason = "expected `net.safetensors` of a run: nothing can be trained on from a bundle of this task";
        Err(Error::config(bundle.root().display().to_string(), reason))
    }

    /// How the weights of a checkpoint of SpeechBrain's become those of the net, where there is a like one.
    fn speechbrain_names(&self) -> Option<Names> {
        None
    }

    /// The modules that begin afresh where the weights to begin with have none for them, or of another shape: what a bundle
    /// has no use for, and heads whose width goes by the data.
    fn heads(&self) -> &'static [&'static str] {
        &[]
    }

    /// The figure of the validations by which a run keeps its best weights. Default: the lowest `loss`.
    fn metric(&self) -> Metric {
        Metric::lowest("loss")
    }

    /// Seconds of sound in a batch, for the speed that is shown; 0 where it is not known.
    fn seconds(&self, _batch: &Self::Batch) -> f64 {
        0.0
    }

    /// The batches of one epoch, the same for the same `epoch` and `seed`, less the first `done`, which are not made.
    ///
    /// # Errors
    /// When the data cannot be opened.
    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<Self::Batch>>;

    /// The batches to validate on, always the same.
    ///
    /// # Errors
    /// When the data cannot be opened.
    fn valid_batches(&self) -> Result<Batches<Self::Batch>>;

    /// The loss of one batch; `step` counts optimizer steps from 0.
    ///
    /// # Errors
    /// When a batch cannot be used.
    fn loss(&self, net: &Self::Net, batch: Self::Batch, step: usize, device: &Device) -> Result<Loss>;

    /// The figures of one validation batch, for a net without gradients.
    ///
    /// # Errors
    /// When a batch cannot be used.
    fn evaluate(&self, net: &Self::Net, batch: Self::Batch, device: &Device) -> Result<Vec<Figure>>;
}
