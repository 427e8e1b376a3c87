//! Noise that comes out the same each time.

/// Samples in [-`peak`, `peak`), by the linear congruential generator of Press et al., "Numerical Recipes" (1992), 7.1.
pub(crate) fn noise(samples: usize, peak: f32, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * 2.0 * peak
    };
    (0..samples).map(|_| next()).collect()
}
