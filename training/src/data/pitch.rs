//! The pitch of a clean voice, for training only.
//!
//! Candidates are the peaks of the autocorrelation normalised by that of its window (P. Boersma, "Accurate short-term
//! analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17, 1993,
//! section 3), and the cheapest path through them by dynamic programming decides (section 4).

use std::sync::Arc;

use rejoinder_models::fourier::{self, Complex32, ComplexToReal, RealToComplex};
use rejoinder_models::tts::excitation::Pitch;
use serde::{Deserialize, Serialize};

/// What counts as pitch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PitchConfig {
    /// The lowest pitch looked for, in hertz.
    pub min_hz: f32,
    /// The highest.
    pub max_hz: f32,
    /// A frame whose best correlation is below this is rather voiceless.
    pub voicing_threshold: f32,
    /// A frame quieter than this share of the loudest is rather silent.
    pub silence_threshold: f32,
    /// The price of an octave's jump from frame to frame of 10 ms.
    pub octave_jump_cost: f32,
    /// The price of a change between voiced and voiceless.
    pub switch_cost: f32,
    /// How much a higher pitch is preferred, per octave.
    pub octave_cost: f32,
}

impl Default for PitchConfig {
    fn default() -> Self {
        Self {
            min_hz: 90.0,
            max_hz: 420.0,
            voicing_threshold: 0.45,
            silence_threshold: 0.03,
            octave_jump_cost: 0.5,
            switch_cost: 0.14,
            octave_cost: 0.02,
        }
    }
}

#[derive(Clone, Copy)]
struct Candidate {
    hz: f32,
    strength: f32,
}

/// The pitch at the samples `0, hop, 2 * hop, …`, `frames` of them; voicing is 0 or 1, and voiceless stretches carry
/// the pitch on between their neighbours in equal ratios.
pub fn track(samples: &[f32], rate_hz: u32, hop: usize, frames: usize, config: &PitchConfig) -> Vec<Pitch> {
    let factor = (rate_hz / 8000).max(1) as usize;
    let low = decimate(samples, factor);
    let rate = rate_hz as f32 / factor as f32;
    let peak = low.iter().fold(0.0f32, |p, x| p.max(x.abs())).max(1e-6);
    let frame = Frame::new(rate, config);
    let candidates: Vec<Vec<Candidate>> =
        (0..frames).map(|t| frame.candidates(&low, t * hop / factor, peak, config)).collect();
    let scale = 0.01 * rate_hz as f32 / hop as f32;
    fill(&best_path(&candidates, scale, config))
}

/// Every `factor`-th sample behind a windowed-sinc low-pass.
fn decimate(samples: &[f32], factor: usize) -> Vec<f32> {
    if factor == 1 {
        return samples.to_vec();
    }
    let half = 8 * factor as isize;
    let tap = |k: isize| {
        let x = std::f32::consts::PI * k as f32 / factor as f32;
        let sinc = if k == 0 { 1.0 } else { x.sin() / x };
        sinc * (0.5 + 0.5 * (std::f32::consts::PI * k as f32 / half as f32).cos()) / factor as f32
    };
    let taps: Vec<f32> = (-half..=half).map(tap).collect();
    let at = |i: isize| usize::try_from(i).ok().and_then(|i| samples.get(i)).copied().unwrap_or(0.0);
    let centre = |i: usize| (i * factor) as isize - half;
    (0..samples.len().div_ceil(factor))
        .map(|i| taps.iter().enumerate().map(|(k, t)| t * at(centre(i) + k as isize)).sum())
        .collect()
}

struct Frame {
    rate: f32,
    window: Vec<f32>,
    window_correlation: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    lags: std::ops::Range<usize>,
}

impl Frame {
    fn new(rate: f32, config: &PitchConfig) -> Self {
        let length = (3.0 * rate / config.min_hz) as usize;
        let angle = |i: usize| 2.0 * std::f32::consts::PI * (i as f32 + 0.5) / length as f32;
        let window: Vec<f32> = (0..length).map(|i| 0.5 - 0.5 * angle(i).cos()).collect();
        let fft = (2 * length).next_power_of_two();
        let lags = (rate / config.max_hz) as usize..(rate / config.min_hz) as usize + 1;
        let (forward, inverse) = (fourier::forward(fft), fourier::inverse(fft));
        let mut frame = Self { rate, window_correlation: Vec::new(), forward, inverse, lags, window };
        frame.window_correlation = frame.correlation(&frame.window);
        frame
    }

    fn correlation(&self, samples: &[f32]) -> Vec<f32> {
        let mut padded = samples.to_vec();
        padded.resize(self.forward.len(), 0.0);
        let mut spectrum = self.forward.make_output_vec();
        let sound = self.forward.process(&mut padded, &mut spectrum).is_ok();
        spectrum.iter_mut().for_each(|c| *c = Complex32::new(c.norm_sqr(), 0.0));
        let done = sound && self.inverse.process(&mut spectrum, &mut padded).is_ok();
        debug_assert!(done, "both transforms were planned for this length");
        let zero = padded[0].max(1e-12);
        padded.iter().take(self.lags.end + 2).map(|x| x / zero).collect()
    }

