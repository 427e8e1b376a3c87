use serde::{Deserialize, Serialize};

use crate::units::{Position, SampleRate, Samples};
use crate::{Error, Result};

/// What a detector's probabilities mean: each detector is sure of speech in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hysteresis {
    /// The probability from which a frame is speech, 0 to 1. Default: 0.5.
    pub threshold: f32,
    /// The probability below which a frame is silence, at most `threshold`. In between, what was goes on.
    /// Default: 0.35.
    pub release: f32,
    /// The time constant of the exponential smoothing of probabilities, in milliseconds; 0 for none. Detectors that
    /// answer only yes or no need it. Default: 0.
    pub smooth_ms: f32,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self { threshold: 0.5, release: 0.35, smooth_ms: 0.0 }
    }
}

impl Hysteresis {
    /// Looks for impossible values.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the value.
    pub fn check(&self) -> Result<()> {
        range("threshold", self.threshold, 1.0)?;
        range("release", self.release, self.threshold)?;
        range("smooth_ms", self.smooth_ms, 10_000.0)
    }
}

/// How long speech and silence must last to count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmenterConfig {
    /// How long speech must last before it counts, in milliseconds. Default: 100.
    pub min_speech_ms: f32,
    /// How long silence must last before speech has ended, in milliseconds. Default: 300.
    pub min_silence_ms: f32,
    /// By how much stretches of speech are widened on both sides, in milliseconds: the first and last sounds are
    /// often too quiet to be recognised. Default: 30.
    pub pad_ms: f32,
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self { min_speech_ms: 100.0, min_silence_ms: 300.0, pad_ms: 30.0 }
    }
}

impl SegmenterConfig {
    /// Looks for impossible values.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the value.
    pub fn check(&self) -> Result<()> {
        range("min_speech_ms", self.min_speech_ms, 60_000.0)?;
        range("min_silence_ms", self.min_silence_ms, 60_000.0)?;
        range("pad_ms", self.pad_ms, 10_000.0)
    }
}

fn range(what: &str, value: f32, high: f32) -> Result<()> {
    if (0.0..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} of the voice activity segmenter"), format!("0 to {high}"), value))
}

/// A boundary of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum VadEvent {
    /// Somebody began to speak.
    SpeechStarted {
        /// Where the speech began.
        at: Position,
        /// How much audio it took to be sure.
        decided_at: Position,
    },
    /// Nobody speaks any more.
    SpeechStopped {
        /// Where the speech ended.
        at: Position,
        /// How much audio it took to be sure.
        decided_at: Position,
    },
}

/// Makes stretches of speech of the probabilities of frames: hysteresis, least durations, padding. It does no I/O and
/// reads no clock.
#[derive(Clone, Debug)]
pub struct Segmenter {
    hysteresis: Hysteresis,
    /// The probability at which speech begins, in the place of the threshold.
    onset: Option<f32>,
    config: SegmenterConfig,
    state: State,
    smoothed: Option<f32>,
    /// The end of the last frame.
    now: Position,
    /// The end of the last stretch of speech, padding included.
    last_stop: Position,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Silence,
    /// Perhaps speech, since then.
    Rising(Position),
    Speech,
    /// Perhaps silence, since then.
    Falling(Position),
}

impl Segmenter {
    /// A segmenter that has heard nothing yet.
    ///
    /// # Errors
    /// As [`Hysteresis::check`] and [`SegmenterConfig::check`].
    pub fn new(hysteresis: Hysteresis, config: SegmenterConfig) -> Result<Self> {
        hysteresis.check()?;
        config.check()?;
        let (now, last_stop) = Default::default();
        Ok(Self { hysteresis, onset: None, config, state: State::Silence, smoothed: None, now, last_stop })
    }

    /// Whether speech has begun, by the events so far, and not ended.
    pub fn speaking(&self) -> bool {
        matches!(self.state, State::Speech | State::Falling(_))
    }

    /// The smoothed probability of the last frame, 0 before the first.
    pub fn probability(&self) -> f32 {
        self.smoothed.unwrap_or(0.0)
    }

    /// From the next frame on, speech must last for `ms` milliseconds before it counts.
    pub fn set_min_speech_ms(&mut self, ms: f32) {
        self.config.min_speech_ms = ms;
    }

    /// From the next frame on, speech begins at this probability, 0 to 1, or at the detector's own threshold where there is
    /// none. It goes on and ends as otherwise.
    pub fn set_onset(&mut self, onset: Option<f32>) {
        self.onset = onset;
    }

    /// Takes speech that goes on for new speech: it begins again once it has lasted from here on.
    pub fn begin_anew(&mut self) {
        if self.speaking() {
            (self.state, self.last_stop) = (State::Silence, self.now);
        }
    }

    /// Takes the probability of the next frame, which is `length` long at 16 kHz.
    pub fn push(&mut self, probability: f32, length: Samples) -> Option<VadEvent> {
        let start = self.now;
        self.now = start + length;
        let probability = self.smooth(probability, length);
        let Hysteresis { threshold, release, .. } = self.hysteresis;
        let onset = self.onset.filter(|_| !self.speaking());
        let (threshold, release) = onset.map_or((threshold, release), |onset| (onset, release.min(onset)));
        let (speech, silence) = (probability >= threshold, probability < release);
        self.state = match self.state {
            State::Silence if speech => State::Rising(start),
            State::Rising(_) if silence => State::Silence,
            State::Speech if silence => State::Falling(start),
            State::Falling(_) if speech => State::Speech,
            same => same,
        };
        match self.state {
            State::Rising(since) if self.lasted(since, self.config.min_speech_ms) => Some(self.start(since)),
            State::Falling(since) if self.lasted(since, self.config.min_silence_ms) => Some(self.stop(since)),
            _ => None,
        }
    }

    /// Ends the audio, and with it any speech. The segmenter is then as new.
    pub fn flush(&mut self) -> Option<VadEvent> {
        let event = match self.state {
            State::Speech => Some(self.stop(self.now)),
            State::Falling(since) => Some(self.stop(since)),
            State::Silence | State::Rising(_) => None,
        };
        self.reset();
        event
    }

    /// Forgets all frames so far.
    pub fn reset(&mut self) {
        self.state = State::Silence;
        self.smoothed = None;
        (self.now, self.last_stop) = Default::default();
    }

    fn smooth(&mut self, probability: f32, length: Samples) -> f32 {
        let share = match self.hysteresis.smooth_ms {
            0.0 => 1.0,
            tau => 1.0 - (-length.ms(SampleRate::INTERNAL) as f32 / tau).exp(),
        };
        let before = self.smoothed.unwrap_or(probability);
        *self.smoothed.insert(before + share * (probability - before))
    }

    fn lasted(&self, since: Position, least_ms: f32) -> bool {
        self.now.since(since).ms(SampleRate::INTERNAL) >= f64::from(least_ms)
    }

    fn pad(&self) -> Samples {
        Samples::from_ms(f64::from(self.config.pad_ms), SampleRate::INTERNAL)
    }

    fn start(&mut self, since: Position) -> VadEvent {
        self.state = State::Speech;
        let at = Position(since.0.saturating_sub(self.pad().0)).max(self.last_stop);
        VadEvent::SpeechStarted { at, decided_at: self.now }
    }

    fn stop(&mut self, since: Position) -> VadEvent {
        self.state = State::Silence;
        self.last_stop = (since + self.pad()).min(self.now);
        VadEvent::SpeechStopped { at: self.last_stop, decided_at: self.now }
    }
}
