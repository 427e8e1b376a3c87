use std::ops::RangeInclusive;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

use super::{BandConfig, ChunkConfig, CodecConfig, NotchConfig, ResampleConfig, SpecConfig};
use crate::{Error, Result};

/// Rooms from a formula where it is not said how many.
const SYNTHETIC_ROOMS: usize = 64;

/// How fast a clip can be played.
const SPEEDS: RangeInclusive<f32> = 0.1..=10.0;

/// An effect that is applied with a probability, to a degree drawn evenly from a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draw {
    /// How often, in [0, 1].
    pub probability: f64,
    /// The least degree.
    pub min: f32,
    /// The greatest degree.
    pub max: f32,
}

impl Draw {
    /// Refuses what cannot be drawn, or lies outside what the effect can be.
    fn check(&self, key: &str, possible: RangeInclusive<f32>) -> Result<()> {
        let Self { probability, min, max } = *self;
        let wrong = |reason: String| Err(Error::config(format!("augment.{key}"), reason));
        if !(0.0..=1.0).contains(&probability) {
            return wrong(format!("expected a probability from 0 to 1, found {probability}"));
        }
        if !(min.is_finite() && max.is_finite() && (min <= max || probability == 0.0)) {
            return wrong(format!("expected min and max in order, found {min} and {max}"));
        }
        if probability > 0.0 && !(possible.contains(&min) && possible.contains(&max)) {
            let (least, most) = (possible.start(), possible.end());
            return wrong(format!("expected min and max from {least} to {most}, found {min} and {max}"));
        }
        Ok(())
    }

    /// The degree, or nothing where the effect stays away.
    pub fn draw(&self, rng: &mut impl Rng) -> Option<f32> {
        rng.random_bool(self.probability.clamp(0.0, 1.0)).then(|| rng.random_range(self.min..=self.max.max(self.min)))
    }
}

/// Which effects, how often and how strong; and how many of them, and of a clip. What is not given stays away: by default
/// nothing is changed.
///
/// A clip becomes one clip, which goes through all effects in their order, each with its own probability.
/// Otherwise as SpeechBrain's `Augmenter` has it: of the effects that are on, so many as are drawn between `min_effects`
/// and `max_effects`, in turn or in parallel, `repeat` times, beside the original or in its place. Copies keep their
/// clip's labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// How often the sound of a clip is changed at all; `spec` goes by its own probability. Default: 1.
    pub probability: f64,
    /// The fewest effects. Default: all; 1 where `max_effects` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_effects: Option<usize>,
    /// The most effects. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_effects: Option<usize>,
    /// Whether effects are chosen, and follow each other, at random. Default: false, the first ones in their order.
    pub shuffle: bool,
    /// Whether each effect makes a copy of its own. Default: false.
    pub parallel: bool,
    /// Whether the clip as it is comes first, but for `spec`, which each copy may get. Default: false.
    pub concat_original: bool,
    /// How often all this is done. Default: 1.
    pub repeat: usize,
    /// Faster (above 1) or slower playback; pitch and vocal tract go with it.
    pub speed: Draw,
    /// The speeds of which one is drawn, in the place of any between `speed.min` and `speed.max`: SpeechBrain's `SpeedPerturb`.
    /// Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub speeds: Vec<f32>,
    /// Silence before and after, each in seconds.
    pub pad_s: Draw,
    /// Room response; the degree is how much of it is mixed in, 1 for all.
    pub reverb: Draw,
    /// Rooms from a formula beside the recorded ones. Default: 64.
    pub synthetic_rooms: usize,
    /// Added noise; the degree is the signal-to-noise ratio in dB.
    pub noise_snr_db: Draw,
    /// A transmission channel; the degree chooses none of its settings, see [`BandConfig`].
    pub channel: BandConfig,
    /// A lower rate, and back.
    pub resample: ResampleConfig,
    /// A codec of calls.
    pub codec: CodecConfig,
    /// Narrow bands of frequency that drop out.
    pub drop_frequencies: NotchConfig,
    /// The share of a clip that drops out, in pieces of 10 to 60 ms.
    pub drop: Draw,
    /// Pieces that drop out, so many and so long.
    pub drop_chunks: ChunkConfig,
    /// The peak level in dB below full scale, as a negative number.
    pub level_db: Draw,
    /// Masks on features.
    pub spec: SpecConfig,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            probability: 1.0,
            min_effects: None,
            max_effects: None,
            shuffle: false,
            parallel: false,
            concat_original: false,
            repeat: 1,
            speed: Draw::default(),
            speeds: Vec::new(),
            pad_s: Draw::default(),
            reverb: Draw::default(),
            synthetic_rooms: SYNTHETIC_ROOMS,
            noise_snr_db: Draw::default(),
            channel: BandConfig::default(),
            resample: ResampleConfig::default(),
            codec: CodecConfig::default(),
            drop_frequencies: NotchConfig::default(),
            drop: Draw::default(),
            drop_chunks: ChunkConfig::default(),
            level_db: Draw::default(),
            spec: SpecConfig::default(),
        }
    }
}

impl AugmentConfig {
    /// How much faster a clip is to be, where it is.
    pub(super) fn draw_speed(&self, rng: &mut impl Rng) -> Option<f32> {
        let drawn = self.speed.draw(rng)?;
        Some(self.speeds.choose(rng).copied().unwrap_or(drawn))
    }

