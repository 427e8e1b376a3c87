//! Augmentation: what a recording could have been. Waveforms first (on `&mut Vec<f32>`, mono), then features.
//!
//! Every effect is drawn from a random generator that the caller seeds, so a batch can be made again.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use rejoinder_models::units::SampleRate;

use crate::data::manifest::{self, ManifestConfig};
use crate::data::prepare::Prepared;
use crate::{Error, Result};

mod band;
mod bank;
mod chunks;
mod codec;
mod config;
mod course;
mod notch;
mod reverb;
mod spec;
mod speed;

pub use band::{BandConfig, Biquad, clip_peaks, quantise, telephone};
pub use bank::{Bank, NoiseKind, mix_at_snr, synthetic_noise};
pub use chunks::ChunkConfig;
pub use codec::{Codec, CodecConfig, ResampleConfig};
pub use config::{AugmentConfig, Draw};
pub use course::{Course, Effect};
pub use notch::NotchConfig;
pub use reverb::{Room, Rooms};
pub use spec::{Fill, SpecConfig, spec_augment};
pub use speed::resample_by;

/// Whether something of this probability happens. For what never does, nothing is drawn.
fn happens(probability: f64, rng: &mut impl Rng) -> bool {
    probability > 0.0 && rng.random_bool(probability.min(1.0))
}

/// Where the sound of a clip stands after its augmentation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Samples of silence in front.
    pub before: usize,
    /// How much faster it is.
    pub speed: f32,
}

impl Default for Placement {
    fn default() -> Self {
        Self { before: 0, speed: 1.0 }
    }
}

impl Placement {
    /// The sample of the clip that is heard at a sample of its augmentation; none in the silence in front.
    pub fn source(&self, sample: usize) -> Option<usize> {
        sample.checked_sub(self.before).map(|sample| (sample as f32 * self.speed) as usize)
    }
}

/// The effects and what they draw on. Immutable, shared by all loader threads.
#[derive(Clone, Debug, Default)]
pub struct Augmenter {
    /// Which effects, how often and how strong.
    pub config: AugmentConfig,
    /// Noise to add; without any, the noise effect adds white noise.
    pub noise: Bank,
    /// Room responses; without any, the reverb effect stays away.
    pub rooms: Rooms,
    /// Samples per second of the clips.
    pub sample_rate_hz: u32,
}

