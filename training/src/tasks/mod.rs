//! What is trained: for each task its recipe, its batches, its loss and its figures.

pub mod aligner;
pub mod asr;
pub mod attention;
pub mod g2p;
pub mod keyword;
pub mod lm;
pub mod speaker;
pub mod token_lm;
pub mod transducer;
pub mod tts;
pub mod turn;
pub mod vad;

use rejoinder_models::features::{Fbank, FbankConfig};

use crate::{Error, Result};

/// The features of a recipe, whose bins must be those that its net takes.
fn fbank(config: &FbankConfig, bins: usize) -> Result<Fbank> {
    let fbank = Fbank::new(config.clone())?;
    if fbank.bins() != bins {
        let reason = format!("expected {}, the features' bins, found {bins}", fbank.bins());
        return Err(Error::config("net.bins", reason));
    }
    Ok(fbank)
}
