//! Seeds of random generators.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// 2^64 over the golden ratio, whose multiples lie evenly (D. Knuth, "The Art of Computer Programming" 3, section 6.4).
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// One seed of several numbers, such as that of a run, an epoch and a batch. Their order counts.
pub(crate) fn seed(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |hash, part| (hash ^ part).wrapping_mul(GOLDEN).rotate_left(29))
}

/// A generator with the [`seed`] of several numbers.
pub(crate) fn generator(parts: &[u64]) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed(parts))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn seeds_of_small_numbers_in_any_order_differ() {
        let seeds: HashSet<u64> = (0..64).flat_map(|a| (0..64).map(move |b| seed(&[1234, a, b]))).collect();
        assert_eq!(seeds.len(), 64 * 64);
    }
}