impl Augmenter {
    /// Opens the prepared folders or manifests of noise and of room responses, where they are there, and adds rooms from a
    /// formula. `lists` says what is replaced in the paths of manifests.
    ///
    /// # Errors
    /// As [`Prepared::open`]; a folder at another rate than the first.
    pub fn open(
        config: AugmentConfig,
        noise: Option<&Path>,
        rooms: Option<&Path>,
        lists: &ManifestConfig,
        sample_rate_hz: u32,
    ) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        config.check()?;
        let mut augmenter = Self {
            rooms: Rooms::synthetic(config.synthetic_rooms, sample_rate_hz, &mut rng),
            config,
            noise: Bank::default(),
            sample_rate_hz,
        };
        let there = |folder: Option<&Path>, probability: f64, instead: &str| {
            let Some(folder) = folder.filter(|folder| probability > 0.0 && !folder.exists()) else {
                return Ok(folder.filter(|folder| folder.exists()).map(Path::to_owned));
            };
            if manifest::is_manifest(folder) {
                return Err(Error::data(folder.display().to_string(), "there is no such list of noise or rooms"));
            }
            tracing::warn!("{}: not prepared; {instead}", folder.display());
            Ok(None)
        };
        let noise = there(noise, augmenter.config.noise_snr_db.probability, "white noise takes its place")?;
        let rooms = there(rooms, augmenter.config.reverb.probability, "there are only rooms from a formula")?;
        if let Some(folder) = noise {
            Prepared::open(&folder, lists)?
                .each(sample_rate_hz, |item, clip| augmenter.noise.push(&item.words, clip))?;
        }
        if let Some(folder) = rooms {
            Prepared::open(&folder, lists)?.each(sample_rate_hz, |_, clip| augmenter.rooms.push(clip))?;
        }
        Ok(augmenter)
    }

    /// The copies that a clip is to become, one at least.
    pub fn courses(&self, rng: &mut impl Rng) -> Vec<Course> {
        self.config.courses(rng)
    }

    /// Changes a clip in place into its first copy: [`Augmenter::apply`].
    pub fn waveform(&self, samples: &mut Vec<f32>, rng: &mut impl Rng) -> Placement {
        let courses = self.courses(rng);
        courses.first().map_or_else(Placement::default, |course| self.apply(course, samples, rng))
    }

    /// Changes a clip in place, mono in [-1, 1]; its length may change. Returns where the clip's sound then stands.
    pub fn apply(&self, course: &[Effect], samples: &mut Vec<f32>, rng: &mut impl Rng) -> Placement {
        let (mut placement, rate) = (Placement::default(), self.sample_rate_hz as f32);
        course.iter().for_each(|effect| self.effect(*effect, samples, rate, &mut placement, rng));
        placement
    }

    fn effect(&self, effect: Effect, samples: &mut Vec<f32>, rate: f32, placement: &mut Placement, rng: &mut impl Rng) {
        let config = &self.config;
        match effect {
            Effect::Speed => {
                if let Some(factor) = config.draw_speed(rng) {
                    *samples = resample_by(samples, factor);
                    placement.before = (placement.before as f32 / factor) as usize;
                    placement.speed = factor;
                }
            }
            Effect::Pad => {
                if let Some(seconds) = config.pad_s.draw(rng) {
                    let before = rng.random_range(0.0..=seconds.max(0.0));
                    placement.before = (before * rate) as usize;
                    samples.splice(0..0, std::iter::repeat_n(0.0, placement.before));
                    samples.extend(std::iter::repeat_n(0.0, (seconds * rate) as usize));
                }
            }
            Effect::Reverb => {
                if let Some(wet) = config.reverb.draw(rng) {
                    self.rooms.apply(samples, wet, rng);
                }
            }
            Effect::Noise => {
                if let Some(snr_db) = config.noise_snr_db.draw(rng) {
                    self.noise.add(samples, snr_db, self.sample_rate_hz, rng);
                }
            }
            Effect::Clipping | Effect::LowPass | Effect::Telephone | Effect::Bits => {
                config.channel.apply(effect, samples, rate, rng);
            }
            Effect::Resample => config.resample.apply(samples, SampleRate::hz(self.sample_rate_hz), rng),
            Effect::Codec => config.codec.apply(samples, SampleRate::hz(self.sample_rate_hz), rng),
            Effect::DropFrequencies => config.drop_frequencies.apply(samples, rng),
            Effect::Drop => {
                if let Some(share) = config.drop.draw(rng) {
                    drop_pieces(samples, share, rate, rng);
                }
            }
            Effect::DropChunks => config.drop_chunks.apply(samples, rate, rng),
            Effect::Level => {
                if let Some(level_db) = config.level_db.draw(rng) {
                    set_peak(samples, level_db);
                }
            }
        }
    }

    /// Masks and warps features in place. Shape: (frames, bins), row by row.
    pub fn features(&self, features: &mut [f32], bins: usize, rng: &mut impl Rng) {
        spec_augment(&self.config.spec, features, bins, rng);
    }
}

/// Silences pieces of 10 to 60 ms until about `share` of the clip is gone.
fn drop_pieces(samples: &mut [f32], share: f32, rate: f32, rng: &mut impl Rng) {
    let mut left = (share * samples.len() as f32) as usize;
    while left > 0 && !samples.is_empty() {
        let length = ((rng.random_range(0.01..0.06) * rate) as usize).clamp(1, samples.len());
        let start = rng.random_range(0..=samples.len() - length);
        samples[start..start + length].fill(0.0);
        left = left.saturating_sub(length);
    }
}

