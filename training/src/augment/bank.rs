//! Noise: a bank of recordings in memory, mixtures at a given ratio, and noise from formulas.

use rand::Rng;

/// Noise recordings in memory, as 16-bit samples, each with a class by which they are drawn evenly.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    classes: Vec<(String, Vec<Vec<i16>>)>,
}

impl Bank {
    /// Adds a recording in [-1, 1] to a class.
    pub fn push(&mut self, class: &str, samples: &[f32]) {
        let clip = samples.iter().map(|s| (s * 32767.0).clamp(-32767.0, 32767.0) as i16).collect();
        match self.classes.iter_mut().find(|(name, _)| name == class) {
            Some((_, clips)) => clips.push(clip),
            None => self.classes.push((class.to_owned(), vec![clip])),
        }
    }

    /// Whether there is no recording.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// `length` samples of a random class and recording, from a random position, repeated where it is too short; nothing
    /// from an empty bank.
    pub fn draw(&self, length: usize, rng: &mut impl Rng) -> Option<Vec<f32>> {
        if self.classes.is_empty() {
            return None;
        }
        let (_, clips) = &self.classes[rng.random_range(0..self.classes.len())];
        let clip = &clips[rng.random_range(0..clips.len())];
        let start = rng.random_range(0..clip.len().max(1));
        let piece = clip[start.min(clip.len())..].iter().chain(clip.iter().cycle());
        Some(piece.take(length).map(|s| f32::from(*s) / 32767.0).collect())
    }

    /// Adds noise at `snr_db`, over the whole clip; white noise from an empty bank.
    pub fn add(&self, samples: &mut [f32], snr_db: f32, sample_rate_hz: u32, rng: &mut impl Rng) {
        let white = |rng: &mut _| synthetic_noise(NoiseKind::White, samples.len(), sample_rate_hz, rng);
        let noise = self.draw(samples.len(), rng).unwrap_or_else(|| white(rng));
        mix_at_snr(samples, &noise, snr_db);
    }
}

/// Adds `noise` to `samples` so that the ratio of their mean powers is `snr_db`. Silence stays as it is.
pub fn mix_at_snr(samples: &mut [f32], noise: &[f32], snr_db: f32) {
    let power = |x: &[f32]| x.iter().map(|s| s * s).sum::<f32>() / x.len().max(1) as f32;
    let (signal, other) = (power(samples), power(noise));
    if signal <= 1e-10 || other <= 1e-10 {
        return;
    }
    let gain = (signal / other / 10.0_f32.powf(snr_db / 10.0)).sqrt();
    samples.iter_mut().zip(noise).for_each(|(s, n)| *s += gain * n);
}

/// Noise from a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseKind {
    /// As much power at each frequency.
    White,
    /// -3 dB per octave (Paul Kellet's filter, made for 44.1 kHz; its steps lie lower at lower rates).
    Pink,
    /// -6 dB per octave.
    Brown,
    /// 50 Hz and its harmonics, with a little white noise.
    Hum,
}

impl NoiseKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::White, Self::Pink, Self::Brown, Self::Hum];

    /// Its name as a class of noise.
    pub fn name(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Pink => "pink",
            Self::Brown => "brown",
            Self::Hum => "hum",
        }
    }
}

/// Noise from a formula. The peak is about 0.5.
pub fn synthetic_noise(kind: NoiseKind, length: usize, sample_rate_hz: u32, rng: &mut impl Rng) -> Vec<f32> {
    let mut pole = [0.0_f32; 3];
    let mut brown = 0.0_f32;
    let mut next = |i: usize| {
        let white: f32 = rng.random_range(-1.0..1.0);
        match kind {
            NoiseKind::Pink => {
                pole[0] = 0.99765 * pole[0] + white * 0.099_046;
                pole[1] = 0.963 * pole[1] + white * 0.296_516_4;
                pole[2] = 0.57 * pole[2] + white * 1.052_691_3;
                pole.iter().sum::<f32>() + white * 0.1848
            }
            NoiseKind::Brown => {
                brown = 0.998 * brown + 0.05 * white;
                brown
            }
            NoiseKind::Hum => {
                let phase = std::f32::consts::TAU * 50.0 * i as f32 / sample_rate_hz as f32;
                (1..8).map(|k| (k as f32 * phase).sin() / k as f32).sum::<f32>() + 0.02 * white
            }
            NoiseKind::White => white,
        }
    };
    let mut noise: Vec<f32> = (0..length).map(&mut next).collect();
    let peak = noise.iter().fold(1e-6_f32, |peak, s| peak.max(s.abs()));
    noise.iter_mut().for_each(|s| *s *= 0.5 / peak);
    noise
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn power(x: &[f32]) -> f32 {
        x.iter().map(|s| s * s).sum::<f32>() / x.len() as f32
    }

    #[test]
    fn the_ratio_is_as_asked() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let clean: Vec<f32> = (0..16_000).map(|i| 0.2 * (i as f32 * 0.1).sin()).collect();
        for snr_db in [-5.0_f32, 0.0, 10.0, 20.0] {
            let mut mixed = clean.clone();
            mix_at_snr(&mut mixed, &synthetic_noise(NoiseKind::Pink, 16_000, 16_000, &mut rng), snr_db);
            let residue: Vec<f32> = mixed.iter().zip(&clean).map(|(m, c)| m - c).collect();
            let found = 10.0 * (power(&clean) / power(&residue)).log10();
            assert!((found - snr_db).abs() < 0.01, "{found} dB for {snr_db} dB");
        }
    }

    #[test]
    fn coloured_noise_falls_with_frequency() {
        // The power of first differences over the power: 2 for white noise, less the more low frequencies weigh.
        let tilt = |kind| {
            let noise = synthetic_noise(kind, 40_000, 16_000, &mut ChaCha8Rng::seed_from_u64(6));
            let differences: Vec<f32> = noise.windows(2).map(|w| w[1] - w[0]).collect();
            power(&differences) / power(&noise)
        };
        let (white, pink, brown) = (tilt(NoiseKind::White), tilt(NoiseKind::Pink), tilt(NoiseKind::Brown));
        assert!((white - 2.0).abs() < 0.1 && pink < 0.8 * white && brown < 0.1 * pink, "{white} {pink} {brown}");
    }

    #[test]
    fn hum_is_at_50_hz_at_any_rate() {
        for rate in [8_000, 16_000, 44_100] {
            let noise = synthetic_noise(NoiseKind::Hum, rate as usize, rate, &mut ChaCha8Rng::seed_from_u64(6));
            let period = rate as usize / 50;
            let apart: Vec<f32> = noise.iter().zip(&noise[period..]).map(|(a, b)| a - b).collect();
            assert!(power(&apart) < 0.05 * power(&noise), "{rate} Hz: {} of {}", power(&apart), power(&noise));
        }
    }

    #[test]
    fn a_short_recording_is_repeated() {
        let mut bank = Bank::default();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        assert!(bank.draw(10, &mut rng).is_none());
        bank.push("step", &[0.25, 0.5]);
        let drawn = bank.draw(5, &mut rng).unwrap();
        assert_eq!(drawn.len(), 5);
        assert!(drawn.windows(2).all(|w| (w[0] - w[1]).abs() > 0.2), "{drawn:?}");
    }
}
