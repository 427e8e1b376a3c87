//! What calls and lower rates leave of a sound.

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::pcma::{PcmaDecoder, PcmaEncoder};
use audio_codec::pcmu::{PcmuDecoder, PcmuEncoder};
use audio_codec::{Decoder, Encoder};
use rand::Rng;
use rand::seq::IndexedRandom;
use rejoinder_models::audio::{self, through_opus};
use rejoinder_models::units::SampleRate;
use serde::{Deserialize, Serialize};

use super::happens;
use crate::{Error, Result};

/// By how many samples G.722's two filter banks of 24 taps delay a sound.
const G722_DELAY: usize = 22;
/// The rates that can be resampled to.
const RATES_HZ: std::ops::RangeInclusive<u32> = 2_000..=48_000;

/// A codec of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// ITU-T G.711's mu-law, at the clip's own rate.
    MuLaw,
    /// ITU-T G.711's A-law, at the clip's own rate.
    ALaw,
    /// ITU-T G.722 at 64 kbit/s, at 16 kHz.
    G722,
    /// Opus (RFC 6716) for speech, at 16 kHz.
    Opus,
}

/// Which codecs a clip goes through, how often: SpeechBrain's `CodecAugment`, with Opus in the place of MP3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodecConfig {
    /// How often a clip goes through one. Default: 0.
    pub probability: f64,
    /// Those of which one is drawn. Default: all.
    pub names: Vec<Codec>,
    /// The least and the greatest bit rate of Opus, in kilobits a second, at least 6. Default: 6 to 24.
    pub opus_kbps: [f32; 2],
}

/// To which lower rates a clip is brought, and back to its own, how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResampleConfig {
    /// How often a clip is. Default: 0.
    pub probability: f64,
    /// The rates of which one is drawn. A clip of a lower rate stays as it is. Default: 8,000, 11,025 and 12,000.
    pub rates_hz: Vec<u32>,
}

impl Default for CodecConfig {
    fn default() -> Self {
        let names = vec![Codec::MuLaw, Codec::ALaw, Codec::G722, Codec::Opus];
        Self { probability: 0.0, names, opus_kbps: [6.0, 24.0] }
    }
}

impl Default for ResampleConfig {
    fn default() -> Self {
        Self { probability: 0.0, rates_hz: vec![8_000, 11_025, 12_000] }
    }
}

fn wrong(key: &str, reason: String) -> Result<()> {
    Err(Error::config(format!("augment.{key}"), reason))
}

impl CodecConfig {
    /// Refuses what cannot be drawn.
    pub(super) fn check(&self) -> Result<()> {
        let [least, most] = self.opus_kbps;
        if self.names.is_empty() {
            return wrong("codec.names", "expected a codec at least, found none".to_owned());
        }
        if !(least >= 6.0 && least <= most && most <= 510.0) {
            return wrong(
                "codec.opus_kbps",
                format!("expected two numbers from 6 to 510 in order, found {least}, {most}"),
            );
        }
        Ok(())
    }

    pub(super) fn apply(&self, samples: &mut Vec<f32>, rate: SampleRate, rng: &mut impl Rng) {
        if !happens(self.probability, rng) {
            return;
        }
        let Some(codec) = self.names.choose(rng) else { return };
        let [least, most] = self.opus_kbps;
        let coded = codec.through(samples, rate, rng.random_range(least..=most.max(least)));
        replace(samples, coded);
    }
}

impl ResampleConfig {
    /// Refuses what cannot be drawn.
    pub(super) fn check(&self) -> Result<()> {
        if self.rates_hz.is_empty() {
            return wrong("resample.rates_hz", "expected a rate at least, found none".to_owned());
        }
        match self.rates_hz.iter().find(|rate| !RATES_HZ.contains(rate)) {
            Some(found) => wrong("resample.rates_hz", format!("expected {RATES_HZ:?} Hz, found {found}")),
            None => Ok(()),
        }
    }

    pub(super) fn apply(&self, samples: &mut Vec<f32>, rate: SampleRate, rng: &mut impl Rng) {
        if !happens(self.probability, rng) {
            return;
        }
        let lower = self.rates_hz.choose(rng).map(|hz| SampleRate::hz(*hz));
        if let Some(lower) = lower.filter(|lower| lower.get() < rate.get()) {
            replace(samples, at_rate(samples, rate, lower, |sound| Ok(sound.to_vec())));
        }
    }
}

/// A clip stays as it is where an effect has nothing to say of it.
fn replace(samples: &mut Vec<f32>, changed: Result<Vec<f32>>) {
    match changed {
        Ok(changed) => *samples = changed,
        Err(error) => tracing::warn!("augmentation left a clip as it is: {error}"),
    }
}

/// What `effect` makes of a clip at another rate, brought back to its own; as long as it was.
fn at_rate(
    samples: &[f32],
    own: SampleRate,
    other: SampleRate,
    effect: impl Fn(&[f32]) -> Result<Vec<f32>>,
) -> Result<Vec<f32>> {
    let changed = effect(&audio::resample(samples, own, other)?)?;
    let mut back = audio::resample(&changed, other, own)?;
    back.resize(samples.len(), 0.0);
    Ok(back)
}