/// Scales a clip so that its peak is `level_db` relative to full scale.
fn set_peak(samples: &mut [f32], level_db: f32) {
    let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    if peak > 0.0 {
        let gain = 10.0_f32.powf(level_db / 20.0) / peak;
        samples.iter_mut().for_each(|s| *s *= gain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: f32) -> Vec<f32> {
        (0..(seconds * 16_000.0) as usize).map(|i| 0.4 * (i as f32 * 0.2).sin()).collect()
    }

    fn augmenter() -> Augmenter {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut noise = Bank::default();
        noise.push("white", &synthetic_noise(NoiseKind::White, 16_000, 16_000, &mut rng));
        Augmenter {
            config: AugmentConfig::of_all_kinds(),
            noise,
            rooms: Rooms::synthetic(4, 16_000, &mut rng),
            sample_rate_hz: 16_000,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_clip_and_all_clips_are_sound() {
        let augmenter = augmenter();
        let mut distinct = Vec::new();
        for seed in 0..40 {
            let run = || {
                let mut samples = tone(1.5);
                augmenter.waveform(&mut samples, &mut ChaCha8Rng::seed_from_u64(seed));
                samples
            };
            let samples = run();
            assert_eq!(samples, run());
            assert!(samples.iter().all(|s| s.is_finite() && s.abs() < 4.0), "seed {seed}");
            let placement = augmenter.waveform(&mut tone(1.5), &mut ChaCha8Rng::seed_from_u64(seed));
            let end = placement.before + (24_000.0 / placement.speed) as usize;
            assert!(end <= samples.len() + 1 && placement.source(end).unwrap().abs_diff(24_000) < 3, "{placement:?}");
            assert!(placement.before == 0 || placement.source(placement.before - 1).is_none());
            let seconds = samples.len() as f32 / 16_000.0;
            assert!((1.5 / 1.16..1.5 / 0.86 + 0.61).contains(&seconds), "seed {seed}: {seconds} s");
            distinct.push(samples);
        }
        distinct.dedup();
        assert!(distinct.len() > 35, "{}", distinct.len());
    }

    #[test]
    fn a_clip_is_found_again_in_whatever_order_its_effects_come() {
        let augmenter = augmenter();
        for seed in 0..40 {
            let (mut samples, mut rng) = (tone(1.5), ChaCha8Rng::seed_from_u64(seed));
            let placement = augmenter.apply(&[Effect::Pad, Effect::Speed], &mut samples, &mut rng);
            let end = placement.before + (24_000.0 / placement.speed) as usize;
            assert!(end <= samples.len() + 1 && placement.source(end).unwrap().abs_diff(24_000) < 3, "{placement:?}");
            let heard = samples.iter().position(|sample| sample.abs() > 0.1).unwrap();
            assert!(heard.abs_diff(placement.before) < 12, "{heard} and {placement:?}");
        }
    }

    #[test]
    fn an_empty_clip_stays_empty_or_becomes_padding() {
        let augmenter = augmenter();
        for seed in 0..40 {
            let mut samples = Vec::new();
            augmenter.waveform(&mut samples, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(samples.iter().all(|s| s.is_finite()));
        }
    }

    #[test]
    fn dropping_silences_the_share() {
        let mut samples = vec![1.0; 160_000];
        drop_pieces(&mut samples, 0.1, 16_000.0, &mut ChaCha8Rng::seed_from_u64(1));
        let gone = samples.iter().filter(|s| **s == 0.0).count();
        assert!((12_000..=17_000).contains(&gone), "{gone}");
    }

    #[test]
    fn the_level_is_the_peak() {
        let mut samples = tone(0.5);
        set_peak(&mut samples, -6.0);
        let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        assert!((peak - 0.501_187).abs() < 1e-4, "{peak}");
    }
}
