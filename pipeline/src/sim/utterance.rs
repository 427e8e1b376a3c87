//! A recording as somebody says it: where its sound begins and ends, how loud it is, and where it pauses.

use std::ops::Range;

use rejoinder_models::units::{SampleRate, Samples};

const RATE: SampleRate = SampleRate::INTERNAL;
/// Power is looked at in blocks of 5 ms.
const BLOCK: usize = RATE.get() as usize / 200;
/// Sound counts as the caller's down to this far below the level of its loud parts, and no nearer than this to the
/// recording's own noise.
const FLOOR_DB: f32 = -35.0;
const ABOVE_NOISE_DB: f32 = 10.0;
/// Words reach at most this far beyond their first and last sound that is so near to that level: what comes before and
/// after is breath, or the recording's noise.
const STRONG_DB: f32 = -20.0;
const REACH_MS: f64 = 150.0;
/// Silence inside an utterance that is shorter than this belongs to its words, as before a plosive.
const GAP_MS: f64 = 150.0;
/// Sound that lasts shorter than this is a click.
const CLICK_MS: f64 = 20.0;
/// Sound that stands alone, with as much silence around it as ends words, is a smack of the lips where it is shorter than
/// this: a plosive's burst is nearer to its vowel.
const SMACK_MS: f64 = 60.0;
/// Cuts are smoothed over this time.
const FADE_MS: f64 = 4.0;
/// A pause that is put into an utterance keeps at least this much sound on either side.
const MARGIN_MS: f64 = 250.0;

/// Sound between true silence, of which it is known to the sample where it begins, ends and pauses.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    /// The sound at 16 kHz. It begins and ends with the utterance.
    pub samples: Vec<f32>,
    /// Where sound is, in samples: all but pauses of 150 ms and more.
    pub sounding: Vec<Range<usize>>,
}

impl Utterance {
    /// What is said in a recording at 16 kHz, brought to a level of `level_db` dB of full scale, from its first word to
    /// its last: breath before and after them is left out. None where there is nothing to be heard.
    pub fn new(recording: &[f32], level_db: f32) -> Option<Self> {
        let power: Vec<f32> = recording.chunks(BLOCK).map(power).collect();
        let (level, threshold) = (level(&power), threshold(&power));
        let sounding = words_of(sounding(&power, threshold), &power, level);
        let (first, last) = (sounding.first()?.start, sounding.last()?.end.min(recording.len()));
        let gain = 10f32.powf(level_db / 20.0) / level.sqrt();
        let mut samples = vec![0.0; last - first];
        let mut parts = Vec::new();
        for part in sounding {
            let part = part.start..part.end.min(recording.len());
            let from = part.start - first;
            samples[from..from + part.len()].copy_from_slice(&recording[part.clone()]);
            fade(&mut samples[from..from + part.len()]);
            parts.push(from..from + part.len());
        }
        samples.iter_mut().for_each(|x| *x = (*x * gain).clamp(-1.0, 1.0));
        Some(Self { samples, sounding: parts })
    }

    /// The same with a pause of `length` in its middle: at a pause that it has, or else at the quietest place of the
    /// middle half. None where it is too short to be paused in.
    #[must_use]
    pub fn paused(&self, length: Samples) -> Option<Self> {
        let total = self.samples.len();
        let margin = Samples::from_ms(MARGIN_MS, RATE).0 as usize;
        if total < 2 * margin + 2 * BLOCK {
            return None;
        }
        let middle = (total / 4).max(margin)..(3 * total / 4).min(total - margin);
        let quiet = middle.clone().step_by(BLOCK).min_by(|a, b| {
            let around = |at: usize| power(&self.samples[at.saturating_sub(BLOCK)..(at + BLOCK).min(total)]);
            around(*a).total_cmp(&around(*b))
        });
        let gaps = self.sounding.windows(2).map(|pair| pair[0].end..pair[1].start);
        let natural = gaps.filter(|gap| middle.contains(&gap.start)).max_by_key(|gap| gap.len());
        let at = natural.map(|gap| gap.start).or(quiet)?;
        let added = length.0 as usize;
        let (mut head, mut tail) = (self.samples[..at].to_vec(), self.samples[at..].to_vec());
        fade(&mut head);
        fade(&mut tail);
        head.resize(at + added, 0.0);
        head.extend(tail);
        let mut sounding = Vec::new();
        for part in &self.sounding {
            match (part.end <= at, part.start >= at) {
                (true, _) => sounding.push(part.clone()),
                (_, true) => sounding.push(part.start + added..part.end + added),
                _ => sounding.extend([part.start..at, at + added..part.end + added]),
            }
        }
        Some(Self { samples: head, sounding })
    }
}

