use std::ops::Range;

use rejoinder_models::units::Position;
use rejoinder_models::vad::VadEvent;
use serde::Serialize;

use crate::data::energy::FRAME;

/// Speech begins up to so many frames before the energy says so: a detector that hears it is not early.
const EARLY: usize = 30;

/// Frames, by what was said of them and what was true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Speech that was called speech.
    pub hits: usize,
    /// Silence that was called speech.
    pub alarms: usize,
    /// Speech that was called silence.
    pub misses: usize,
    /// Silence that was called silence.
    pub rests: usize,
}

impl Counts {
    /// Counts a frame.
    pub fn add(&mut self, called: bool, speech: bool) {
        *match (called, speech) {
            (true, true) => &mut self.hits,
            (true, false) => &mut self.alarms,
            (false, true) => &mut self.misses,
            (false, false) => &mut self.rests,
        } += 1;
    }

    /// The share of what was called speech that is.
    pub fn precision(&self) -> f64 {
        self.hits as f64 / (self.hits + self.alarms).max(1) as f64
    }

    /// The share of speech that was called so.
    pub fn recall(&self) -> f64 {
        self.hits as f64 / (self.hits + self.misses).max(1) as f64
    }

    /// Their harmonic mean.
    pub fn f1(&self) -> f64 {
        2.0 * self.hits as f64 / (2 * self.hits + self.alarms + self.misses).max(1) as f64
    }
}

/// How long after speech began and ended it was told, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Delays {
    pub(super) onsets: Vec<f64>,
    pub(super) offsets: Vec<f64>,
    /// Stretches of speech of which no beginning was told.
    pub(super) missed: usize,
}

/// Stretches of speech, in frames, of which shorter silences than `least` are a part.
pub(super) fn stretches(speech: &[bool], least: usize) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for frame in (0..speech.len()).filter(|frame| speech[*frame]) {
        match found.last_mut() {
            Some(last) if frame - last.end < least => last.end = frame + 1,
            _ => found.push(frame..frame + 1),
        }
    }
    found
}

impl Delays {
    /// Compares what a detector told with stretches of speech in frames. An end counts where it is told before the next
    /// speech begins.
    pub(super) fn add(&mut self, events: &[VadEvent], speech: &[Range<usize>]) {
        let at = |frame: usize| Position((frame * FRAME) as u64);
        for (number, stretch) in speech.iter().enumerate() {
            let (begin, end) = (at(stretch.start), at(stretch.end));
            let next = speech.get(number + 1).map_or(Position(u64::MAX), |next| at(next.start));
            let started = events.iter().find_map(|event| match event {
                VadEvent::SpeechStarted { at: since, decided_at }
                    if *since >= at(stretch.start.saturating_sub(EARLY)) && *since < end =>
                {
                    Some(*decided_at)
                }
                _ => None,
            });
            let stopped = events.iter().find_map(|event| match event {
                VadEvent::SpeechStopped { decided_at, .. } if *decided_at >= end && *decided_at < next => {
                    Some(*decided_at)
                }
                _ => None,
            });
            match started {
                Some(decided) => self.onsets.push(decided.ms() - begin.ms()),
                None => self.missed += 1,
            }
            self.offsets.extend(stopped.map(|decided| decided.ms() - end.ms()));
        }
    }
}

/// The value below which half of the others are.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// stats = speechbrain.utils.metric_stats.BinaryMetricStats()
    /// scores = torch.tensor([0.9, 0.2, 0.6, 0.7, 0.1, 0.8, 0.3, 0.55, 0.4, 0.95])
    /// stats.append(list(range(10)), scores, torch.tensor([1, 0, 1, 0, 1, 1, 0, 0, 0, 1]))
    /// print(stats.summarize(threshold=0.5))
    /// ```
    #[test]
    fn figures_are_speechbrains() {
        let scores = [0.9, 0.2, 0.6, 0.7, 0.1, 0.8, 0.3, 0.55, 0.4, 0.95];
        let speech = [true, false, true, false, true, true, false, false, false, true];
        let mut counts = Counts::default();
        scores.iter().zip(speech).for_each(|(score, speech)| counts.add(*score >= 0.5, speech));
        assert_eq!(counts, Counts { hits: 4, alarms: 2, misses: 1, rests: 3 });
        let found = [counts.precision(), counts.recall(), counts.f1()];
        for (found, expected) in found.iter().zip([0.666_666_67, 0.8, 0.727_272_73]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn delays_are_counted_from_where_speech_begins_and_ends() {
        let mut speech = vec![false; 400];
        [50..100, 110..150, 300..320].into_iter().for_each(|range: Range<usize>| speech[range].fill(true));
        let speech = stretches(&speech, 30);
        assert_eq!(speech, [50..150, 300..320]);
        let at = |ms: u64| Position(16 * ms);
        let events = [
            VadEvent::SpeechStarted { at: at(480), decided_at: at(620) },
            VadEvent::SpeechStopped { at: at(1_530), decided_at: at(1_810) },
        ];
        let mut delays = Delays::default();
        delays.add(&events, &speech);
        assert_eq!(delays, Delays { onsets: vec![120.0], offsets: vec![310.0], missed: 1 });
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[])), (Some(2.0), None));
    }
}
