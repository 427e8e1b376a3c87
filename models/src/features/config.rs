use serde::{Deserialize, Serialize};

use super::filters::{self, Filters};
use super::frame::{Count, Edge, Framing, Log, Plan, Recipe, Window};
use crate::units::SampleRate;
use crate::{Error, Result};

/// Whose filterbank it is: which window, edges, scale, filters and logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// Kaldi's, as kaldi-native-fbank computes it: the mean of a frame is taken off, pre-emphasis 0.97, Povey window,
    /// power spectrum of the next power of two, triangles on the mel scale, natural logarithm.
    Kaldi,
    /// SpeechBrain's `Fbank` (`processing/features.py`): centred frames with zeros beyond the ends, Hamming window,
    /// power spectrum, triangles that are symmetric in hertz, decibels.
    Speechbrain,
    /// Whisper's (`whisper/audio.py`): centred frames mirrored at the ends, Hann window, power spectrum, Slaney's
    /// triangles of equal area, logarithm to base 10 brought to about [-1, 1].
    Whisper,
}

/// What to compute. In a file, `flavour` must be given, and the rest falls back to that flavour's defaults.
///
/// ```
/// let config: rejoinder_models::features::FbankConfig = toml::from_str("flavour = 'kaldi'\nbins = 40")?;
/// assert_eq!((config.bins, config.hop_ms), (40, 10.0));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct FbankConfig {
    /// Whose filterbank.
    pub flavour: Flavour,
    /// The rate of the audio. Default: 16 kHz.
    pub rate: SampleRate,
    /// Mel filters. Default: 80; 40 for SpeechBrain.
    pub bins: usize,
    /// The length of a frame. Default: 25.
    pub window_ms: f32,
    /// From one frame to the next. Default: 10.
    pub hop_ms: f32,
    /// Where the lowest filter begins. Default: 20 for Kaldi, else 0.
    pub low_hz: f32,
    /// Where the highest filter ends; zero or less is counted from half the rate. Default: -400 for Kaldi, else 0.
    pub high_hz: f32,
    /// Kaldi only: whether frames that reach beyond the ends are left out, rather than mirrored. Default: false.
    pub snip_edges: bool,
    /// How far below the loudest value of the whole clip values are cut off, in decibels; 0 for no such floor. A
    /// stream cannot know that maximum, so [`Fbank::stream`](super::Fbank::stream) accepts only 0.
    /// Default: 0 for Kaldi, else 80.
    pub range_db: f32,
}

impl FbankConfig {
    /// The default of icefall and sherpa-onnx: 80 bins, 25 ms every 10 ms, 20 to 7,600 Hz, mirrored edges, no dither.
    pub fn kaldi() -> Self {
        Self {
            flavour: Flavour::Kaldi,
            rate: SampleRate::INTERNAL,
            bins: 80,
            window_ms: 25.0,
            hop_ms: 10.0,
            low_hz: 20.0,
            high_hz: -400.0,
            snip_edges: false,
            range_db: 0.0,
        }
    }

    /// The default of SpeechBrain: 40 bins, 25 ms every 10 ms, 0 to 8,000 Hz, 80 dB of range.
    pub fn speechbrain() -> Self {
        Self { flavour: Flavour::Speechbrain, bins: 40, low_hz: 0.0, high_hz: 0.0, range_db: 80.0, ..Self::kaldi() }
    }

    /// Whisper's: 80 bins, 25 ms every 10 ms, 0 to 8,000 Hz, 80 dB of range. Newer models take 128 bins.
    pub fn whisper() -> Self {
        Self { flavour: Flavour::Whisper, bins: 80, ..Self::speechbrain() }
    }

    /// The defaults of a flavour.
    pub fn of(flavour: Flavour) -> Self {
        match flavour {
            Flavour::Kaldi => Self::kaldi(),
            Flavour::Speechbrain => Self::speechbrain(),
            Flavour::Whisper => Self::whisper(),
        }
    }

    /// Samples in a frame.
    pub fn window_samples(&self) -> usize {
        (f64::from(self.rate.get()) * f64::from(self.window_ms) / 1000.0).round() as usize
    }

    /// Samples from one frame to the next.
    pub fn hop_samples(&self) -> usize {
        (f64::from(self.rate.get()) * f64::from(self.hop_ms) / 1000.0).round() as usize
    }

    /// The length of so many values of features in seconds of sound.
    pub fn seconds(&self, values: usize) -> f64 {
        (values / self.bins) as f64 * f64::from(self.hop_ms) / 1000.0
    }

    /// The value of all bins of a frame without sound.
    pub fn silence(&self) -> f32 {
        self.log().apply(0.0)
    }

