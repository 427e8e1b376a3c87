//! What a spotter says of the clips of a corpus.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rejoinder_models::keyword::{KeywordSpotter, SpottingConfig, detections};
use rejoinder_models::units::{SampleRate, Samples};

use super::corpus::{Clip, Corpus};
use crate::Result;
use crate::augment::Bank;
use crate::data::energy::extent;
use crate::data::prepare::SAMPLE_RATE_HZ;

/// Silence before and after each clip, in seconds.
const AROUND_S: f64 = 0.5;
/// Clips that are listened to one after the other, as one stream.
const TOGETHER: usize = 32;

/// What the net gives a clip that says keywords.
pub(super) struct KeywordScores {
    /// What it says.
    pub(super) keywords: Vec<usize>,
    /// The probability of each keyword for each frame: (frame, keyword).
    pub(super) rows: Vec<f32>,
    /// The frame in which the speech ends.
    pub(super) end: usize,
}

/// What the net gives sound without keywords.
pub(super) struct BackgroundScores {
    /// For each stretch, the probability of each keyword for each frame: (frame, keyword).
    pub(super) stretches: Vec<Vec<f32>>,
    /// How much it is, in hours.
    pub(super) hours: f64,
    keywords: usize,
    refractory: u64,
}

impl KeywordScores {
    /// The largest probability of a keyword.
    pub(super) fn most(&self, keyword: usize, keywords: usize) -> f32 {
        column(&self.rows, keyword, keywords).fold(0.0, f32::max)
    }

    /// The frame in which a keyword reaches a threshold.
    pub(super) fn reached(&self, keyword: usize, keywords: usize, threshold: f32) -> Option<usize> {
        column(&self.rows, keyword, keywords).position(|probability| probability >= threshold)
    }
}

impl BackgroundScores {
    /// How often a keyword is detected, although nobody says it.
    pub(super) fn alarms(&self, keyword: usize, threshold: f32) -> usize {
        let of = |rows: &Vec<f32>| detections(column(rows, keyword, self.keywords), threshold, self.refractory).len();
        self.stretches.iter().map(of).sum()
    }

    /// The lowest threshold, in hundredths from a half on, at which a keyword is detected this often an hour at most; the
    /// highest probability where none is.
    pub(super) fn threshold(&self, keyword: usize, per_hour: f64) -> f32 {
        let most = per_hour * self.hours;
        let rare = |threshold: &f32| self.alarms(keyword, *threshold) as f64 <= most;
        (50..100).map(|percent| percent as f32 / 100.0).find(rare).unwrap_or(0.995)
    }
}

fn column(rows: &[f32], keyword: usize, keywords: usize) -> impl Iterator<Item = f32> {
    rows.iter().skip(keyword).step_by(keywords).copied()
}

/// Listens to the keyword clips of a corpus, with noise at a ratio in decibels where some is given.
pub(super) fn hear(
    spotter: &dyn KeywordSpotter,
    corpus: &Corpus,
    noise: Option<(&Bank, f32)>,
) -> Result<Vec<KeywordScores>> {
    let each = |(number, clip): (usize, &Clip)| -> Result<KeywordScores> {
        let samples = corpus.reader()?.read(&clip.sound)?;
        let around = (AROUND_S * f64::from(SAMPLE_RATE_HZ)) as usize;
        let end = around + extent(&samples).end;
        let mut sound = vec![0.0; around];
        sound.extend_from_slice(&samples);
        sound.resize(sound.len() + around, 0.0);
        if let Some((bank, snr_db)) = noise {
            bank.add(&mut sound, snr_db, SAMPLE_RATE_HZ, &mut ChaCha8Rng::seed_from_u64(number as u64));
        }
        let rows = listen(spotter, &sound)?;
        Ok(KeywordScores { keywords: clip.keywords.clone(), rows, end: end / spotter.frame().0 as usize })
    };
    corpus.spoken.par_iter().enumerate().map(each).collect()
}

/// Listens to the other clips of a corpus, one after the other.
pub(super) fn overhear(spotter: &dyn KeywordSpotter, corpus: &Corpus) -> Result<BackgroundScores> {
    let each = |clips: &[Clip]| -> Result<(Vec<f32>, usize)> {
        let (mut reader, mut sound) = (corpus.reader()?, Vec::new());
        for clip in clips {
            sound.extend(reader.read(&clip.sound)?);
            sound.resize(sound.len() + (AROUND_S * f64::from(SAMPLE_RATE_HZ)) as usize, 0.0);
        }
        Ok((listen(spotter, &sound)?, sound.len()))
    };
    let heard = corpus.others.par_chunks(TOGETHER).map(each).collect::<Result<Vec<_>>>()?;
    let samples: usize = heard.iter().map(|(_, samples)| samples).sum();
    let refractory = f64::from(SpottingConfig::default().refractory_ms);
    Ok(BackgroundScores {
        stretches: heard.into_iter().map(|(rows, _)| rows).collect(),
        hours: samples as f64 / f64::from(SAMPLE_RATE_HZ) / 3_600.0,
        keywords: spotter.keywords().len(),
        refractory: Samples::from_ms(refractory, SampleRate::INTERNAL).0.div_ceil(spotter.frame().0),
    })
}

fn listen(spotter: &dyn KeywordSpotter, sound: &[f32]) -> Result<Vec<f32>> {
    let (mut stream, mut rows) = (spotter.stream()?, Vec::new());
    stream.push(sound, &mut rows)?;
    stream.flush(&mut rows)?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_as_low_as_false_alarms_allow() {
        let rows = vec![0.1, 0.9, 0.7, 0.2, 0.6, 0.1, 0.6, 0.95];
        let overheard =
            BackgroundScores { stretches: vec![rows.clone(), rows], hours: 2.0, keywords: 2, refractory: 1 };
        assert_eq!((overheard.alarms(0, 0.5), overheard.alarms(0, 0.65), overheard.alarms(1, 0.5)), (6, 2, 4));
        assert_eq!((overheard.threshold(0, 3.0), overheard.threshold(0, 1.0)), (0.5, 0.61));
        assert_eq!(overheard.threshold(1, 0.0), 0.96);
    }
}
