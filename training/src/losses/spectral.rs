//! Sound from filters and its distance to a recording, differentiable: the training twin of
//! [`SourceFilter`](rejoinder_models::tts::source_filter::SourceFilter).

use std::f64::consts::PI;

use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::tts::source_filter::SourceFilterConfig;

/// Filters given sources by given cepstra.
#[derive(Debug)]
pub struct Renderer {
    config: SourceFilterConfig,
    harmonic: Tensor<2>,
    noise: Tensor<2>,
    window: Tensor<2>,
    inverse: Tensor<2>,
}

impl Renderer {
    /// The matrices of a geometry, on a device.
    pub fn new(config: &SourceFilterConfig, device: &Device) -> Self {
        Self {
            config: config.clone(),
            harmonic: log_spectrum(config.harmonic_order, config.fft, device),
            noise: log_spectrum(config.noise_order, config.fft, device),
            window: frame_dft(config, device),
            inverse: inverse_dft(config.fft, device),
        }
    }

    /// # Shapes
    /// - cepstra: `[batch, frames, harmonic_order + noise_order]`
    /// - pulses, noise: `[batch, (frames + 1) * hop]`, as
    ///   [`sources`](rejoinder_models::tts::source_filter::sources) gives them
    /// - output: `[batch, (frames - 1) * hop]`, from the centre of the first frame to that of the last
    pub fn forward(&self, cepstra: Tensor<3>, pulses: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let (hop, fft) = (self.config.hop, self.config.fft);
        let [batch, frames, width] = cepstra.dims();
        let order = self.config.harmonic_order;
        let pulses = self.filter(cepstra.clone().slice([0..batch, 0..frames, 0..order]), &self.harmonic, pulses);
        let noise = self.filter(cepstra.slice([0..batch, 0..frames, order..width]), &self.noise, noise);
        let spectrum = Tensor::cat(vec![pulses.0 + noise.0, pulses.1 + noise.1], 2);
        let pieces = spectrum.matmul(self.inverse.clone().unsqueeze()); // [batch, frames, fft]
        let count = fft / hop;
        let total = frames + count - 1;
        let mut sum = Tensor::<3>::zeros([batch, total, hop], &pieces.device());
        for late in 0..count {
            let piece = pieces.clone().slice([0..batch, 0..frames, late * hop..(late + 1) * hop]);
            let mut parts = Vec::with_capacity(3);
            if late > 0 {
                parts.push(Tensor::zeros([batch, late, hop], &piece.device()));
            }
            parts.push(piece);
            if late + 1 < count {
                parts.push(Tensor::zeros([batch, count - 1 - late, hop], &sum.device()));
            }
            sum = sum + Tensor::cat(parts, 1);
        }
        sum.slice([0..batch, 1..frames, 0..hop]).reshape([batch, (frames - 1) * hop])
    }

    /// The real and imaginary parts of a source behind a filter.
    fn filter(&self, cepstra: Tensor<3>, matrix: &Tensor<2>, source: Tensor<2>) -> (Tensor<3>, Tensor<3>) {
        let (bins, hop) = (self.config.bins(), self.config.hop);
        let [batch, frames, _] = cepstra.dims();
        let pieces = source.reshape([batch, frames + 1, hop]);
        let shifted = |k: usize| pieces.clone().slice([0..batch, k..k + frames, 0..hop]);
        let spectrum = Tensor::cat(vec![shifted(0), shifted(1)], 2).matmul(self.window.clone().unsqueeze());
        let re = spectrum.clone().slice([0..batch, 0..frames, 0..bins]);
        let im = spectrum.slice([0..batch, 0..frames, bins..2 * bins]);
        let log = cepstra.matmul(matrix.clone().unsqueeze()); // [batch, frames, 2 * bins]
        let size = log.clone().slice([0..batch, 0..frames, 0..bins]).clamp(-20.0, 6.0).exp();
        let angle = log.slice([0..batch, 0..frames, bins..2 * bins]);
        let (h_re, h_im) = (size.clone() * angle.clone().cos(), size * angle.sin());
        (re.clone() * h_re.clone() - im.clone() * h_im.clone(), re * h_im + im * h_re)
    }
}

