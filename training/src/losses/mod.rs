//! Losses.

mod binary;
mod ctc;
mod frames;
mod margin;

pub mod spectral;

pub use binary::binary_cross_entropy;
pub use ctc::ctc_loss;
pub use frames::frame_loss;
pub use margin::aam_softmax;
