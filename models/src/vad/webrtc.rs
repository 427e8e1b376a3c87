use serde::{Deserialize, Serialize};
use webrtc_vad::{SampleRate as Rate, Vad as Raw, VadMode};

use crate::units::SampleRate;
use crate::vad::{Hysteresis, Vad, VadStream, check_frame};
use crate::{Error, Result};

/// 10 ms, the shortest frame that the detector takes.
const FRAME_SAMPLES: usize = SampleRate::INTERNAL.get() as usize / 100;

/// The time constant that makes of its yes and no something between.
const SMOOTH_MS: f32 = 60.0;

/// How sure the detector must be. The more aggressive, the more speech it misses, and the less noise it takes for
/// speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggressiveness {
    /// Mode 0.
    Quality,
    /// Mode 1.
    LowBitrate,
    /// Mode 2.
    #[default]
    Aggressive,
    /// Mode 3.
    VeryAggressive,
}

/// WebRTC's Gaussian mixtures on six bands. Its probabilities are 0 and 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Webrtc {
    aggressiveness: Aggressiveness,
}

impl Webrtc {
    /// A detector of the given mode.
    pub fn new(aggressiveness: Aggressiveness) -> Self {
        Self { aggressiveness }
    }
}

impl Vad for Webrtc {
    fn name(&self) -> &'static str {
        "webrtc"
    }

    fn hysteresis(&self) -> Hysteresis {
        Hysteresis { smooth_ms: SMOOTH_MS, ..Hysteresis::default() }
    }

    fn stream(&self) -> Result<Box<dyn VadStream>> {
        let mut stream = WebrtcStream { raw: Raw::new(), aggressiveness: self.aggressiveness };
        stream.reset();
        Ok(Box::new(stream))
    }
}

struct WebrtcStream {
    raw: Raw,
    aggressiveness: Aggressiveness,
}

// SAFETY: the detector is one block of memory that only this value points to (fvad.c has no globals that change), and
// all that touches it takes `&mut self`.
unsafe impl Send for WebrtcStream {}

impl VadStream for WebrtcStream {
    fn frame_samples(&self) -> usize {
        FRAME_SAMPLES
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        check_frame(frame, FRAME_SAMPLES, "webrtc")?;
        let mut pcm = [0i16; FRAME_SAMPLES];
        for (pcm, sample) in pcm.iter_mut().zip(frame) {
            *pcm = (sample * 32_768.0).clamp(-32_768.0, 32_767.0) as i16;
        }
        let speech = self.raw.is_voice_segment(&pcm);
        let speech = speech.map_err(|()| Error::engine("webrtc-vad", "refused a frame of 10 ms at 16 kHz"))?;
        Ok(if speech { 1.0 } else { 0.0 })
    }

    fn reset(&mut self) {
        self.raw.reset();
        self.raw.set_sample_rate(Rate::Rate16kHz);
        self.raw.set_mode(match self.aggressiveness {
            Aggressiveness::Quality => VadMode::Quality,
            Aggressiveness::LowBitrate => VadMode::LowBitrate,
            Aggressiveness::Aggressive => VadMode::Aggressive,
            Aggressiveness::VeryAggressive => VadMode::VeryAggressive,
        });
    }
}
