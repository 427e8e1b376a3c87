use serde::{Deserialize, Serialize};

use super::{KeywordSpotter, KeywordStream};
use crate::streaming::Streaming;
use crate::units::{Position, SampleRate, Samples};
use crate::{Error, Result};

/// When a keyword counts as said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpottingConfig {
    /// The probability from which on a keyword counts, 0 to 1. Default: the model's own for each keyword.
    pub threshold: Option<f32>,
    /// How long after a detection the same keyword is not detected again, in milliseconds. Default: 1,000.
    pub refractory_ms: f32,
}

impl Default for SpottingConfig {
    fn default() -> Self {
        Self { threshold: None, refractory_ms: 1_000.0 }
    }
}

impl SpottingConfig {
    /// Looks for impossible values.
    ///
    /// # Errors
    /// [`Error::Invalid`], naming the value.
    pub fn check(&self) -> Result<()> {
        if let Some(threshold) = self.threshold.filter(|threshold| !(0.0..=1.0).contains(threshold)) {
            return Err(Error::invalid("threshold of keywords", "0 to 1", threshold));
        }
        if !(0.0..=60_000.0).contains(&self.refractory_ms) {
            return Err(Error::invalid("refractory_ms of keywords", "0 to 60000", self.refractory_ms));
        }
        Ok(())
    }
}

/// A keyword that was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spotted {
    /// The keyword.
    pub keyword: String,
    /// The end of the frame that decided: the keyword ended shortly before.
    pub at: Position,
    /// The probability there.
    pub probability: f32,
}

/// Listens for the keywords of a spotter in audio at 16 kHz that comes in pieces of any size.
pub struct KeywordDetector {
    stream: Box<dyn KeywordStream>,
    keywords: Vec<Gate>,
    frame: Samples,
    rows: Vec<f32>,
    frames: u64,
}

struct Gate {
    keyword: String,
    threshold: f32,
    refractory: u64,
    /// The frame from which on it may be detected.
    open_from: u64,
}

impl Gate {
    fn passes(&mut self, frame: u64, probability: f32) -> bool {
        let passes = frame >= self.open_from && probability >= self.threshold;
        if passes {
            self.open_from = frame + self.refractory;
        }
        passes
    }
}

/// The frames at which one keyword is detected, given its probability for each frame.
pub fn detections(probabilities: impl IntoIterator<Item = f32>, threshold: f32, refractory_frames: u64) -> Vec<usize> {
    let mut gate = Gate { keyword: String::new(), threshold, refractory: refractory_frames.max(1), open_from: 0 };
    let frames = probabilities.into_iter().enumerate();
    frames.filter_map(|(frame, probability)| gate.passes(frame as u64, probability).then_some(frame)).collect()
}

impl KeywordDetector {
    /// A detector for one stream of audio.
    ///
    /// # Errors
    /// As [`SpottingConfig::check`] and [`KeywordSpotter::stream`].
    pub fn new(spotter: &dyn KeywordSpotter, config: SpottingConfig) -> Result<Self> {
        config.check()?;
        let frame = spotter.frame();
        let refractory = Samples::from_ms(f64::from(config.refractory_ms), SampleRate::INTERNAL).0.div_ceil(frame.0);
        let gate = |(keyword, own): (&String, &f32)| Gate {
            keyword: keyword.clone(),
            threshold: config.threshold.unwrap_or(*own),
            refractory: refractory.max(1),
            open_from: 0,
        };
        let keywords = spotter.keywords().iter().zip(spotter.thresholds()).map(gate).collect();
        Ok(Self { stream: spotter.stream()?, keywords, frame, rows: Vec::new(), frames: 0 })
    }

    fn decide(&mut self, out: &mut Vec<Spotted>) {
        for row in self.rows.chunks_exact(self.keywords.len()) {
            for (gate, probability) in self.keywords.iter_mut().zip(row) {
                if gate.passes(self.frames, *probability) {
                    let at = Position((self.frames + 1) * self.frame.0);
                    out.push(Spotted { keyword: gate.keyword.clone(), at, probability: *probability });
                }
            }
            self.frames += 1;
        }
        self.rows.clear();
    }
}

impl Streaming for KeywordDetector {
    type Input = [f32];
    type Output = Vec<Spotted>;

    fn push(&mut self, input: &[f32], out: &mut Vec<Spotted>) -> Result<()> {
        self.stream.push(input, &mut self.rows)?;
        self.decide(out);
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<Spotted>) -> Result<()> {
        self.stream.flush(&mut self.rows)?;
        self.decide(out);
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.stream.reset();
        self.rows.clear();
        self.frames = 0;
        self.keywords.iter_mut().for_each(|gate| gate.open_from = 0);
    }

    fn delay(&self) -> usize {
        self.stream.delay()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detection_is_followed_by_a_pause_without_any() {
        let probabilities = [0.1, 0.6, 0.9, 0.2, 0.7, 0.7, 0.4, 0.5];
        assert_eq!(detections(probabilities, 0.5, 3), [1, 4, 7]);
        assert_eq!(detections(probabilities, 0.5, 0), [1, 2, 4, 5, 7]);
        assert_eq!(detections(probabilities, 0.8, 1), [2]);
        assert_eq!(detections(probabilities, 0.95, 1), [0; 0]);
    }

    #[test]
    fn impossible_values_are_named() {
        let message = |config: SpottingConfig| config.check().unwrap_err().to_string();
        let threshold = message(SpottingConfig { threshold: Some(1.5), ..SpottingConfig::default() });
        assert_eq!(threshold, "threshold of keywords: expected 0 to 1, found 1.5");
        let refractory = message(SpottingConfig { refractory_ms: -1.0, ..SpottingConfig::default() });
        assert_eq!(refractory, "refractory_ms of keywords: expected 0 to 60000, found -1");
    }
}