impl Codec {
    /// What is left of a clip, in [-1, 1], after the codec: as long as it was, and in its place.
    ///
    /// # Errors
    /// A rate that cannot be resampled, or a bit rate that Opus does not have.
    pub fn through(self, samples: &[f32], rate: SampleRate, opus_kbps: f32) -> Result<Vec<f32>> {
        let wide = SampleRate::INTERNAL;
        match self {
            Self::MuLaw => Ok(mu_law(samples)),
            Self::ALaw => Ok(coded(samples, &mut PcmaEncoder::new(), &mut PcmaDecoder::new(), 0)),
            Self::G722 => at_rate(samples, rate, wide, |sound| {
                Ok(coded(sound, &mut G722Encoder::new(), &mut G722Decoder::new(), G722_DELAY))
            }),
            Self::Opus => at_rate(samples, rate, wide, |sound| Ok(through_opus(sound, wide, opus_kbps)?)),
        }
    }
}

/// To 8-bit mu-law and back (ITU-T G.711).
pub(super) fn mu_law(samples: &[f32]) -> Vec<f32> {
    coded(samples, &mut PcmuEncoder::new(), &mut PcmuDecoder::new(), 0)
}

/// Through a codec that delays sound by `delay` samples.
fn coded(samples: &[f32], encoder: &mut dyn Encoder, decoder: &mut dyn Decoder, delay: usize) -> Vec<f32> {
    let whole = |sample: &f32| (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16;
    let mut sound: Vec<i16> = samples.iter().map(whole).collect();
    sound.resize((samples.len() + delay).next_multiple_of(2), 0);
    let heard = decoder.decode(&encoder.encode(&sound));
    let sample = |sample: i16| f32::from(sample) / f32::from(i16::MAX);
    heard.into_iter().skip(delay).take(samples.len()).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Two tones, of which one is above 4 kHz.
    fn tones(rate: SampleRate) -> Vec<f32> {
        let wave = |n: usize, hz: f32| (std::f32::consts::TAU * hz * n as f32 / rate.get() as f32).sin();
        (0..rate.get() as usize / 2).map(|n| 0.3 * wave(n, 440.0) + 0.05 * wave(n, 5_000.0)).collect()
    }

    fn snr_db(sound: &[f32], heard: &[f32]) -> f32 {
        let power = |samples: &mut dyn Iterator<Item = f32>| samples.map(|sample| sample * sample).sum::<f32>();
        let noise = &mut sound.iter().zip(heard).skip(1_000).map(|(a, b)| a - b);
        10.0 * (power(&mut sound.iter().skip(1_000).copied()) / power(noise)).log10()
    }

    #[test]
    fn each_codec_leaves_the_sound_in_its_place_and_changes_it_as_much_as_it_should() {
        for rate in [SampleRate::INTERNAL, SampleRate::hz(22_050)] {
            let sound = tones(rate);
            let heard = |codec: Codec, kbps| codec.through(&sound, rate, kbps).unwrap();
            for (codec, kbps, least_db, most_db) in [
                (Codec::MuLaw, 16.0, 33.0, 45.0),
                (Codec::ALaw, 16.0, 33.0, 45.0),
                (Codec::G722, 16.0, 15.0, 40.0),
                (Codec::Opus, 64.0, 10.0, 60.0),
            ] {
                let heard = heard(codec, kbps);
                let found = snr_db(&sound, &heard);
                assert_eq!(heard.len(), sound.len());
                assert!((least_db..most_db).contains(&found), "{codec:?} at {rate}: {found} dB");
            }
        }
    }

    #[test]
    fn a_lower_rate_takes_away_what_it_does_not_hold() {
        let rate = SampleRate::INTERNAL;
        let mut sound = tones(rate);
        let low: Vec<f32> =
            (0..sound.len()).map(|n| 0.3 * (std::f32::consts::TAU * 440.0 * n as f32 / 16_000.0).sin()).collect();
        let config = ResampleConfig { probability: 1.0, rates_hz: vec![8_000] };
        config.apply(&mut sound, rate, &mut ChaCha8Rng::seed_from_u64(1));
        assert!(snr_db(&low, &sound) > 40.0, "{}", snr_db(&low, &sound));
        let before = sound.clone();
        let higher = ResampleConfig { probability: 1.0, rates_hz: vec![24_000] };
        higher.apply(&mut sound, rate, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(sound, before);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let refused = |config: CodecConfig| config.check().unwrap_err().to_string();
        let none = refused(CodecConfig { names: vec![], ..CodecConfig::default() });
        assert_eq!(none, "augment.codec.names: expected a codec at least, found none");
        let slow = refused(CodecConfig { opus_kbps: [4.0, 24.0], ..CodecConfig::default() });
        assert_eq!(slow, "augment.codec.opus_kbps: expected two numbers from 6 to 510 in order, found 4, 24");
        let rate = ResampleConfig { rates_hz: vec![8_000, 100], ..ResampleConfig::default() }.check().unwrap_err();
        assert_eq!(rate.to_string(), "augment.resample.rates_hz: expected 2000..=48000 Hz, found 100");
    }
}
