use rejoinder_models::fourier;

/// Logarithms of the magnitudes in triangular bands that are equally wide on the mel scale, for training only.
#[derive(Clone, Copy, Debug)]
pub struct MelConfig {
    /// Samples per second.
    pub rate_hz: u32,
    /// Samples under the Hann window, which is also the length of the transform.
    pub window: usize,
    /// Samples from frame to frame; frame `t` is centred at `t * hop`.
    pub hop: usize,
    /// Bands between 0 and half the sample rate.
    pub bands: usize,
}

/// What silence is raised to before the logarithm.
const FLOOR: f32 = 1e-5;

impl MelConfig {
    /// Computes `frames` frames, `[frames, bands]`.
    pub fn compute(&self, samples: &[f32], frames: usize) -> Vec<f32> {
        let transform = fourier::forward(self.window);
        let angle = |i: usize| 2.0 * std::f32::consts::PI * i as f32 / self.window as f32;
        let window: Vec<f32> =
            (0..self.window).map(|i| (0.5 - 0.5 * angle(i).cos()) * 4.0 / self.window as f32).collect();
        let bank = self.bank();
        let (mut spectrum, mut input) = (transform.make_output_vec(), transform.make_input_vec());
        let mut out = Vec::with_capacity(frames * self.bands);
        for t in 0..frames {
            for (i, (x, w)) in input.iter_mut().zip(&window).enumerate() {
                let at = (t * self.hop + i).checked_sub(self.window / 2);
                *x = at.and_then(|at| samples.get(at)).map_or(0.0, |s| s * w);
            }
            let done = transform.process(&mut input, &mut spectrum).is_ok();
            debug_assert!(done, "the transform was planned for this length");
            let magnitudes: Vec<f32> = spectrum.iter().map(|c| c.norm()).collect();
            for (first, weights) in &bank {
                let sum: f32 = weights.iter().zip(&magnitudes[*first..]).map(|(w, m)| w * m).sum();
                out.push(sum.max(FLOOR).ln());
            }
        }
        out
    }

    /// How to read a log spectrum off log bands: for each bin, the two nearest bands with their shares; and for each
    /// band the logarithm of its total weight, which is to be taken off first.
    pub(super) fn interpolation(&self) -> (Vec<[(usize, f32); 2]>, Vec<f32>) {
        let mel = |hz: f32| 2595.0 * (1.0 + hz / 700.0).log10();
        let step = mel(self.rate_hz as f32 / 2.0) / (self.bands + 1) as f32;
        let last = self.bands - 1;
        let of = |k: usize| {
            let at = (mel(k as f32 * self.rate_hz as f32 / self.window as f32) / step - 1.0).clamp(0.0, last as f32);
            let low = (at as usize).min(last);
            [(low, 1.0 - at.fract()), ((low + 1).min(last), at.fract())]
        };
        let weights = self.bank().iter().map(|(_, weights)| weights.iter().sum::<f32>().max(1e-3).ln()).collect();
        ((0..self.window / 2 + 1).map(of).collect(), weights)
    }

    /// For each band its first bin and its weights.
    fn bank(&self) -> Vec<(usize, Vec<f32>)> {
        let mel = |hz: f32| 2595.0 * (1.0 + hz / 700.0).log10();
        let top = mel(self.rate_hz as f32 / 2.0);
        let bin_mel = |k: usize| mel(k as f32 * self.rate_hz as f32 / self.window as f32);
        let step = top / (self.bands + 1) as f32;
        let weight = |band: usize, k: usize| (1.0 - (bin_mel(k) / step - (band + 1) as f32).abs()).max(0.0);
        let bins = self.window / 2 + 1;
        let band = |band: usize| {
            let inside = |k: &usize| weight(band, *k) > 0.0;
            let centre = ((0..bins).find(|&k| bin_mel(k) >= (band + 1) as f32 * step)).unwrap_or(bins - 1);
            let first = (0..bins).find(inside).unwrap_or(centre);
            let last = (0..bins).rfind(inside).unwrap_or(centre);
            let weights: Vec<f32> = (first..=last).map(|k| weight(band, k)).collect();
            let sum: f32 = weights.iter().sum();
            (first, if sum > 0.0 { weights } else { vec![1.0] })
        };
        (0..self.bands).map(band).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_loudest_in_its_band_and_measures_its_amplitude() {
        let config = MelConfig { rate_hz: 24_000, window: 1200, hop: 300, bands: 80 };
        let tone = |i: usize| 0.5 * (2.0 * std::f32::consts::PI * 3000.0 * i as f32 / 24_000.0).sin();
        let samples: Vec<f32> = (0..6000).map(tone).collect();
        let mel = config.compute(&samples, 20);
        let frame = &mel[10 * 80..11 * 80];
        let loudest = (0..80).max_by(|&a, &b| frame[a].total_cmp(&frame[b])).unwrap();
        let top = 2595.0 * (1.0f32 + 12_000.0 / 700.0).log10();
        let expected = 2595.0 * (1.0f32 + 3000.0 / 700.0).log10() / (top / 81.0) - 1.0;
        assert!((loudest as f32 - expected).abs() < 1.0, "{loudest} and {expected}");
        assert!(frame[loudest] < 0.5f32.ln() + 0.1 && frame[loudest] > 0.05f32.ln());
        assert_eq!(config.compute(&[], 1), vec![FLOOR.ln(); 80]);
    }
}
