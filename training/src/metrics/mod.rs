//! Figures of results beside references. Error rates of words are in [`text`](rejoinder_models::text), those of trials of
//! voices in [`speaker`](rejoinder_models::speaker).

mod assignment;
mod diarization;
mod rttm;
mod separation;

pub use assignment::assign;
pub use diarization::{DiarizationConfig, DiarizationErrors, Turn, diarization_errors};
pub use rttm::{Recording, read_rttm};
pub use separation::{Separation, separation, si_snr};
