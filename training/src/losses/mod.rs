//! Losses.

mod ctc;
mod frames;

pub mod spectral;

pub use ctc::ctc_loss;
pub use frames::frame_loss;
