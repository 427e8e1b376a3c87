use std::path::PathBuf;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::augment::{Augmenter, Draw, mix_at_snr};
use crate::data::energy::{FRAME, power, speech};
use crate::data::manifest::ManifestConfig;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::data::sounds::{ClipRef, Library, LibraryReader};

/// Clips are cut to this, in seconds, so that many voices are heard.
const LONGEST_S: usize = 6;
/// The level of noise in a mixture without speech: root mean square, as a range of decibels.
const NOISE_DB: [f32; 2] = [-60.0, -20.0];

/// Frames between two utterances of a voice in the background.
const BREATH: usize = 10;
/// How much of a voice in the background is reverberated, as a range.
const BABBLE_WET: [f32; 2] = [0.3, 1.0];
/// How far a voice in the background may lie below the loudest, in decibels.
const BABBLE_DEPTH_DB: f32 = 10.0;

/// What mixtures are like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MixtureConfig {
    /// The length of a mixture to train on, in seconds. Default: 5.
    pub window_s: f64,
    /// Mixtures in an epoch. Default: 1,600.
    pub count: usize,
    /// How often nobody speaks in a mixture. Default: 0.1.
    pub silent: f64,
    /// How often somebody speaks already when a mixture begins, as seldom happens when a microphone is opened: a net that
    /// has not heard the noise yet takes it for speech as often as it has learnt to expect that. Default: 0.1.
    pub amid_speech: f64,
    /// How often an utterance begins before the one before is over. Default: 0.1.
    pub overlap: f64,
    /// The pause between utterances, in seconds, drawn evenly on a logarithmic scale. Default: 0.1 to 4.
    pub pause_s: [f64; 2],
    /// The level of an utterance, as a root mean square in decibels. Default: -40 to -16.
    pub level_db: [f32; 2],
    /// How often others talk in the background, all the time and for nobody here, so that it is no speech; and how far
    /// above them the mixture lies, in decibels of mean power. Default: never.
    pub babble_snr_db: Draw,
    /// The fewest and the most who do. Default: 4 to 9.
    pub babble_voices: [usize; 2],
}

impl Default for MixtureConfig {
    fn default() -> Self {
        Self {
            window_s: 5.0,
            count: 1_600,
            silent: 0.1,
            amid_speech: 0.1,
            overlap: 0.1,
            pause_s: [0.1, 4.0],
            level_db: [-40.0, -16.0],
            babble_snr_db: Draw::default(),
            babble_voices: [4, 9],
        }
    }
}

impl MixtureConfig {
    /// What is wrong with the values, if something is.
    pub fn mistake(&self) -> Option<String> {
        for (name, share) in [("silent", self.silent), ("amid_speech", self.amid_speech), ("overlap", self.overlap)] {
            if !(0.0..=1.0).contains(&share) {
                return Some(format!("{name}: expected a share from 0 to 1, found {share}"));
            }
        }
        if !(0.1..=600.0).contains(&self.window_s) {
            return Some(format!("window_s: expected 0.1 to 600 seconds, found {}", self.window_s));
        }
        let ([shortest, longest], [quietest, loudest]) = (self.pause_s, self.level_db);
        if !(shortest > 0.0 && shortest <= longest && longest.is_finite()) {
            return Some(format!("pause_s: expected [least, most] above zero, found {:?}", self.pause_s));
        }
        let width = loudest - quietest;
        let is_range = width > 0.0 && width.is_finite();
        (!is_range).then(|| format!("level_db: expected [least, most], found {:?}", self.level_db))
    }
}

/// A simulated mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Mono at 16 kHz.
    pub sound: Vec<f32>,
    /// Whether somebody speaks, for each frame of 10 ms.
    pub speech: Vec<bool>,
}

/// Who may come: clips of prepared folders and manifests.
pub(super) struct Utterances {
    clips: Vec<ClipRef>,
    library: Library,
}

