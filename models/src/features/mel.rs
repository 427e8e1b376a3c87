use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::fbank::{self, FbankStream};
use super::filters;
use super::frame::{Count, Edge, Framing, Log, Plan, Recipe, Window};
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// A mel scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MelScale {
    /// Linear to 1 kHz, then logarithmic: librosa's default, HiFi-GAN's.
    Slaney,
    /// `2595 log10(1 + f / 700)`.
    Htk,
}

/// Where frames lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Align {
    /// Frame `f` is centred on sample `f * hop`; `samples / hop + 1` frames, mirrored at the ends (librosa).
    Centred,
    /// Frame `f` is centred on the middle of the samples `f * hop` to `(f + 1) * hop`; `samples / hop` frames, mirrored
    /// at the ends (HiFi-GAN, `meldataset.py`).
    Hop,
    /// Frame `f` ends with sample `(f + 1) * hop`, with zeros before the first; `samples / hop` frames, rounded up.
    Causal,
}

/// A log-mel spectrogram for synthesis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelConfig {
    /// The rate of the audio.
    pub rate: SampleRate,
    /// The length of the Fourier transform, in samples.
    pub n_fft: usize,
    /// From one frame to the next, in samples.
    pub hop: usize,
    /// The length of the Hann window, in samples, at most `n_fft`.
    pub win: usize,
    /// Mel filters.
    pub bins: usize,
    /// Where the lowest filter begins, in hertz.
    pub f_min: f32,
    /// Where the highest filter ends, in hertz.
    pub f_max: f32,
    /// The smallest value of which the natural logarithm is taken.
    pub floor: f32,
    /// The mel scale.
    pub scale: MelScale,
    /// Whether the filters have equal areas (librosa's `norm="slaney"`), rather than equal heights.
    pub equal_area: bool,
    /// Whether filters sum magnitudes, rather than powers.
    pub magnitude: bool,
    /// Where frames lie.
    pub align: Align,
}

impl MelConfig {
    /// The spectrogram of HiFi-GAN (`config_v1.json`, `meldataset.py`): 22.05 kHz, 1024 samples every 256, 80 bins to
    /// 8 kHz, but for the 1e-9 that it adds to powers.
    pub fn hifi_gan() -> Self {
        Self {
            rate: SampleRate::hz(22_050),
            n_fft: 1_024,
            hop: 256,
            win: 1_024,
            bins: 80,
            f_min: 0.0,
            f_max: 8_000.0,
            floor: 1e-5,
            scale: MelScale::Slaney,
            equal_area: true,
            magnitude: true,
            align: Align::Hop,
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: &str, expected: String, found: String| {
            Err(Error::invalid(format!("{what} of the mel spectrogram"), expected, found))
        };
        let nyquist = self.rate.get() as f32 / 2.0;
        if !(2..=65_536).contains(&self.n_fft) {
            return refuse("n_fft", "2 to 65536".into(), self.n_fft.to_string());
        }
        if !(1..=self.n_fft).contains(&self.win) {
            return refuse("win", format!("1 to n_fft ({})", self.n_fft), self.win.to_string());
        }
        if !(1..=self.n_fft).contains(&self.hop) {
            return refuse("hop", format!("1 to n_fft ({})", self.n_fft), self.hop.to_string());
        }
        if !(1..=1_024).contains(&self.bins) {
            return refuse("bins", "1 to 1024".into(), self.bins.to_string());
        }
        if !(0.0 <= self.f_min && self.f_min < self.f_max && self.f_max <= nyquist) {
            let found = format!("{} and {}", self.f_min, self.f_max);
            return refuse("f_min and f_max", format!("0 <= f_min < f_max <= {nyquist}"), found);
        }
        if self.floor.is_nan() || self.floor <= 0.0 {
            return refuse("floor", "more than 0".into(), self.floor.to_string());
        }
        Ok(())
    }

    fn framing(&self) -> Framing {
        let (n_fft, hop, win) = (self.n_fft as i64, self.hop as i64, self.win as i64);
        let inset = (n_fft - win) / 2;
        let (origin, edge, count) = match self.align {
            Align::Centred => (inset - n_fft / 2, Edge::Reflect, Count::FloorPlusOne),
            Align::Hop => (inset - (n_fft - hop) / 2, Edge::Reflect, Count::Floor),
            Align::Causal => (hop - win, Edge::Zero, Count::Ceil),
        };
        Framing { length: self.win, hop: self.hop, origin, edge, count }
    }
}

/// A log-mel spectrogram: immutable and shared.
#[derive(Clone)]
pub struct Mel {
    config: MelConfig,
    plan: Arc<Plan>,
}

impl Mel {
    /// A spectrogram with its tables.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an impossible value, naming it.
    pub fn new(config: MelConfig) -> Result<Self> {
        config.check()?;
        let filters = match config.scale {
            MelScale::Slaney => filters::slaney,
            MelScale::Htk => filters::htk,
        };
        let plan = Plan::new(Recipe {
            framing: config.framing(),
            n_fft: config.n_fft,
            remove_mean: false,
            pre_emphasis: 0.0,
            window: Window::Hann,
            magnitude: config.magnitude,
            filters: filters(config.bins, config.n_fft, config.rate, config.f_min, config.f_max, config.equal_area),
            log: Log::Natural { floor: config.floor },
        });
        Ok(Self { config, plan: Arc::new(plan) })
    }

    /// What is computed.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// Values in a frame.
    pub fn bins(&self) -> usize {
        self.config.bins
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> Samples {
        Samples(self.config.hop as u64)
    }

    /// The number of frames of a clip.
    pub fn frames(&self, samples: usize) -> usize {
        self.plan.recipe.framing.frames(samples)
    }

    /// The spectrogram of a whole clip.
    ///
    /// # Shapes
    /// (frame, bin), row after row: [`frames`](Self::frames) x [`bins`](Self::bins) values.
    ///
    /// # Errors
    /// [`Error::Engine`] when the Fourier transform fails.
    pub fn mel(&self, samples: &[f32]) -> Result<Vec<f32>> {
        fbank::compute(&self.plan, samples)
    }

    /// The spectrogram of a stream, equal to that of the whole.
    pub fn stream(&self) -> FbankStream {
        FbankStream::new(self.plan.clone())
    }
}
