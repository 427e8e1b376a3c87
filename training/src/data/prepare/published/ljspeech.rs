//! LJ Speech (Ito and Johnson 2017): `metadata.csv`, whose lines are `ID|TEXT|NORMALISED TEXT`, and `wavs/ID.wav`.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::files::text;
use super::{Clip, Form, Layout};
use crate::{Error, Result};

/// How LJ Speech is prepared, by the names of SpeechBrain's `prepare_ljspeech`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LjspeechConfig {
    /// The folder of `metadata.csv`.
    pub data_folder: PathBuf,
    /// Where the lists `train.csv`, `valid.csv` and `test.csv` go.
    pub save_folder: PathBuf,
    /// The percent of each session that train, validate and test. Default: 90, 10 and 0.
    #[serde(default = "split_ratio")]
    pub split_ratio: [usize; 3],
    /// Seeds the split. Default: 1234.
    #[serde(default = "seed")]
    pub seed: u64,
}

fn split_ratio() -> [usize; 3] {
    [90, 10, 0]
}

fn seed() -> u64 {
    1234
}

const SPLITS: [&str; 3] = ["train", "valid", "test"];

impl Layout for LjspeechConfig {
    fn form(&self) -> Form {
        Form::Lists
    }

    fn columns(&self) -> &'static [&'static str] {
        &["ID", "duration", "wav", "uttid", "label", "segment"]
    }

    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        let wanted = SPLITS.iter().zip(self.split_ratio).filter(|(_, share)| *share > 0);
        wanted.map(|(split, _)| (*split).to_owned()).collect()
    }

    /// Each session, `LJ001` to `LJ050`, is parted by itself. Vocoders train on a piece of a clip: `segment`.
    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let all = self.split_ratio.iter().sum::<usize>();
        let place = SPLITS.iter().position(|name| *name == split).unwrap_or(0);
        let before = self.split_ratio[..place].iter().sum::<usize>();
        let until = before + self.split_ratio[place];
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut rows = self.rows_of_metadata()?;
        let mut clips = Vec::new();
        for session in rows.chunk_by_mut(|a, b| session(&a.0) == session(&b.0)) {
            session.shuffle(&mut rng);
            let clips_of_it = session.len();
            let own = &mut session[clips_of_it * before / all..clips_of_it * until / all];
            own.sort();
            clips.extend(own.iter().map(|row| self.clip(row, split == "train")));
        }
        Ok(clips)
    }
}

impl LjspeechConfig {
    fn rows_of_metadata(&self) -> Result<Vec<(String, String)>> {
        let path = self.data_folder.join("metadata.csv");
        let text = text(&path)?;
        let row = |(number, line): (usize, &str)| match line.split('|').collect::<Vec<_>>()[..] {
            [id, _, label] => Ok((id.to_owned(), label.to_owned())),
            _ => {
                let place = format!("{} line {}", path.display(), number + 1);
                Err(Error::data(place, format!("expected `ID|TEXT|NORMALISED TEXT`, found `{line}`")))
            }
        };
        text.lines().enumerate().map(row).collect()
    }

    fn clip(&self, (id, label): &(String, String), segment: bool) -> Clip {
        let path = self.data_folder.join("wavs").join(format!("{id}.wav"));
        // Python's words, which SpeechBrain's readers expect.
        let segment = if segment { "True" } else { "False" };
        let fields = vec![("uttid", id.clone()), ("label", label.clone()), ("segment", segment.to_owned())];
        Clip { id: id.clone(), path, span: None, fields }
    }
}

fn session(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}
