use std::collections::HashMap;
use std::path::PathBuf;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::augment::{Augmenter, Effect};
use crate::data::energy::power;
use crate::data::manifest::ManifestConfig;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::data::sounds::{ClipRef, Library, LibraryReader};
use crate::{Error, Result};

/// What mixtures are like that are made of clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixtureConfig {
    /// The length of a mixture to train on, in seconds. Default: 3.
    pub window_s: f64,
    /// Mixtures in an epoch. Default: 1,600.
    pub count: usize,
    /// The pause between two clips of a voice, in seconds. Default: 0.1 to 1.
    pub pause_s: [f64; 2],
    /// The level of the first voice, as a root mean square in decibels. Default: -40 to -16.
    pub level_db: [f32; 2],
    /// How much louder than the first each further voice is, in decibels. Default: -5 to 5, as in WSJ0-2mix.
    pub balance_db: [f32; 2],
}

impl Default for MixtureConfig {
    fn default() -> Self {
        Self { window_s: 3.0, count: 1_600, pause_s: [0.1, 1.0], level_db: [-40.0, -16.0], balance_db: [-5.0, 5.0] }
    }
}

impl MixtureConfig {
    /// Refuses mixtures that cannot be made.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key.
    pub fn check(&self) -> Result<()> {
        let range = |key: &str, [least, most]: [f64; 2], from: f64| {
            if least >= from && least <= most && most.is_finite() {
                return Ok(());
            }
            Err(Error::config(format!("mixtures.{key}"), format!("expected [least, most], found {:?}", [least, most])))
        };
        range("window_s", [self.window_s; 2], 0.1)?;
        range("pause_s", self.pause_s, 0.0)?;
        range("level_db", self.level_db.map(f64::from), -200.0)?;
        range("balance_db", self.balance_db.map(f64::from), -200.0)
    }
}

/// A mixture and what it is made of, mono at 16 kHz, all of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mixture {
    /// What is heard.
    pub sound: Vec<f32>,
    /// Its voices.
    pub sources: Vec<Vec<f32>>,
}

impl Mixture {
    /// Makes all louder alike.
    fn scale(&mut self, gain: f32) {
        let signals = self.sources.iter_mut().chain(std::iter::once(&mut self.sound));
        signals.flatten().for_each(|sample| *sample *= gain);
    }
}

/// Who may speak: clips of prepared folders and manifests.
pub(super) struct Voices {
    /// By speaker; a clip whose speaker is not known stands alone.
    speakers: Vec<Vec<ClipRef>>,
    /// The speaker of each clip.
    clips: Vec<usize>,
    library: Library,
}