/// `[order, 2 * bins]`: from a cepstrum to the logarithm of the magnitude and the phase.
fn log_spectrum(order: usize, fft: usize, device: &Device) -> Tensor<2> {
    let bins = fft / 2 + 1;
    let angle = |n: usize, k: usize| 2.0 * PI * ((n * k) % fft) as f64 / fft as f64;
    matrix(order, 2 * bins, device, |n, k| if k < bins { angle(n, k).cos() } else { -angle(n, k - bins).sin() })
}

/// `[2 * hop, 2 * bins]`: from a frame of a source to the real and imaginary parts of its windowed spectrum.
fn frame_dft(config: &SourceFilterConfig, device: &Device) -> Tensor<2> {
    let (bins, fft, window) = (config.bins(), config.fft, config.window());
    let angle = |n: usize, k: usize| 2.0 * PI * ((n * k) % fft) as f64 / fft as f64;
    matrix(2 * config.hop, 2 * bins, device, |n, k| {
        f64::from(window[n]) * if k < bins { angle(n, k).cos() } else { -angle(n, k - bins).sin() }
    })
}

/// `[2 * bins, fft]`: from the real and imaginary parts of half a spectrum to samples.
fn inverse_dft(fft: usize, device: &Device) -> Tensor<2> {
    let bins = fft / 2 + 1;
    let scale = |k: usize| if k == 0 || k == bins - 1 { 1.0 } else { 2.0 } / fft as f64;
    let angle = |k: usize, n: usize| 2.0 * PI * ((n * k) % fft) as f64 / fft as f64;
    matrix(2 * bins, fft, device, |k, n| {
        if k < bins { scale(k) * angle(k, n).cos() } else { -scale(k - bins) * angle(k - bins, n).sin() }
    })
}