    /// The voiceless candidate first, then up to four pitches.
    fn candidates(&self, low: &[f32], centre: usize, peak: f32, config: &PitchConfig) -> Vec<Candidate> {
        let half = self.window.len() / 2;
        let at = |i: usize| (centre + i).checked_sub(half).and_then(|i| low.get(i)).copied().unwrap_or(0.0);
        let raw: Vec<f32> = (0..self.window.len()).map(at).collect();
        let mean = raw.iter().sum::<f32>() / raw.len() as f32;
        let loudest = raw.iter().fold(0.0f32, |p, x| p.max((x - mean).abs()));
        let windowed: Vec<f32> = raw.iter().zip(&self.window).map(|(x, w)| (x - mean) * w).collect();
        let correlation = self.correlation(&windowed);
        let r: Vec<f32> = correlation.iter().zip(&self.window_correlation).map(|(c, w)| c / w.max(0.01)).collect();
        let quiet = (loudest / peak / config.silence_threshold).min(1.0);
        let voiceless = config.voicing_threshold + (1.0 - quiet) * 2.0;
        let mut found: Vec<Candidate> = self
            .lags
            .clone()
            .filter(|&l| l > 0 && r[l] > r[l - 1] && r[l] >= r[l + 1] && r[l] > 0.3)
            .map(|l| {
                let bend = (2.0 * r[l] - r[l - 1] - r[l + 1]).max(1e-9);
                let shift = 0.5 * (r[l + 1] - r[l - 1]) / bend;
                let hz = self.rate / (l as f32 + shift);
                let strength = (r[l] + 0.25 * (r[l + 1] - r[l - 1]) * shift).min(1.0);
                Candidate { hz, strength: strength + config.octave_cost * (hz / config.min_hz).log2() }
            })
            .collect();
        found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        found.truncate(4);
        found.insert(0, Candidate { hz: 0.0, strength: voiceless });
        found
    }
}

fn best_path(frames: &[Vec<Candidate>], scale: f32, config: &PitchConfig) -> Vec<f32> {
    let price = |a: f32, b: f32| match (a > 0.0, b > 0.0) {
        (false, false) => 0.0,
        (true, true) => scale * config.octave_jump_cost * (a / b).log2().abs(),
        _ => scale * config.switch_cost,
    };
    let mut score: Vec<f32> = frames.first().into_iter().flatten().map(|c| c.strength).collect();
    let mut back = Vec::new();
    for pair in frames.windows(2) {
        let step = |next: &Candidate| {
            let through = pair[0].iter().zip(&score).map(|(c, s)| s - price(c.hz, next.hz));
            let (from, best) = through.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
            (from, best + next.strength)
        };
        let (from, next): (Vec<usize>, Vec<f32>) = pair[1].iter().map(step).unzip();
        back.push(from);
        score = next;
    }
    let best = score.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    let mut at = best;
    let mut path: Vec<f32> = Vec::with_capacity(frames.len());
    for t in (0..frames.len()).rev() {
        path.push(frames[t][at].hz);
        at = if t > 0 { back[t - 1][at] } else { 0 };
    }
    path.reverse();
    path
}

/// Carries the logarithm of the pitch on through voiceless stretches.
fn fill(hz: &[f32]) -> Vec<Pitch> {
    let voiced: Vec<usize> = (0..hz.len()).filter(|&t| hz[t] > 0.0).collect();
    let between = |t: usize| {
        let after = voiced.partition_point(|&v| v < t);
        let (left, right) = (after.checked_sub(1).map(|i| voiced[i]), voiced.get(after).copied());
        match (left, right) {
            (Some(a), Some(b)) => {
                let share = (t - a) as f32 / (b - a) as f32;
                (hz[a].ln() * (1.0 - share) + hz[b].ln() * share).exp()
            }
            (Some(one), None) | (None, Some(one)) => hz[one],
            (None, None) => 150.0,
        }
    };
    let pitch = |t: usize| match hz[t] {
        f if f > 0.0 => Pitch { hz: f, voicing: 1.0 },
        _ => Pitch { hz: between(t), voicing: 0.0 },
    };
    (0..hz.len()).map(pitch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gliding_buzz_is_followed_and_its_silence_is_voiceless() {
        let rate = 24_000;
        let hz = |i: usize| 150.0 + 100.0 * i as f32 / rate as f32;
        let mut phase = 0.0f32;
        let mut samples: Vec<f32> = (0..rate as usize)
            .map(|i| {
                phase = (phase + hz(i) / rate as f32).fract();
                (1..=10).map(|k| (2.0 * std::f32::consts::PI * phase * k as f32).sin() / k as f32).sum::<f32>() * 0.2
            })
            .collect();
        samples.extend(vec![0.0; rate as usize / 2]);
        let pitch = track(&samples, rate, 300, 120, &PitchConfig::default());
        for (t, p) in pitch.iter().enumerate().take(76).skip(4) {
            assert_eq!(p.voicing, 1.0, "frame {t}");
            let expected = hz(t * 300);
            assert!((p.hz / expected - 1.0).abs() < 0.01, "frame {t}: {} and {expected}", p.hz);
        }
        assert!(pitch[84..].iter().all(|p| p.voicing == 0.0));
    }
}
