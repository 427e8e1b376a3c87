//! What kernels do to rows of 32-bit floats, written so that the compiler makes vectors of it: lanes are counted, since the
//! constructors of iterators may be calls, which it cannot look through.
#![allow(clippy::needless_range_loop, reason = "see above")]

/// Partial sums that are kept apart, since the compiler may not reorder a sum by itself: two vectors of AVX.
const LANES: usize = 16;

/// Below this the exponential is no normal number any more, above it it is infinite.
const EXP_RANGE: (f32, f32) = (-87.0, 88.0);

/// Compiles a function twice, for every processor and for those with AVX2, and calls the one that fits. What it calls in
/// turn must be `#[inline(always)]` to be compiled with it.
macro_rules! vectorized {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $output:ty)? $body:block) => {
        $(#[$meta])*
        $visibility fn $name($($argument: $kind),*) $(-> $output)? {
            #[inline(always)]
            fn portable($($argument: $kind),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn wide($($argument: $kind),*) $(-> $output)? {
                portable($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                // SAFETY: the processor has what `wide` is compiled for.
                return unsafe { wide($($argument),*) };
            }
            portable($($argument),*)
        }
    };
}
pub(super) use vectorized;

/// The sum of a term of each pair of values.
#[inline(always)]
pub(super) fn sum_pairs(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| term(*a, *b)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The sum of a term of each value.
#[inline(always)]
pub(super) fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    sum_pairs(values, values, |value, _| term(value))
}

/// The largest value; that of no values is minus infinity.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = if chunk[lane] > lanes[lane] { chunk[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The exponential within two units in the last place, by the polynomial of Cephes (Moshier, `expf.c`); values beyond
/// the range of normal numbers are taken to its ends.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    // Added to a number below 2^22, it leaves the nearest integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > EXP_RANGE.1 { EXP_RANGE.1 } else { x };
    let x = if x < EXP_RANGE.0 { EXP_RANGE.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let r = x - whole * LN_2.0 - whole * LN_2.1;
    let tail =
        ((((1.987_569_1e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1) * r + 5e-1;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (tail * r * r + r + 1.0) * power
}

/// The logistic function.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// How likely a value of the standard normal distribution is to lie below `x`, and its density at `x`; by Abramowitz and
/// Stegun, "Handbook of Mathematical Functions", 7.1.26, within 2e-7.
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    const PEAK: f32 = 0.398_942_3;
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let bell = exp(-z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = (((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6;
    let tail = 0.5 * bell * t * series;
    (if x < 0.0 { tail } else { 1.0 - tail }, PEAK * bell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_those_of_the_library() {
        for step in -8_700..=8_800 {
            let x = step as f32 / 100.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 2.4e-7, "{x}: {found}, expected {expected}");
        }
        assert!(exp(-1e4) < 1e-37 && exp(1e4) > 1e38);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_is_that_of_its_series() {
        for step in -600..=600 {
            let x = f64::from(step) / 100.0;
            // Marsaglia, "Evaluating the Normal Distribution", 2004: 1/2 + density (x + x^3 / 3 + x^5 / (3 5) + ...).
            let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            let terms = (1..100).scan(x, |term, n| {
                let this = *term;
                *term *= x * x / f64::from(2 * n + 1);
                Some(this)
            });
            let below = 0.5 + density * terms.sum::<f64>();
            let found = normal(x as f32);
            assert!((f64::from(found.0) - below).abs() < 2e-7, "{x}: {}, expected {below}", found.0);
            assert!((f64::from(found.1) - density).abs() < 2e-7, "{x}: {}, expected {density}", found.1);
        }
    }

    #[test]
    fn sums_and_maxima_count_every_value() {
        for length in [0, 1, 15, 16, 17, 40] {
            let values: Vec<f32> = (0..length).map(|value| value as f32).collect();
            assert_eq!(sum(&values, |value| value), values.iter().sum::<f32>());
            assert_eq!(largest(&values), values.last().copied().unwrap_or(f32::NEG_INFINITY));
        }
    }
}
