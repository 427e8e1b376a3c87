//! Where somebody speaks in a clean recording, by the energy of its frames.

use std::ops::Range;

use super::prepare::SAMPLE_RATE_HZ;

/// Samples in a frame: 10 ms.
pub const FRAME: usize = SAMPLE_RATE_HZ as usize / 100;
/// Frames this far below the loudest, as a ratio of powers (30 dB), are no speech,
const QUIET: f32 = 1e-3;
/// nor those that are this near to the noise, as a share of the decibels between the noise and the loudest.
const NOISY: f32 = 0.4;
/// Frames of silence that may stand within speech: the closure of a stop consonant is no pause.
const LONGEST_CLOSURE: usize = 15;
/// Fewer loud frames than this are no speech.
const SHORTEST_SPEECH: usize = 5;

/// Whether each frame is louder than the noise, for which a tenth of the frames are taken.
fn loud(samples: &[f32]) -> Vec<bool> {
    let powers: Vec<f32> = samples.chunks(FRAME).map(power).collect();
    let mut sorted = powers.clone();
    sorted.sort_by(f32::total_cmp);
    let noise = sorted.get(sorted.len() / 10).copied().unwrap_or(0.0).max(1e-12);
    let most = sorted.last().copied().unwrap_or(0.0).max(noise);
    let least = (QUIET * most).max(noise * (most / noise).powf(NOISY));
    powers.iter().map(|power| *power > least).collect()
}

/// Whether each frame of a clean recording is speech.
pub fn speech(samples: &[f32]) -> Vec<bool> {
    let mut frames = loud(samples);
    turn_short_runs(&mut frames, false, LONGEST_CLOSURE);
    turn_short_runs(&mut frames, true, SHORTEST_SPEECH);
    frames
}

/// From the first to the last loud frame, in samples; all where none is.
pub fn extent(samples: &[f32]) -> Range<usize> {
    let loud = loud(samples);
    match (loud.iter().position(|loud| *loud), loud.iter().rposition(|loud| *loud)) {
        (Some(first), Some(last)) => first * FRAME..((last + 1) * FRAME).min(samples.len()),
        _ => 0..samples.len(),
    }
}

/// The mean power of some samples.
pub fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

/// Turns runs of `value` that are shorter than `least` and do not touch an end.
fn turn_short_runs(frames: &mut [bool], value: bool, least: usize) {
    let mut from = 0;
    while from < frames.len() {
        let length = frames[from..].iter().take_while(|frame| **frame == frames[from]).count();
        let inside = from > 0 && from + length < frames.len();
        if frames[from] == value && length < least && inside {
            frames[from..from + length].fill(!value);
        }
        from += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(range: Range<usize>, samples: &mut [f32]) {
        samples[range].iter_mut().enumerate().for_each(|(n, s)| *s = 0.3 * (n as f32 * 0.3).sin());
    }

    #[test]
    fn speech_is_where_it_is_loud() {
        let mut samples = vec![1e-4; 16_000];
        tone(4_000..9_600, &mut samples);
        assert_eq!(extent(&samples), 4_000..9_600);
        assert_eq!(extent(&[]), 0..0);
        let noisy: Vec<f32> = samples.iter().enumerate().map(|(n, s)| s + 0.02 * (n as f32 * 1.3).sin()).collect();
        assert_eq!(extent(&noisy), 4_000..9_600);
    }

    #[test]
    fn closures_belong_to_speech_and_clicks_do_not() {
        let mut samples = vec![1e-4; 32_000];
        for range in [1_600..6_400, 8_000..11_200, 16_000..16_320, 20_800..24_000] {
            tone(range, &mut samples);
        }
        let frames = speech(&samples);
        let spoken: Vec<usize> = (0..frames.len()).filter(|frame| frames[*frame]).collect();
        assert_eq!(spoken, (10..70).chain(130..150).collect::<Vec<_>>());
    }
}
