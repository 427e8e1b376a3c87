//! Does llama.cpp compute with a file what the net computes?

use std::path::Path;

use rejoinder_models::llm::llama::{LlamaOptions, LlamaResponder};

use super::Storage;
use crate::Result;
use crate::export::ExportError;

/// The engine's name in a card's table of parity.
pub const LLAMA_CPP: &str = "llama.cpp";

/// A net that has learnt little gives no score above this, though its parts are as large as others'.
const SMALL: f32 = 2.0;

/// How far llama.cpp may be from the net, as a share of the net's largest score. Beside 8-bit weights it rounds what they
/// are multiplied with to 8 bits as well (ggml's `vec_dot_q8_0_q8_0`).
fn allowed(storage: Storage) -> f32 {
    match storage {
        Storage::F16 => 4e-3,
        Storage::Q8_0 => 4e-2,
    }
}

/// The largest difference of llama.cpp's scores of the next token, with the file at `path`, to those that `score` gives,
/// after each of some texts of tokens.
///
/// # Errors
/// [`ExportError::Parity`] where they are too far apart; a file that llama.cpp cannot read.
pub fn check_parity(
    path: &Path,
    storage: Storage,
    texts: &[Vec<i32>],
    score: impl Fn(&[i32]) -> Vec<f32>,
) -> Result<f64> {
    let theirs = LlamaResponder::open(path, LlamaOptions::default())?;
    let (mut most, mut largest) = (0.0f32, SMALL);
    for text in texts {
        for (ours, theirs) in score(text).into_iter().zip(theirs.logits(text)?) {
            let difference = (ours - theirs).abs();
            // What is no number is as far off as can be.
            most = if difference.is_nan() { f32::INFINITY } else { most.max(difference) };
            largest = largest.max(ours.abs());
        }
    }
    if most > allowed(storage) * largest {
        return Err(ExportError::Parity {
            file: path.display().to_string(),
            runtime: LLAMA_CPP.to_owned(),
            output: "scores of the next token".to_owned(),
            allowed: f64::from(allowed(storage) * largest),
            found: f64::from(most),
        }
        .into());
    }
    Ok(f64::from(most))
}
