//! Losses.

mod ctc;

pub use ctc::ctc_loss;