fn matrix(rows: usize, columns: usize, device: &Device, value: impl Fn(usize, usize) -> f64) -> Tensor<2> {
    let values: Vec<f32> = (0..rows * columns).map(|i| value(i / columns, i % columns) as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// The multi-resolution distance of magnitude spectra: for each resolution the mean difference of logarithms plus the
/// relative Frobenius distance (R. Yamamoto, E. Song and J.-M. Kim, "Parallel WaveGAN", 2020, equations 4 to 6).
#[derive(Debug)]
pub struct SpectralDistance {
    resolutions: Vec<(usize, Tensor<2>)>,
}

/// What a [`SpectralDistance`] finds.
pub struct Comparison {
    /// The distance, `[1]`.
    pub total: Tensor<1>,
    /// The mean difference of logarithms alone, `[1]`.
    pub log: Tensor<1>,
    /// For each resolution, the logarithms of the sound's magnitudes, `[batch, frames, bins]`.
    pub sounds: Vec<Tensor<3>>,
    /// Those of the target.
    pub targets: Vec<Tensor<3>>,
}

/// Keeps the logarithm of silence finite; the quantisation noise of 16 bits lies about here.
const FLOOR: f64 = 2e-3;

impl SpectralDistance {
    /// A distance over windows of these lengths, each a multiple of 4, moved by a quarter of it.
    pub fn new(windows: &[usize], device: &Device) -> Self {
        let resolution = |&window: &usize| (window / 4, windowed_dft(window, device));
        Self { resolutions: windows.iter().map(resolution).collect() }
    }

    /// # Shapes
    /// - sound, target: `[batch, samples]`
    pub fn forward(&self, sound: Tensor<2>, target: Tensor<2>) -> Comparison {
        let (mut sounds, mut targets) = (Vec::new(), Vec::new());
        let mut logs = Vec::new();
        let mut shapes = Vec::new();
        for (hop, dft) in &self.resolutions {
            let (a, b) = (magnitudes(sound.clone(), *hop, dft), magnitudes(target.clone(), *hop, dft));
            let distance = (a.clone() - b.clone()).powi_scalar(2).sum().sqrt();
            shapes.push(distance / b.clone().powi_scalar(2).sum().sqrt().add_scalar(1e-3));
            let (a, b) = (a.add_scalar(FLOOR).log(), b.add_scalar(FLOOR).log());
            logs.push((a.clone() - b.clone()).abs().mean());
            sounds.push(a);
            targets.push(b);
        }
        let n = self.resolutions.len().max(1) as f64;
        let log = Tensor::cat(logs, 0).sum().div_scalar(n);
        let total = log.clone() + Tensor::cat(shapes, 0).sum().div_scalar(n);
        Comparison { total, log, sounds, targets }
    }
}

/// `[window, 2 * bins]`.
fn windowed_dft(window: usize, device: &Device) -> Tensor<2> {
    let bins = window / 2 + 1;
    let angle = |n: usize, k: usize| 2.0 * PI * ((n * k) % window) as f64 / window as f64;
    let hann = |n: usize| 0.5 - 0.5 * (2.0 * PI * n as f64 / window as f64).cos();
    matrix(window, 2 * bins, device, |n, k| {
        hann(n) * if k < bins { angle(n, k).cos() } else { -angle(n, k - bins).sin() }
    })
}

/// `[batch, frames, bins]`.
fn magnitudes(sound: Tensor<2>, hop: usize, dft: &Tensor<2>) -> Tensor<3> {
    let [batch, samples] = sound.dims();
    let [_, columns] = dft.dims();
    let frames = samples / hop - 3;
    let shifted = |k: usize| sound.clone().slice([0..batch, k * hop..(k + frames) * hop]).reshape([batch, frames, hop]);
    let spectrum = Tensor::cat((0..4).map(shifted).collect(), 2).matmul(dft.clone().unsqueeze());
    let re = spectrum.clone().slice([0..batch, 0..frames, 0..columns / 2]);
    let im = spectrum.slice([0..batch, 0..frames, columns / 2..columns]);
    (re.powi_scalar(2) + im.powi_scalar(2)).add_scalar(1e-9).sqrt()
}

#[cfg(test)]
mod tests {
    use rejoinder_models::tts::excitation::Pitch;
    use rejoinder_models::tts::source_filter::{SourceFilter, sources};

    use super::*;

    fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn the_renderer_sounds_as_the_synthesizer() {
        let config = SourceFilterConfig { rate_hz: 8000, hop: 40, fft: 160, harmonic_order: 12, noise_order: 7 };
        let frames = 14;
        let pitch: Vec<Pitch> = (0..frames)
            .map(|t| Pitch { hz: 110.0 + 3.0 * t as f32, voicing: f32::from(u8::from(t % 7 < 5)) })
            .collect();
        let cepstra: Vec<f32> = (0..frames * config.width()).map(|i| 0.3 * (i as f32 * 1.3).sin()).collect();
        let mut synthesizer = SourceFilter::new(&config).unwrap();
        let mut expected = Vec::new();
        for (p, c) in pitch.iter().zip(cepstra.chunks(config.width())) {
            synthesizer.push(*p, c, &mut expected).unwrap();
        }
        synthesizer.flush(&mut expected).unwrap();
        let (pulses, noise) = sources(&config, &pitch, 0);
        let source = |values: Vec<f32>| tensor(values, [1, (frames + 1) * config.hop]);
        let renderer = Renderer::new(&config, &Device::flex());
        let width = config.width();
        let sound = renderer.forward(tensor(cepstra, [1, frames, width]), source(pulses), source(noise)).into_data();
        for (i, (found, expected)) in sound.iter::<f32>().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-3, "sample {i}: {found} and {expected}");
        }
    }

    #[test]
    fn only_equal_spectra_have_no_distance() {
        let distance = SpectralDistance::new(&[64, 16], &Device::flex());
        let tone = |hz: f32| -> Vec<f32> { (0..512).map(|i| (i as f32 * hz).sin()).collect() };
        let between = |a: Vec<f32>, b: Vec<f32>| {
            distance.forward(tensor(a, [1, 512]), tensor(b, [1, 512])).total.into_scalar::<f32>()
        };
        assert!(between(tone(0.3), tone(0.3)).abs() < 1e-5);
        assert!(between(tone(0.3), tone(0.9)) > 1.0);
        assert!(between(tone(0.3).iter().map(|x| x * 0.5).collect(), tone(0.3)) > 0.3);
    }
}
