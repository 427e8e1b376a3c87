//! Losses.

mod ctc;
mod frames;
mod margin;

pub mod spectral;

pub use ctc::ctc_loss;
pub use frames::frame_loss;
pub use margin::aam_softmax;
