//! Decoding: pure functions over slices, no tensor type.

pub mod attention;
pub mod ctc;
pub mod lexicon;
pub mod ngram;
pub mod transducer;

/// The logarithm of the sum of two numbers that are given by their logarithms; minus infinity stands for zero.
pub fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