    /// The greatest speed of a clip.
    pub(crate) fn fastest(&self) -> f32 {
        let drawn = if self.speeds.is_empty() { self.speed.max } else { 1.0 };
        self.speeds.iter().copied().fold(drawn.max(1.0), f32::max)
    }

    /// Refuses degrees that no effect has.
    pub(crate) fn check(&self) -> Result<()> {
        // Where speeds are listed, none is drawn between the two.
        let speeds = if self.speeds.is_empty() { SPEEDS } else { f32::MIN..=f32::MAX };
        let draws = [
            ("speed", self.speed, speeds),
            ("pad_s", self.pad_s, 0.0..=60.0),
            ("reverb", self.reverb, 0.0..=1.0),
            ("noise_snr_db", self.noise_snr_db, -100.0..=200.0),
            ("drop", self.drop, 0.0..=1.0),
            ("level_db", self.level_db, -200.0..=0.0),
            ("channel.low_pass_hz", self.channel.low_pass_hz, 1.0..=1e6),
            ("channel.bits", self.channel.bits, 1.0..=32.0),
            ("channel.clipping", self.channel.clipping, 0.001..=1.0),
        ];
        draws.into_iter().try_for_each(|(key, draw, possible)| draw.check(key, possible))?;
        let probabilities = [
            ("probability", self.probability),
            ("channel.telephone", self.channel.telephone),
            ("resample.probability", self.resample.probability),
            ("codec.probability", self.codec.probability),
            ("drop_frequencies.probability", self.drop_frequencies.probability),
            ("spec.probability", self.spec.probability),
            ("spec.warp_probability", self.spec.warp_probability),
            ("spec.time_warp_probability", self.spec.time_warp_probability),
            ("spec.time_share", self.spec.time_share),
        ];
        if let Some((key, found)) = probabilities.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            return Err(Error::config(format!("augment.{key}"), format!("expected 0 to 1, found {found}")));
        }
        self.resample.check()?;
        self.codec.check()?;
        self.drop_frequencies.check()?;
        let wrong = |key: &str, expected: &str, found: f32| {
            Err(Error::config(format!("augment.{key}"), format!("expected {expected}, found {found}")))
        };
        if let Some(speed) = self.speeds.iter().find(|speed| !SPEEDS.contains(*speed)) {
            return wrong("speeds", "0.1 to 10", *speed);
        }
        if !self.speeds.is_empty() && self.speed.probability == 0.0 {
            return Err(Error::config("augment.speeds", "expected speed.probability above 0, found 0"));
        }
        self.drop_chunks.check()?;
        if let (Some(fewest), Some(most)) = (self.min_effects, self.max_effects)
            && fewest > most
        {
            let reason = format!("expected at most max_effects, found {fewest} and {most}");
            return Err(Error::config("augment.min_effects", reason));
        }
        if !(0.0..1.0).contains(&self.spec.warp) {
            return wrong("spec.warp", "a share from 0 on and below 1", self.spec.warp);
        }
        let SpecConfig { least_frequency_bins, frequency_bins, least_time_frames, time_frames, .. } = self.spec;
        for (key, least, most) in
            [("frequency_bins", least_frequency_bins, frequency_bins), ("time_frames", least_time_frames, time_frames)]
        {
            if least > most {
                let reason = format!("expected least_{key} of at most {key}, found {least} and {most}");
                return Err(Error::config("augment.spec", reason));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl AugmentConfig {
    /// Everything but dropped frequencies, from time to time.
    pub(crate) fn of_all_kinds() -> Self {
        let draw = |probability, min, max| Draw { probability, min, max };
        Self {
            speed: draw(0.7, 0.87, 1.15),
            pad_s: draw(0.5, 0.0, 0.3),
            reverb: draw(0.3, 0.3, 1.0),
            noise_snr_db: draw(0.5, 5.0, 30.0),
            channel: BandConfig { telephone: 0.1, clipping: draw(0.1, 0.3, 0.9), ..BandConfig::default() },
            resample: ResampleConfig { probability: 0.1, ..ResampleConfig::default() },
            codec: CodecConfig { probability: 0.3, ..CodecConfig::default() },
            drop: draw(0.1, 0.01, 0.05),
            level_db: draw(0.9, -30.0, -1.0),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_that_no_effect_has_are_refused() {
        let message = |text: &str| toml::from_str::<AugmentConfig>(text).unwrap().check().unwrap_err().to_string();
        AugmentConfig::of_all_kinds().check().unwrap();
        for (key, min, max) in [
            ("speed", 0.0, 1.0),
            ("reverb", 0.0, 50.0),
            ("drop", 0.0, 1_000.0),
            ("level_db", -3.0, 200.0),
            ("channel.low_pass_hz", -5.0, 4_000.0),
            ("channel.bits", 0.0, 8.0),
            ("channel.clipping", -1.0, 0.5),
        ] {
            let told = message(&format!("{key} = {{ probability = 0.5, min = {min}, max = {max} }}"));
            assert!(told.starts_with(&format!("augment.{key}: expected min and max from ")), "{told}");
        }
        assert!(message("spec = { warp = 1.5 }").starts_with("augment.spec.warp: expected a share"));
        assert!(message("spec = { warp = inf }").starts_with("augment.spec.warp: expected a share"));
        let effects = message("min_effects = 3\nmax_effects = 2");
        assert!(effects.starts_with("augment.min_effects: expected at most max_effects"), "{effects}");
    }
}