    fn log(&self) -> Log {
        match self.flavour {
            Flavour::Kaldi => Log::Natural { floor: f32::EPSILON },
            Flavour::Speechbrain => Log::Decibel { floor: 1e-10 },
            Flavour::Whisper => Log::Whisper,
        }
    }

    /// Where the highest filter ends, in hertz.
    pub fn top_hz(&self) -> f32 {
        if self.high_hz > 0.0 { self.high_hz } else { self.rate.get() as f32 / 2.0 + self.high_hz }
    }

    fn check(&self) -> Result<()> {
        let nyquist = self.rate.get() as f32 / 2.0;
        let range = |what: &str, value: f32, low: f32, high: f32| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid(format!("{what} of the filterbank"), format!("{low} to {high}"), value))
        };
        range("rate", self.rate.get() as f32, 1_000.0, 384_000.0)?;
        range("bins", self.bins as f32, 1.0, 1_024.0)?;
        range("hop_ms", self.hop_ms, 0.5, 1_000.0)?;
        range("window_ms", self.window_ms, 1.0, 1_000.0)?;
        range("low_hz", self.low_hz, 0.0, nyquist)?;
        range("high_hz", self.top_hz(), self.low_hz + 1.0, nyquist)?;
        range("range_db", self.range_db, 0.0, 1_000.0)?;
        if self.snip_edges && self.flavour != Flavour::Kaldi {
            return Err(Error::invalid("snip_edges of the filterbank", "false for all but kaldi", true));
        }
        Ok(())
    }

    /// The computation that the config describes.
    pub(super) fn plan(&self) -> Result<Plan> {
        self.check()?;
        Ok(match self.flavour {
            Flavour::Kaldi => self.kaldi_plan(),
            Flavour::Speechbrain => self.centred_plan(Window::Hamming, Edge::Zero, Count::FloorPlusOne),
            Flavour::Whisper => self.centred_plan(Window::Hann, Edge::Reflect, Count::Floor),
        })
    }

    fn kaldi_plan(&self) -> Plan {
        let (length, hop) = (self.window_samples(), self.hop_samples());
        let n_fft = length.next_power_of_two();
        let (origin, count) = match self.snip_edges {
            true => (0, Count::Whole),
            false => (hop as i64 / 2 - length as i64 / 2, Count::Rounded),
        };
        Plan::new(Recipe {
            framing: Framing { length, hop, origin, edge: Edge::Mirror, count },
            n_fft,
            remove_mean: true,
            pre_emphasis: 0.97,
            window: Window::Povey,
            magnitude: false,
            filters: filters::kaldi(self.bins, n_fft, self.rate, self.low_hz, self.top_hz()),
            log: self.log(),
        })
    }

    fn centred_plan(&self, window: Window, edge: Edge, count: Count) -> Plan {
        let (n_fft, hop) = (self.window_samples(), self.hop_samples());
        let filters: Filters = match self.flavour {
            Flavour::Whisper => filters::slaney(self.bins, n_fft, self.rate, self.low_hz, self.top_hz(), true),
            _ => filters::speechbrain(self.bins, n_fft, self.rate, self.low_hz, self.top_hz()),
        };
        Plan::new(Recipe {
            framing: Framing { length: n_fft, hop, origin: -(n_fft as i64 / 2), edge, count },
            n_fft,
            remove_mean: false,
            pre_emphasis: 0.0,
            window,
            magnitude: false,
            filters,
            log: self.log(),
        })
    }
}

/// What a file may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    flavour: Flavour,
    rate: Option<SampleRate>,
    bins: Option<usize>,
    window_ms: Option<f32>,
    hop_ms: Option<f32>,
    low_hz: Option<f32>,
    high_hz: Option<f32>,
    snip_edges: Option<bool>,
    range_db: Option<f32>,
}

impl TryFrom<RawConfig> for FbankConfig {
    type Error = Error;

    fn try_from(raw: RawConfig) -> Result<Self> {
        let default = Self::of(raw.flavour);
        let config = Self {
            flavour: raw.flavour,
            rate: raw.rate.unwrap_or(default.rate),
            bins: raw.bins.unwrap_or(default.bins),
            window_ms: raw.window_ms.unwrap_or(default.window_ms),
            hop_ms: raw.hop_ms.unwrap_or(default.hop_ms),
            low_hz: raw.low_hz.unwrap_or(default.low_hz),
            high_hz: raw.high_hz.unwrap_or(default.high_hz),
            snip_edges: raw.snip_edges.unwrap_or(default.snip_edges),
            range_db: raw.range_db.unwrap_or(default.range_db),
        };
        config.check()?;
        Ok(config)
    }
}
