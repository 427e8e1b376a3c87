//! Losses.

mod binary;
mod ctc;
mod distillation;
mod frames;
mod given;
mod margin;
mod separation;
mod smoothed;
mod transducer;

pub mod adversarial;
pub mod spectral;

pub use binary::{
    BinaryLoss, CrossEntropyConfig, FocalConfig, binary_cross_entropy, focal_loss, weighted_binary_cross_entropy,
};
pub use ctc::ctc_loss;
pub use distillation::{ctc_distillation_loss, distillation_loss, distilled, softened};
pub use frames::frame_loss;
pub use margin::aam_softmax;
pub use separation::{Permuted, SeparationLoss};
pub use smoothed::smoothed_loss;
pub use transducer::transducer_loss;

/// The blank's id, in every token file of ours.
const BLANK: usize = 0;
