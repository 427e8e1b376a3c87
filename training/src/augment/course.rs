//! Which effects a clip goes through, in which order, and how many copies of it come out.

use rand::Rng;
use rand::seq::SliceRandom;

use super::AugmentConfig;
use crate::{Error, Result};

/// An effect on samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// [`AugmentConfig::speed`].
    Speed,
    /// [`AugmentConfig::pad_s`].
    Pad,
    /// [`AugmentConfig::reverb`].
    Reverb,
    /// [`AugmentConfig::noise_snr_db`].
    Noise,
    /// [`BandConfig::clipping`](super::BandConfig::clipping).
    Clipping,
    /// [`BandConfig::low_pass_hz`](super::BandConfig::low_pass_hz).
    LowPass,
    /// [`BandConfig::telephone`](super::BandConfig::telephone).
    Telephone,
    /// [`AugmentConfig::resample`].
    Resample,
    /// [`AugmentConfig::codec`].
    Codec,
    /// [`BandConfig::bits`](super::BandConfig::bits).
    Bits,
    /// [`AugmentConfig::drop_frequencies`].
    DropFrequencies,
    /// [`AugmentConfig::drop`].
    Drop,
    /// [`AugmentConfig::drop_chunks`].
    DropChunks,
    /// [`AugmentConfig::level_db`].
    Level,
}

impl Effect {
    /// All, in the order in which a clip goes through them.
    pub const ALL: [Self; 14] = [
        Self::Speed,
        Self::Pad,
        Self::Reverb,
        Self::Noise,
        Self::Clipping,
        Self::LowPass,
        Self::Telephone,
        Self::Resample,
        Self::Codec,
        Self::Bits,
        Self::DropFrequencies,
        Self::Drop,
        Self::DropChunks,
        Self::Level,
    ];

    /// Its key in the table.
    fn key(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Pad => "pad_s",
            Self::Reverb => "reverb",
            Self::Noise => "noise_snr_db",
            Self::Clipping => "channel.clipping",
            Self::LowPass => "channel.low_pass_hz",
            Self::Telephone => "channel.telephone",
            Self::Resample => "resample",
            Self::Codec => "codec",
            Self::Bits => "channel.bits",
            Self::DropFrequencies => "drop_frequencies",
            Self::Drop => "drop",
            Self::DropChunks => "drop_chunks",
            Self::Level => "level_db",
        }
    }

    /// Whether it is ever heard.
    fn is_on(self, config: &AugmentConfig) -> bool {
        let probability = match self {
            Self::Speed => config.speed.probability,
            Self::Pad => config.pad_s.probability,
            Self::Reverb => config.reverb.probability,
            Self::Noise => config.noise_snr_db.probability,
            Self::Clipping => config.channel.clipping.probability,
            Self::LowPass => config.channel.low_pass_hz.probability,
            Self::Telephone => config.channel.telephone,
            Self::Resample => config.resample.probability,
            Self::Codec => config.codec.probability,
            Self::Bits => config.channel.bits.probability,
            Self::DropFrequencies => config.drop_frequencies.probability,
            Self::Drop => config.drop.probability,
            Self::DropChunks => config.drop_chunks.probability,
            Self::Level => config.level_db.probability,
        };
        probability > 0.0
    }
}

/// What one copy of a clip goes through, in this order, each effect with its own probability; nothing for the clip as it is.
pub type Course = Vec<Effect>;

impl AugmentConfig {
    /// The copies of a clip: SpeechBrain's `Augmenter`, for one clip. By default a single one that goes through all
    /// effects, for which nothing is drawn.
    pub(super) fn courses(&self, rng: &mut impl Rng) -> Vec<Course> {
        let original = || vec![Course::new()];
        if self.probability < 1.0 && !rng.random_bool(self.probability.max(0.0)) {
            return original();
        }
        let mut effects = Effect::ALL.to_vec();
        if self.min_effects.is_some() || self.max_effects.is_some() || self.shuffle || self.parallel {
            effects.retain(|effect| effect.is_on(self));
        }
        let mut count = effects.len();
        if self.min_effects.is_some() || self.max_effects.is_some() {
            let (least, most) =
                (self.min_effects.unwrap_or(1).min(count), self.max_effects.unwrap_or(count).min(count));
            count = rng.random_range(least..=most.max(least));
        }
        if count == 0 || self.repeat == 0 {
            return original();
        }
        if self.shuffle {
            effects.shuffle(rng);
        }
        effects.truncate(count);
        let once: Vec<Course> = match self.parallel {
            true => effects.into_iter().map(|effect| vec![effect]).collect(),
            false => vec![effects],
        };
        let copies = once.iter().cycle().take(once.len() * self.repeat).cloned();
        let first = self.concat_original.then(Course::new);
        first.into_iter().chain(copies).collect()
    }

    /// Refuses several copies of a clip, for a task that knows only one.
    ///
    /// # Errors
    /// [`Error::Config`] with the keys that make copies.
    pub(crate) fn check_single(&self) -> Result<()> {
        if self.parallel || self.concat_original || self.repeat > 1 {
            let reason = "this task takes one copy of a clip: expected no parallel, concat_original or repeat";
            return Err(Error::config("[augment]", reason));
        }
        Ok(())
    }

