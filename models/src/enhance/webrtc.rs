//! WebRTC's echo canceller (AEC3), noise suppressor and gain controller (AGC2), in their Rust port. The only file that
//! names `sonora`.

use sonora::config::{AdaptiveDigital, EchoCanceller, GainController2, NoiseSuppression, NoiseSuppressionLevel};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::{EnhanceConfig, Enhancer, EnhancerStream, Sample, Suppression};
use crate::streaming::Streaming;
use crate::units::SampleRate;
use crate::{Error, Result};

const RATE: SampleRate = SampleRate::INTERNAL;
/// 10 ms, what WebRTC works on at a time.
const FRAME: usize = RATE.get() as usize / 100;
/// AEC3 works in blocks of 64 samples, with windows that overlap by one.
const ECHO_LAG: usize = 2 * 64;
/// The noise suppressor's windows of 256 samples overlap by this.
const NOISE_LAG: usize = 96;

/// WebRTC's processing of a voice call: it finds the delay of the echo's path by itself, follows it and the drift of two
/// clocks, and suppresses what the adaptive filter leaves of the echo.
#[derive(Clone, Debug)]
pub struct Webrtc {
    config: EnhanceConfig,
}

impl Webrtc {
    /// One that does what the configuration says.
    pub fn new(config: EnhanceConfig) -> Self {
        Self { config }
    }

    fn processing(&self) -> AudioProcessing {
        let noise = self.config.noise.map(|strength| NoiseSuppression {
            level: match strength {
                Suppression::Low => NoiseSuppressionLevel::Low,
                Suppression::Moderate => NoiseSuppressionLevel::Moderate,
                Suppression::High => NoiseSuppressionLevel::High,
                Suppression::VeryHigh => NoiseSuppressionLevel::VeryHigh,
            },
            ..NoiseSuppression::default()
        });
        let max_gain_db = self.config.max_gain_db;
        let gain = (max_gain_db > 0.0).then(|| GainController2 {
            adaptive_digital: Some(AdaptiveDigital { max_gain_db, initial_gain_db: 0.0, ..AdaptiveDigital::default() }),
            ..GainController2::default()
        });
        let config = Config {
            echo_canceller: self.config.echo.then(EchoCanceller::default),
            noise_suppression: noise,
            gain_controller2: gain,
            ..Config::default()
        };
        let format = StreamConfig::new(RATE.get(), 1);
        AudioProcessing::builder().config(config).capture_config(format).render_config(format).build()
    }
}

impl Enhancer for Webrtc {
    fn name(&self) -> &'static str {
        "webrtc"
    }

    fn stream(&self) -> Result<Box<dyn EnhancerStream>> {
        Ok(Box::new(WebrtcStream { processing: self.processing(), webrtc: self.clone(), pending: Vec::new() }))
    }
}

struct WebrtcStream {
    webrtc: Webrtc,
    processing: AudioProcessing,
    /// What is no whole frame yet.
    pending: Vec<Sample>,
}

impl WebrtcStream {
    /// Appends a frame's worth of clean sound.
    fn frame(&mut self, frame: &[Sample], out: &mut Vec<f32>) -> Result<()> {
        let failed = |error: sonora::Error| Error::engine("sonora", error);
        let (mut heard, mut played, mut made) = ([0.0; FRAME], [0.0; FRAME], [0.0; FRAME]);
        for (i, [heard_now, played_now]) in frame.iter().enumerate() {
            (heard[i], played[i]) = (*heard_now, *played_now);
        }
        if self.webrtc.config.echo {
            self.processing.process_render_f32(&[&played], &mut [&mut made]).map_err(failed)?;
        }
        self.processing.process_capture_f32(&[&heard], &mut [&mut made]).map_err(failed)?;
        out.extend_from_slice(&made);
        Ok(())
    }
}

impl Streaming for WebrtcStream {
    type Input = [Sample];
    type Output = Vec<f32>;

    fn push(&mut self, input: &[Sample], out: &mut Vec<f32>) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(input);
        let frames = pending.chunks_exact(FRAME);
        self.pending.extend_from_slice(frames.remainder());
        frames.into_iter().try_for_each(|frame| self.frame(frame, out))
    }

    fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let end = out.len() + self.pending.len() + self.lag();
        while out.len() < end {
            let silence = vec![[0.0; 2]; FRAME - self.pending.len()];
            self.push(&silence, out)?;
        }
        out.truncate(end);
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.pending.clear();
        self.processing = self.webrtc.processing();
    }

    fn delay(&self) -> usize {
        FRAME - 1 + self.lag()
    }
}

impl EnhancerStream for WebrtcStream {
    fn lag(&self) -> usize {
        let EnhanceConfig { echo, noise, .. } = &self.webrtc.config;
        usize::from(*echo) * ECHO_LAG + usize::from(noise.is_some()) * NOISE_LAG
    }

    fn echo_delay_ms(&self) -> Option<f64> {
        self.processing.statistics().delay_ms.map(f64::from)
    }
}
