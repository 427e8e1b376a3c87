//! Losses.

mod ctc;

pub mod spectral;

pub use ctc::ctc_loss;
