use super::assign;

/// What keeps quotients and logarithms finite, as in SpeechBrain's `cal_si_snr`.
const EPSILON: f64 = 1e-8;

/// How near estimates come to sources, in the order that fits best.
#[derive(Clone, Debug, PartialEq)]
pub struct Separation {
    /// The number of the source that each estimate is taken for.
    pub sources: Vec<usize>,
    /// Of each estimate, in decibels.
    pub si_snr_db: Vec<f64>,
}

/// The scale-invariant signal-to-noise ratio in decibels (Y. Luo and N. Mesgarani, "TasNet", ICASSP 2018, equations 13 to
/// 15), both signals without their means: SpeechBrain's `cal_si_snr` with the opposite sign.
pub fn si_snr(estimate: &[f32], source: &[f32]) -> f64 {
    let mean = |signal: &[f32]| signal.iter().copied().map(f64::from).sum::<f64>() / signal.len().max(1) as f64;
    let (estimate_mean, source_mean) = (mean(estimate), mean(source));
    let pairs =
        || estimate.iter().zip(source).map(|(e, s)| (f64::from(*e) - estimate_mean, f64::from(*s) - source_mean));
    let energy: f64 = pairs().map(|(_, s)| s * s).sum();
    let gain = pairs().map(|(e, s)| e * s).sum::<f64>() / (energy + EPSILON);
    let noise: f64 = pairs().map(|(e, s)| (e - gain * s).powi(2)).sum();
    10.0 * (gain * gain * energy / (noise + EPSILON) + EPSILON).log10()
}

/// Finds the source of each of as many estimates, so that the mean of the ratios is the largest.
pub fn separation<S: AsRef<[f32]>>(estimates: &[S], sources: &[S]) -> Separation {
    let of = |estimate: &S| sources.iter().map(|source| si_snr(estimate.as_ref(), source.as_ref())).collect::<Vec<_>>();
    let pairs: Vec<f64> = estimates.iter().flat_map(of).collect();
    let order: Vec<usize> = assign(&pairs, sources.len()).into_iter().flatten().collect();
    let si_snr_db = order.iter().enumerate().map(|(at, source)| pairs[at * sources.len() + source]).collect();
    Separation { sources: order, si_snr_db }
}