fn power(block: &[f32]) -> f32 {
    block.iter().map(|x| x * x).sum::<f32>() / block.len().max(1) as f32
}

/// The mean power of the blocks within 30 dB of the loudest.
fn level(power: &[f32]) -> f32 {
    let floor = 1e-3 * power.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let (sum, count) = power.iter().filter(|x| **x > floor).fold((0.0, 0), |(sum, n), x| (sum + x, n + 1));
    (sum / count.max(1) as f32).max(f32::MIN_POSITIVE)
}

fn threshold(power: &[f32]) -> f32 {
    let mut sorted = power.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let noise = sorted.get(sorted.len() / 10).copied().unwrap_or(0.0);
    let ratio = |db: f32| 10f32.powf(db / 10.0);
    let level = level(power);
    // A recording that is loud throughout has no noise to stay above of.
    (noise * ratio(ABOVE_NOISE_DB)).min(level * ratio(-15.0)).max(level * ratio(FLOOR_DB))
}

fn sounding(power: &[f32], threshold: f32) -> Vec<Range<usize>> {
    let [gap, click, smack] = [GAP_MS, CLICK_MS, SMACK_MS].map(|ms| Samples::from_ms(ms, RATE).0 as usize);
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (i, _) in power.iter().enumerate().filter(|(_, power)| **power > threshold) {
        let block = i * BLOCK..(i + 1) * BLOCK;
        match parts.last_mut() {
            Some(part) if block.start == part.end => part.end = block.end,
            _ => parts.push(block),
        }
    }
    parts.retain(|part| part.len() >= click);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for part in parts {
        match merged.last_mut() {
            Some(last) if part.start - last.end < gap => last.end = part.end,
            _ => merged.push(part),
        }
    }
    merged.retain(|part| part.len() >= smack);
    merged
}

