//! What a vocal tract is driven by: glottal pulses while voiced, and noise.

use std::f64::consts::PI;

/// The two sources of a voice, sample by sample, without end and without a seam between frames.
///
/// The pulses are a sum of all cosine harmonics of the pitch below half the sample rate, in closed form (the Dirichlet
/// kernel), scaled to unit power; the noise is white, of unit power, and the same in every run.
#[derive(Clone, Debug)]
pub struct Excitation {
    rate_hz: f64,
    hop: usize,
    phase: f64,
    noise: u64,
    last: Option<Pitch>,
}

/// The pitch at a frame's centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pitch {
    /// The fundamental frequency in hertz, continued through voiceless frames.
    pub hz: f32,
    /// How much of the pulses is heard, from 0 (voiceless) to 1.
    pub voicing: f32,
}

impl Excitation {
    /// Sources at a sample rate, with a pitch every `hop` samples.
    pub fn new(rate_hz: u32, hop: usize) -> Self {
        Self::seeded(rate_hz, hop, 0)
    }

    /// The same with another noise for each seed.
    pub fn seeded(rate_hz: u32, hop: usize, seed: u64) -> Self {
        let noise = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { rate_hz: f64::from(rate_hz), hop, phase: 0.0, noise, last: None }
    }

    /// Appends the `hop` samples from the frame before to this one; the first frame appends nothing.
    pub fn push(&mut self, pitch: Pitch, pulses: &mut Vec<f32>, noise: &mut Vec<f32>) {
        let Some(from) = self.last.replace(pitch) else { return };
        for i in 0..self.hop {
            let at = i as f64 / self.hop as f64;
            let mix = |a: f32, b: f32| f64::from(a) + (f64::from(b) - f64::from(a)) * at;
            let hz = mix(from.hz, pitch.hz).clamp(20.0, self.rate_hz / 4.0);
            self.phase = (self.phase + hz / self.rate_hz).fract();
            pulses.push((self.harmonics(hz) * mix(from.voicing, pitch.voicing)) as f32);
            noise.push(self.white());
        }
    }

    fn harmonics(&self, hz: f64) -> f64 {
        let count = (self.rate_hz / 2.0 / hz).floor();
        let half = (PI * self.phase).sin();
        let sum =
            if half.abs() < 1e-9 { count } else { ((2.0 * count + 1.0) * PI * self.phase).sin() / (2.0 * half) - 0.5 };
        sum * (2.0 / count).sqrt()
    }

    /// Uniform, by xorshift64 (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003).
    fn white(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let unit = (self.noise >> 40) as f32 / (1u64 << 24) as f32;
        (2.0 * unit - 1.0) * 3f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulses_are_the_sum_of_their_harmonics_with_unit_power() {
        let mut source = Excitation::new(24_000, 300);
        let (mut pulses, mut noise) = (Vec::new(), Vec::new());
        for _ in 0..81 {
            source.push(Pitch { hz: 200.0, voicing: 1.0 }, &mut pulses, &mut noise);
        }
        assert_eq!(pulses.len(), 24_000);
        let count = 60;
        for (i, &sample) in pulses.iter().enumerate().take(500) {
            let phase = 200.0 * (i + 1) as f64 / 24_000.0;
            let sum: f64 = (1..=count).map(|k| (2.0 * PI * f64::from(k) * phase).cos()).sum();
            assert!((f64::from(sample) - sum * (2.0 / f64::from(count)).sqrt()).abs() < 1e-4, "sample {i}");
        }
        let power = |x: &[f32]| x.iter().map(|s| s * s).sum::<f32>() / x.len() as f32;
        assert!((power(&pulses) - 1.0).abs() < 0.02);
        assert!((power(&noise) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_voiceless_frame_has_no_pulses() {
        let mut source = Excitation::new(24_000, 300);
        let (mut pulses, mut noise) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            source.push(Pitch { hz: 150.0, voicing: 0.0 }, &mut pulses, &mut noise);
        }
        assert_eq!(pulses, vec![0.0; 600]);
    }
}
