//! Fourier transforms of real signals. They are planned here alone: a crate that plans one compiles all of them.

use std::sync::Arc;

pub use realfft::num_complex::Complex32;
pub use realfft::{ComplexToReal, RealToComplex};

/// From `length` samples to their `length / 2 + 1` bins; not scaled.
pub fn forward(length: usize) -> Arc<dyn RealToComplex<f32>> {
    realfft::RealFftPlanner::new().plan_fft_forward(length)
}

/// From `length / 2 + 1` bins to `length` samples, which come out times `length`.
pub fn inverse(length: usize) -> Arc<dyn ComplexToReal<f32>> {
    realfft::RealFftPlanner::new().plan_fft_inverse(length)
}
