//! Losses.

mod binary;
mod ctc;
mod frames;
mod given;
mod margin;
mod smoothed;
mod transducer;

pub mod spectral;

pub use binary::binary_cross_entropy;
pub use ctc::ctc_loss;
pub use frames::frame_loss;
pub use margin::aam_softmax;
pub use smoothed::smoothed_loss;
pub use transducer::transducer_loss;

/// The blank's id, in every token file of ours.
const BLANK: usize = 0;