fn words_of(mut parts: Vec<Range<usize>>, power: &[f32], level: f32) -> Vec<Range<usize>> {
    let least = level * 10f32.powf(STRONG_DB / 10.0);
    let strong = |power: &f32| *power > least;
    let (Some(first), Some(last)) = (power.iter().position(strong), power.iter().rposition(strong)) else {
        return Vec::new();
    };
    let reach = Samples::from_ms(REACH_MS, RATE).0 as usize;
    let words = (first * BLOCK).saturating_sub(reach)..(last + 1) * BLOCK + reach;
    for part in &mut parts {
        *part = part.start.max(words.start)..part.end.min(words.end);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn fade(samples: &mut [f32]) {
    let length = (Samples::from_ms(FADE_MS, RATE).0 as usize).min(samples.len() / 2);
    let end = samples.len();
    for i in 0..length {
        let gain = (i + 1) as f32 / (length + 1) as f32;
        samples[i] *= gain;
        samples[end - 1 - i] *= gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(ms: usize) -> impl Iterator<Item = f32> {
        (0..ms * 16).map(|i| 0.2 * (i as f32 * 0.3).sin())
    }

    fn silence(ms: usize) -> impl Iterator<Item = f32> {
        (0..ms * 16).map(|i| 1e-4 * (i as f32 * 1.7).sin())
    }

    fn recording() -> Vec<f32> {
        silence(300).chain(tone(500)).chain(silence(250)).chain(tone(400)).chain(silence(700)).collect()
    }

    #[test]
    fn the_ends_and_pauses_of_an_utterance_are_where_its_sound_is() {
        let utterance = Utterance::new(&recording(), -26.0).unwrap();
        assert_eq!(utterance.samples.len(), (500 + 250 + 400) * 16);
        assert_eq!(utterance.sounding, [0..8_000, 12_000..18_400]);
        assert!(utterance.samples[8_000..12_000].iter().all(|x| *x == 0.0));
        let level = 10.0 * power(&utterance.samples[1_000..7_000]).log10();
        assert!((level + 26.0).abs() < 0.5, "{level} dB");
    }

    #[test]
    fn breath_before_and_after_the_words_is_left_out() {
        let breath = |ms| tone(ms).map(|x| 0.05 * x);
        let words = || tone(500).chain(silence(250)).chain(breath(100)).chain(silence(250)).chain(tone(400));
        let bare: Vec<f32> = silence(600).chain(words()).chain(silence(600)).collect();
        let breathing = silence(200).chain(breath(200)).chain(silence(200)).chain(words());
        let breathing: Vec<f32> = breathing.chain(silence(200)).chain(breath(300)).chain(silence(100)).collect();
        let noisy: Vec<f32> = bare[..bare.len() - 600 * 16].iter().copied().chain(breath(600)).collect();
        let sounding = |recording: &[f32]| Utterance::new(recording, -26.0).unwrap().sounding;
        assert_eq!(sounding(&breathing), sounding(&bare));
        assert_eq!(sounding(&bare).len(), 3, "breath between words stays");
        assert_eq!(sounding(&noisy)[2].end, sounding(&bare)[2].end + 150 * 16);
    }

    #[test]
    fn what_stands_alone_for_a_moment_is_no_word() {
        let around = |ms| tone(ms).chain(silence(250)).chain(tone(500)).chain(silence(160)).chain(tone(ms));
        let utterance =
            |ms| Utterance::new(&silence(300).chain(around(ms)).chain(silence(300)).collect::<Vec<_>>(), -26.0);
        let only = |utterance: &Utterance| (utterance.sounding.len(), utterance.sounding[0].clone());
        assert_eq!(only(&utterance(50).unwrap()), (1, 0..8_000));
        assert_eq!(utterance(100).unwrap().sounding.len(), 3);
        // As before a plosive.
        let burst: Vec<f32> =
            silence(300).chain(tone(500)).chain(silence(100)).chain(tone(30)).chain(silence(300)).collect();
        assert_eq!(only(&Utterance::new(&burst, -26.0).unwrap()), (1, 0..630 * 16));
    }

    #[test]
    fn a_pause_lengthens_the_one_that_is_there_or_makes_one() {
        let utterance = Utterance::new(&recording(), -26.0).unwrap().paused(Samples(8_000)).unwrap();
        assert_eq!(utterance.sounding, [0..8_000, 20_000..26_400]);
        let whole: Vec<f32> = tone(1_000).collect();
        let paused = Utterance::new(&whole, -26.0).unwrap().paused(Samples(4_000)).unwrap();
        assert_eq!(paused.samples.len(), 20_000);
        let [head, tail] = &paused.sounding[..] else { panic!("two parts, not {:?}", paused.sounding) };
        assert_eq!(tail.start - head.end, 4_000);
        assert!(head.len() >= 4_000 && tail.len() >= 4_000);
    }

    #[test]
    fn what_is_too_short_is_not_paused_in_and_silence_is_no_utterance() {
        let short: Vec<f32> = tone(300).collect();
        assert_eq!(Utterance::new(&short, -26.0).unwrap().paused(Samples(4_000)), None);
        assert_eq!(Utterance::new(&[0.0; 16_000], -26.0), None);
    }
}