    /// Refuses masks and warps, for a task that changes samples alone.
    ///
    /// # Errors
    /// [`Error::Config`] where some are on.
    pub(crate) fn check_without_spec(&self) -> Result<()> {
        let spec = &self.spec;
        if [spec.probability, spec.warp_probability, spec.time_warp_probability].iter().any(|often| *often > 0.0) {
            return Err(Error::config("augment.spec", "expected none: this task changes sound, not its features"));
        }
        Ok(())
    }

    /// Refuses effects that would change what a task learns, for it knows `why`.
    ///
    /// # Errors
    /// [`Error::Config`] with the first of them that is on.
    pub(crate) fn check_without(&self, effects: &[Effect], why: &str) -> Result<()> {
        match effects.iter().find(|effect| effect.is_on(self)) {
            Some(effect) => {
                Err(Error::config(format!("augment.{}", effect.key()), format!("expected none, since {why}")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::{Draw, SpecConfig};
    use super::*;

    fn courses(config: &AugmentConfig, seed: u64) -> Vec<Course> {
        config.courses(&mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn by_default_one_copy_has_all_effects_and_nothing_is_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(AugmentConfig::default().courses(&mut rng), [Effect::ALL.to_vec()]);
        assert_eq!(rng, ChaCha8Rng::seed_from_u64(1));
        assert!(AugmentConfig::default().check_single().is_ok());
    }

    #[test]
    fn as_many_effects_are_chosen_as_asked_for() {
        let config = AugmentConfig {
            min_effects: Some(1),
            max_effects: Some(3),
            pad_s: Draw::default(),
            ..AugmentConfig::of_all_kinds()
        };
        let mut counts = [0; 4];
        for seed in 0..300 {
            let [course] = &courses(&config, seed)[..] else { panic!("one copy") };
            counts[course.len()] += 1;
            // In the order of the effects, without those that are off.
            assert_eq!(*course, [Effect::Speed, Effect::Reverb, Effect::Noise][..course.len()]);
        }
        assert!(counts[0] == 0 && counts[1..].iter().all(|count| (70..130).contains(count)), "{counts:?}");
        let shuffled = AugmentConfig { shuffle: true, ..config };
        let firsts: Vec<Effect> = (0..100).map(|seed| courses(&shuffled, seed)[0][0]).collect();
        assert!(
            [Effect::Level, Effect::Drop, Effect::Clipping, Effect::Telephone]
                .iter()
                .all(|effect| firsts.contains(effect))
        );
        assert!(![Effect::Pad, Effect::LowPass, Effect::DropFrequencies].iter().any(|effect| firsts.contains(effect)));
        let none = AugmentConfig { min_effects: Some(0), max_effects: Some(0), ..Default::default() };
        assert_eq!(courses(&none, 1), [Course::new()]);
    }

    #[test]
    fn an_effect_that_a_task_cannot_have_is_named() {
        let all = AugmentConfig::of_all_kinds();
        let refused = all.check_without(&[Effect::DropFrequencies, Effect::Drop], "it is a test").unwrap_err();
        assert_eq!(refused.to_string(), "augment.drop: expected none, since it is a test");
        assert!(AugmentConfig::default().check_without(&Effect::ALL, "it is a test").is_ok());
        assert!(all.check_without_spec().is_ok());
        let spec = SpecConfig { warp_probability: 0.5, ..SpecConfig::default() };
        let refused = AugmentConfig { spec, ..all }.check_without_spec().unwrap_err().to_string();
        assert!(refused.starts_with("augment.spec: expected none"), "{refused}");
    }

    #[test]
    fn copies_are_parallel_repeated_and_beside_the_original() {
        let two = AugmentConfig { max_effects: Some(2), min_effects: Some(2), ..AugmentConfig::of_all_kinds() };
        let (speed, pad) = (Effect::Speed, Effect::Pad);
        assert_eq!(courses(&two, 1), [vec![speed, pad]]);
        // All effects come as seldom as one, however many there may be at the most.
        let many = AugmentConfig { max_effects: Some(20), min_effects: None, ..two.clone() };
        let counts: Vec<usize> = (0..600).map(|seed| courses(&many, seed)[0].len()).collect();
        let most = *counts.iter().max().unwrap();
        let all = counts.iter().filter(|count| **count == most).count();
        assert!(most < 20 && all.abs_diff(600 / most) < 300 / most, "{all} of 600 have {most}");
        let parallel = AugmentConfig { parallel: true, concat_original: true, ..two.clone() };
        assert_eq!(courses(&parallel, 1), [vec![], vec![speed], vec![pad]]);
        let twice = AugmentConfig { repeat: 2, concat_original: true, ..two.clone() };
        assert_eq!(courses(&twice, 1), [vec![], vec![speed, pad], vec![speed, pad]]);
        assert!(twice.check_single().is_err() && parallel.check_single().is_err());
        // Where a clip is left as it is, it stands once.
        let seldom = AugmentConfig { probability: 0.25, ..parallel };
        let changed = (0..400).filter(|seed| courses(&seldom, *seed).len() == 3).count();
        assert!((70..130).contains(&changed), "{changed}");
        assert!((0..400).all(|seed| [1, 3].contains(&courses(&seldom, seed).len())));
    }
}
