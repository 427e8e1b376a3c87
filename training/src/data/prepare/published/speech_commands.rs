//! Speech Commands (Warden 2018, <https://arxiv.org/abs/1804.03209>): `WORD/SPEAKER_nohash_NUMBER.wav`, with the clips
//! that validate and test in `validation_list.txt` and `testing_list.txt`, and noise in `_background_noise_`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::super::decode;
use super::files::{files, folders, name, stem, text};
use super::{Clip, Layout};
use crate::{Error, Result};

/// Samples of a clip: a second.
const CLIP: usize = super::SAMPLE_RATE_HZ as usize;
const NOISE: &str = "_background_noise_";

/// Which classes there are, by the names of SpeechBrain's `prepare_GSC`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechCommandsConfig {
    /// The folder of the words.
    pub data_folder: PathBuf,
    /// Words that are classes of their own. Default: the ten commands.
    #[serde(default = "commands")]
    pub words_wanted: Vec<String>,
    /// Clips of other words, which make the class `unknown`, in percent of those of the wanted words. Default: 10.
    #[serde(default = "ten_percent")]
    pub percentage_unknown: f64,
    /// Seconds of noise, which make the class `silence`, in percent of the wanted words of their split. Default: 10.
    #[serde(default = "ten_percent")]
    pub percentage_silence: f64,
    /// Seeds what is drawn. Default: 1234.
    #[serde(default = "seed")]
    pub seed: u64,
}

fn commands() -> Vec<String> {
    ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"].map(str::to_owned).to_vec()
}

fn ten_percent() -> f64 {
    10.0
}

fn seed() -> u64 {
    1234
}

impl Layout for SpeechCommandsConfig {
    fn columns(&self) -> &'static [&'static str] {
        &["ID", "duration", "wav", "spk_id", "wrd", "start", "stop", "command", "transcript"]
    }

    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        ["train", "valid", "test"].map(str::to_owned).to_vec()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let (known, unknown): (Vec<Spoken>, Vec<Spoken>) =
            self.spoken()?.into_iter().partition(|spoken| self.words_wanted.contains(&spoken.word));
        for wanted in &self.words_wanted {
            if !known.iter().any(|spoken| spoken.word == *wanted) {
                let place = self.data_folder.display().to_string();
                return Err(Error::data(place, format!("expected recordings of `{wanted}`, found none")));
            }
        }
        let share = (self.percentage_unknown / 100.0 * known.len() as f64 / unknown.len().max(1) as f64).min(1.0);
        let of_split = |spoken: &Spoken| spoken.split == split;
        let mut clips: Vec<_> = known.iter().filter(|spoken| of_split(spoken)).map(|s| s.clip(&s.word)).collect();
        let silence = (self.percentage_silence / 100.0 * clips.len() as f64) as usize;
        // All are drawn for, whatever the split, so that a clip is drawn or not in any order of the splits.
        let drawn: Vec<_> = unknown.iter().filter(|_| rng.random_bool(share)).collect();
        clips.extend(drawn.into_iter().filter(|spoken| of_split(spoken)).map(|spoken| spoken.clip("unknown")));
        if silence > 0 {
            let split = self.splits().iter().position(|name| name == split).unwrap_or(0) as u64;
            clips.extend(self.silence(silence, &mut ChaCha8Rng::seed_from_u64(self.seed ^ (1 + split)))?);
        }
        Ok(clips)
    }

    /// `start` and `stop` are in samples.
    fn rows_go_by_sound(&self) -> bool {
        true
    }

    fn rows(&self, clip: &Clip, samples: &[f32]) -> Vec<Clip> {
        let start = clip.span.as_ref().map_or(0, |span| span.start);
        let stop = (start + CLIP).min(samples.len());
        let mut row = clip.clone();
        row.fields.extend([("start", start.to_string()), ("stop", stop.to_string())]);
        vec![row]
    }
}

/// A recording of a word.
struct Spoken {
    word: String,
    path: PathBuf,
    split: &'static str,
}

impl Spoken {
    fn clip(&self, command: &str) -> Clip {
        let file = stem(&self.path);
        let speaker = file.split('_').next().unwrap_or_default().to_owned();
        let fields = vec![
            ("spk_id", speaker),
            ("wrd", self.word.clone()),
            ("command", command.to_owned()),
            ("transcript", self.word.clone()),
        ];
        Clip { id: format!("{}/{file}", self.word), path: self.path.clone(), span: Some(0..CLIP), fields }
    }
}

impl SpeechCommandsConfig {
    /// All recordings of words, with the splits of the published lists.
    fn spoken(&self) -> Result<Vec<Spoken>> {
        let list = |name: &str| -> Result<BTreeSet<String>> {
            Ok(text(&self.data_folder.join(name))?.lines().map(|line| line.trim().to_owned()).collect())
        };
        let (valid, test) = (list("validation_list.txt")?, list("testing_list.txt")?);
        let mut spoken = Vec::new();
        for folder in folders(&self.data_folder)?.into_iter().filter(|path| name(path) != NOISE) {
            let word = name(&folder);
            for path in files(&folder, "wav")? {
                let listed = format!("{word}/{}", name(&path));
                let split = match () {
                    () if valid.contains(&listed) => "valid",
                    () if test.contains(&listed) => "test",
                    () => "train",
                };
                spoken.push(Spoken { word: word.clone(), path, split });
            }
        }
        Ok(spoken)
    }

    /// `count` seconds at random places, as many of each recording of noise.
    fn silence(&self, count: usize, rng: &mut ChaCha8Rng) -> Result<Vec<Clip>> {
        let folder = self.data_folder.join(NOISE);
        let recordings = files(&folder, "wav")?;
        if recordings.is_empty() {
            return Err(Error::data(folder.display().to_string(), "expected recordings of noise, found none"));
        }
        let mut clips = Vec::new();
        for path in &recordings {
            let last = decode(path)?.len().checked_sub(CLIP).ok_or_else(|| {
                Error::data(path.display().to_string(), "expected a second of noise or more; take it out")
            })?;
            for number in 0..count / recordings.len() {
                let start = rng.random_range(0..=last);
                let fields = vec![("command", "silence".to_owned())];
                let id = format!("{NOISE}/{}/{start}_{number}", stem(path));
                clips.push(Clip { id, path: path.clone(), span: Some(start..start + CLIP), fields });
            }
        }
        Ok(clips)
    }
}
