use std::ops::Range;

use crate::streaming::Streaming;
use crate::units::{SampleRate, Samples};
use crate::vad::{Segmenter, SegmenterConfig, Vad, VadEvent, VadStream};
use crate::{Error, Result};

/// Finds speech in audio at 16 kHz that comes in pieces of any size.
pub struct VadDetector {
    stream: Box<dyn VadStream>,
    segmenter: Segmenter,
    pending: Vec<f32>,
}

impl VadDetector {
    /// A detector for one stream of audio.
    ///
    /// # Errors
    /// As [`Segmenter::new`] and [`Vad::stream`], and [`Error::Invalid`] for a detector of another rate.
    pub fn new(vad: &dyn Vad, config: SegmenterConfig) -> Result<Self> {
        let stream = vad.stream()?;
        if stream.sample_rate() != SampleRate::INTERNAL {
            let what = format!("sample rate of {}", vad.name());
            return Err(Error::invalid(what, SampleRate::INTERNAL.to_string(), stream.sample_rate()));
        }
        Ok(Self { stream, segmenter: Segmenter::new(vad.hysteresis(), config)?, pending: Vec::new() })
    }

    /// The smoothed probability of the last whole frame, 0 before the first.
    pub fn probability(&self) -> f32 {
        self.segmenter.probability()
    }

    /// As [`Segmenter::speaking`].
    pub fn speaking(&self) -> bool {
        self.segmenter.speaking()
    }

    /// As [`Segmenter::begin_anew`].
    pub fn begin_anew(&mut self) {
        self.segmenter.begin_anew();
    }

    /// As [`Segmenter::set_min_speech_ms`].
    pub fn set_min_speech_ms(&mut self, ms: f32) {
        self.segmenter.set_min_speech_ms(ms);
    }

    /// As [`Segmenter::set_onset`].
    pub fn set_onset(&mut self, onset: Option<f32>) {
        self.segmenter.set_onset(onset);
    }

    /// A frame of which the probability is not known counts as the one before it, so that positions stay true.
    fn frame(&mut self, frame: &[f32], length: usize, out: &mut Vec<VadEvent>) -> Result<()> {
        let probability = self.stream.probability(frame);
        let known = probability.as_ref().map_or(self.segmenter.probability(), |known| *known);
        out.extend(self.segmenter.push(known, Samples(length as u64)));
        probability.map(drop)
    }
}

/// The stretches of speech in a whole recording at 16 kHz, in samples.
///
/// # Errors
/// As [`VadDetector::new`].
pub fn stretches(vad: &dyn Vad, config: SegmenterConfig, samples: &[f32]) -> Result<Vec<Range<usize>>> {
    let mut detector = VadDetector::new(vad, config)?;
    let mut events = Vec::new();
    detector.push(samples, &mut events)?;
    detector.flush(&mut events)?;
    let mut speech: Vec<Range<usize>> = Vec::new();
    for event in events {
        match event {
            VadEvent::SpeechStarted { at, .. } => speech.push(at.0 as usize..samples.len()),
            VadEvent::SpeechStopped { at, .. } => {
                if let Some(last) = speech.last_mut() {
                    last.end = (at.0 as usize).min(samples.len());
                }
            }
        }
    }
    speech.retain(|stretch| !stretch.is_empty());
    Ok(speech)
}

impl Streaming for VadDetector {
    type Input = [f32];
    type Output = Vec<VadEvent>;

    fn push(&mut self, input: &[f32], out: &mut Vec<VadEvent>) -> Result<()> {
        let size = self.stream.frame_samples();
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(input);
        let whole = pending.len() / size * size;
        let mut result = Ok(());
        for frame in pending[..whole].chunks_exact(size) {
            result = result.and(self.frame(frame, size, out));
        }
        pending.drain(..whole);
        self.pending = pending;
        result
    }

    /// The last piece of a frame is judged with silence after it; speech that goes on ends here.
    fn flush(&mut self, out: &mut Vec<VadEvent>) -> Result<()> {
        let mut last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            let length = last.len();
            last.resize(self.stream.frame_samples(), 0.0);
            self.frame(&last, length, out)?;
        }
        out.extend(self.segmenter.flush());
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.pending.clear();
        self.stream.reset();
        self.segmenter.reset();
    }

    /// The delay of probabilities. Events come later by the least durations of the config.
    fn delay(&self) -> usize {
        self.stream.frame_samples() - 1
    }
}
