//! Free Spoken Digit Dataset as it is published: `recordings/DIGIT_SPEAKER_TAKE.wav`, of which takes 0 to 4 test.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{files, stem};
use super::{Clip, Layout};
use crate::{Error, Result};

const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// Takes that test.
const TEST_TAKES: usize = 5;

/// Where the set lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsddConfig {
    /// The folder of `recordings`.
    pub data_folder: PathBuf,
}

impl Layout for FsddConfig {
    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        ["train", "test"].map(str::to_owned).to_vec()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let mut clips = Vec::new();
        for path in files(&self.data_folder.join("recordings"), "wav")? {
            let (digit, speaker, take) = parts(&path)?;
            if (take < TEST_TAKES) == (split == "test") {
                let fields = vec![("spk_id", speaker), ("wrd", DIGITS[digit].to_owned())];
                clips.push(Clip { id: format!("fsdd/{}", stem(&path)), path, span: None, fields });
            }
        }
        Ok(clips)
    }
}

/// Digit, speaker and take.
fn parts(path: &Path) -> Result<(usize, String, usize)> {
    let name = stem(path);
    let parsed = match name.split('_').collect::<Vec<_>>()[..] {
        [digit, speaker, take] => digit.parse().ok().zip(take.parse().ok()).map(|(d, t)| (d, speaker.to_owned(), t)),
        _ => None,
    };
    parsed.filter(|(digit, ..)| *digit < DIGITS.len()).ok_or_else(|| {
        Error::data(path.display().to_string(), "expected a name such as `7_jackson_32.wav`: digit, speaker, take")
    })
}