impl Utterances {
    pub(super) fn open(folders: &[PathBuf], config: &ManifestConfig, training: bool) -> Result<Self> {
        let mut utterances = Self { clips: Vec::new(), library: Library::default() };
        let config = ManifestConfig { words: String::new(), ..config.clone() };
        for folder in folders {
            let Self { clips, library } = &mut utterances;
            let added = if training { library.add_training(folder, &config)? } else { library.add(folder, &config)? };
            clips.extend(added.into_iter().map(|(_, clip)| clip));
        }
        Ok(utterances)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// A reader of all clips, for a thread of its own.
    pub(super) fn reader(&self) -> Result<LibraryReader> {
        self.library.reader()
    }

    /// What somebody says, and where it is speech.
    fn utterance(&self, reader: &mut LibraryReader, rng: &mut ChaCha8Rng) -> Result<(Vec<f32>, Vec<bool>)> {
        let mut samples = reader.read(&self.clips[rng.random_range(0..self.clips.len())])?;
        let mut frames = speech(&samples);
        let longest = LONGEST_S * SAMPLE_RATE_HZ as usize / FRAME;
        if frames.len() > longest {
            let start = rng.random_range(0..=frames.len() - longest);
            frames = frames[start..start + longest].to_vec();
            samples = samples[start * FRAME..((start + longest) * FRAME).min(samples.len())].to_vec();
        }
        Ok((samples, frames))
    }

    /// A mixture of so many frames of 10 ms.
    pub(super) fn mix(
        &self,
        reader: &mut LibraryReader,
        config: &MixtureConfig,
        augmenter: &Augmenter,
        frames: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Mixture> {
        let mut mixture = Mixture { sound: vec![0.0; frames * FRAME], speech: vec![false; frames] };
        if rng.random_bool(config.silent) {
            let rms = 10.0_f32.powf(rng.random_range(NOISE_DB[0]..NOISE_DB[1]) / 20.0);
            let noise = match config.babble_snr_db.draw(rng) {
                Some(_) => self.babble(reader, config, augmenter, frames, rng)?,
                None => augmenter.noise.draw(mixture.sound.len(), rng).unwrap_or_default(),
            };
            let gain = rms / power(&noise).sqrt().max(1e-6);
            mixture.sound.iter_mut().zip(noise).for_each(|(sample, noise)| *sample = (gain * noise).clamp(-1.0, 1.0));
            return Ok(mixture);
        }
        let begun = rng.random_bool(config.amid_speech);
        let mut at = rng.random_range(if begun { -(frames as i64).min(200)..0 } else { 0..(frames as i64 / 2).max(1) });
        while at < frames as i64 {
            let (samples, spoken) = self.utterance(reader, rng)?;
            let rms = 10.0_f32.powf(rng.random_range(config.level_db[0]..config.level_db[1]) / 20.0);
            let gain = (rms / power(&samples).sqrt().max(1e-6)).min(100.0);
            mixture.join(at, &samples, &spoken, gain);
            let [least, most] = config.pause_s.map(f64::ln);
            let pause = (100.0 * rng.random_range(least..=most).exp()) as i64;
            let overlaps = rng.random_bool(config.overlap);
            at += spoken.len() as i64 + if overlaps { -(pause.min(spoken.len() as i64 / 2)) } else { pause };
        }
        if let Some(snr_db) = config.babble_snr_db.draw(rng) {
            mix_at_snr(&mut mixture.sound, &self.babble(reader, config, augmenter, frames, rng)?, snr_db);
        }
        augmenter.waveform(&mut mixture.sound, rng);
        Ok(mixture)
    }

    /// So many frames of 10 ms of several people who go on talking, each from another place of one or more rooms.
    fn babble(
        &self,
        reader: &mut LibraryReader,
        config: &MixtureConfig,
        augmenter: &Augmenter,
        frames: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<f32>> {
        let mut babble = vec![0.0; frames * FRAME];
        let [fewest, most] = config.babble_voices;
        for _ in 0..rng.random_range(fewest..=most.max(fewest)) {
            let mut voice = Vec::new();
            while voice.len() < babble.len() {
                voice.append(&mut self.utterance(reader, rng)?.0);
                voice.resize(voice.len() + BREATH * FRAME, 0.0);
            }
            // Not all begin a sentence when the mixture begins.
            let begun = rng.random_range(0..voice.len());
            voice.rotate_left(begun);
            voice.truncate(babble.len());
            augmenter.rooms.apply(&mut voice, rng.random_range(BABBLE_WET[0]..BABBLE_WET[1]), rng);
            let depth = 10.0_f32.powf(-rng.random_range(0.0..BABBLE_DEPTH_DB) / 20.0);
            let gain = depth / power(&voice).sqrt().max(1e-6);
            babble.iter_mut().zip(voice).for_each(|(sum, sample)| *sum += gain * sample);
        }
        Ok(babble)
    }
}

impl Mixture {
    /// Adds an utterance that begins at a frame, perhaps before the mixture.
    fn join(&mut self, at: i64, samples: &[f32], spoken: &[bool], gain: f32) {
        let skipped = (-at).max(0) as usize;
        let from = at.max(0) as usize;
        for (heard, spoken) in self.speech.iter_mut().skip(from).zip(spoken.iter().skip(skipped)) {
            *heard |= spoken;
        }
        let samples = samples.iter().skip(skipped * FRAME);
        for (heard, sample) in self.sound.iter_mut().skip(from * FRAME).zip(samples) {
            *heard += gain * sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let default = MixtureConfig::default;
        let message = |config: MixtureConfig| config.mistake().unwrap();
        assert_eq!(default().mistake(), None);
        assert!(message(MixtureConfig { overlap: 1.5, ..default() }).starts_with("overlap: expected a share"));
        assert!(message(MixtureConfig { pause_s: [0.0, 1.0], ..default() }).starts_with("pause_s: expected"));
        assert!(message(MixtureConfig { level_db: [-16.0, -16.0], ..default() }).starts_with("level_db: expected"));
    }

    #[test]
    fn utterances_join_where_they_are_said() {
        let mut mixture = Mixture { sound: vec![0.0; 6 * FRAME], speech: vec![false; 6] };
        mixture.join(-1, &[0.5; 3 * FRAME], &[true; 3], 1.0);
        mixture.join(4, &[0.25; 3 * FRAME], &[false, true, true], 2.0);
        assert_eq!(mixture.speech, [true, true, false, false, false, true]);
        assert_eq!((mixture.sound[2 * FRAME - 1], mixture.sound[2 * FRAME], mixture.sound[4 * FRAME]), (0.5, 0.0, 0.5));
    }
}