impl Voices {
    /// # Errors
    /// As [`Library::add`]; a held-out clip to train on.
    pub(super) fn open(places: &[PathBuf], config: &ManifestConfig, training: bool) -> Result<Self> {
        let (mut library, mut speakers, mut known) = (Library::default(), Vec::<Vec<ClipRef>>::new(), HashMap::new());
        let config = ManifestConfig { words: String::new(), ..config.clone() };
        for place in places {
            let added = if training { library.add_training(place, &config)? } else { library.add(place, &config)? };
            for (item, clip) in added {
                let new = speakers.len();
                let speaker = if item.speaker.is_empty() { new } else { *known.entry(item.speaker).or_insert(new) };
                speakers.resize_with(speakers.len().max(speaker + 1), Vec::new);
                speakers[speaker].push(clip);
            }
        }
        let clips = speakers.iter().enumerate().flat_map(|(speaker, clips)| vec![speaker; clips.len()]).collect();
        Ok(Self { speakers, clips, library })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// A reader of all clips, for a thread of its own.
    pub(super) fn reader(&self) -> Result<LibraryReader> {
        self.library.reader()
    }

    /// A mixture of so many voices and samples.
    pub(super) fn mix(
        &self,
        reader: &mut LibraryReader,
        config: &MixtureConfig,
        augmenter: &Augmenter,
        [voices, samples]: [usize; 2],
        rng: &mut ChaCha8Rng,
    ) -> Result<Mixture> {
        let courses = augmenter.courses(rng);
        let course: &[Effect] = courses.first().map_or(&[], |course| course.as_slice());
        let of = |chosen: &[Effect]| course.iter().copied().filter(|e| chosen.contains(e)).collect::<Vec<_>>();
        let (of_voices, of_all) = (of(&[Effect::Speed, Effect::Reverb]), of(&[Effect::Noise]));
        let loudness = rng.random_range(config.level_db[0]..=config.level_db[1]);
        let (mut mixture, mut speakers) = (Mixture { sound: vec![0.0; samples], sources: Vec::new() }, Vec::new());
        for number in 0..voices {
            let mut voice = self.voice(reader, config, samples, &mut speakers, rng)?;
            augmenter.apply(&of_voices, &mut voice, rng);
            voice.resize(samples, 0.0);
            let balance = if number == 0 { 0.0 } else { rng.random_range(config.balance_db[0]..=config.balance_db[1]) };
            let rms = 10.0_f32.powf((loudness + balance) / 20.0);
            let gain = (rms / power(&voice).sqrt().max(1e-6)).min(1e3);
            voice.iter_mut().for_each(|sample| *sample *= gain);
            mixture.sound.iter_mut().zip(&voice).for_each(|(sum, sample)| *sum += sample);
            mixture.sources.push(voice);
        }
        augmenter.apply(&of_all, &mut mixture.sound, rng);
        if course.contains(&Effect::Level) {
            let peak = |samples: &[f32]| samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            let mut louder = mixture.sound.clone();
            augmenter.apply(&[Effect::Level], &mut louder, rng);
            mixture.scale(peak(&louder) / peak(&mixture.sound).max(1e-6));
        }
        // What a microphone hears does not go beyond full scale.
        let peak = mixture.sound.iter().fold(1.0_f32, |peak, sample| peak.max(sample.abs()));
        if peak > 1.0 {
            mixture.scale(1.0 / peak);
        }
        Ok(mixture)
    }

    /// One who does not speak yet, as often as they have clips.
    fn another(&self, speakers: &[usize], rng: &mut ChaCha8Rng) -> Result<usize> {
        let speaks = |speaker: &usize| speakers.contains(speaker);
        let taken: usize = speakers.iter().map(|speaker| self.speakers[*speaker].len()).sum();
        if taken >= self.clips.len() {
            return Err(Error::data("data", format!("expected clips of more speakers than {}", speakers.len())));
        }
        let number = rng.random_range(0..self.clips.len() - taken);
        let mut others = self.clips.iter().filter(|speaker| !speaks(speaker));
        Ok(*others.nth(number).unwrap_or(&0))
    }

    /// What one who does not speak yet says, with pauses, from somewhere in a clip on: longer than `samples`, so that it may
    /// become faster.
    fn voice(
        &self,
        reader: &mut LibraryReader,
        config: &MixtureConfig,
        samples: usize,
        speakers: &mut Vec<usize>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<f32>> {
        let speaker = self.another(speakers, rng)?;
        speakers.push(speaker);
        let clips = &self.speakers[speaker];
        let mut said = reader.read(&clips[rng.random_range(0..clips.len())])?;
        said.drain(..rng.random_range(0..(said.len() / 2).max(1)).min(said.len()));
        while said.len() < samples + samples / 4 {
            let pause_s = rng.random_range(config.pause_s[0]..=config.pause_s[1]);
            said.resize(said.len() + (pause_s * f64::from(SAMPLE_RATE_HZ)) as usize + 1, 0.0);
            said.append(&mut reader.read(&clips[rng.random_range(0..clips.len())])?);
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_speaker_of_nearly_all_clips_leaves_room_for_others() {
        let speakers = vec![vec![ClipRef::default(); 5_000], vec![ClipRef::default(); 2], vec![ClipRef::default()]];
        let clips = speakers.iter().enumerate().flat_map(|(speaker, clips)| vec![speaker; clips.len()]).collect();
        let voices = Voices { speakers, clips, library: Library::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<usize> = (0..300).map(|_| voices.another(&[0], &mut rng).unwrap()).collect();
        let of_two = drawn.iter().filter(|speaker| **speaker == 1).count();
        assert!(!drawn.contains(&0) && (170..230).contains(&of_two), "{of_two}");
        assert_eq!(voices.another(&[0, 1], &mut rng).unwrap(), 2);
        assert!(voices.another(&[0, 1, 2], &mut rng).is_err());
    }

    #[test]
    fn impossible_values_are_named() {
        let message = |config: MixtureConfig| config.check().unwrap_err().to_string();
        let default = MixtureConfig::default;
        assert!(default().check().is_ok());
        assert!(message(MixtureConfig { window_s: 0.0, ..default() }).starts_with("mixtures.window_s: expected"));
        assert!(message(MixtureConfig { pause_s: [2.0, 1.0], ..default() }).starts_with("mixtures.pause_s: expected"));
        let config = MixtureConfig { balance_db: [f32::NAN, 1.0], ..default() };
        assert!(message(config).starts_with("mixtures.balance_db: expected"));
    }
}
