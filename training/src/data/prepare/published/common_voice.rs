//! Mozilla Common Voice (Ardila et al., LREC 2020): a folder for each language with `train.tsv`, `dev.tsv`, `test.tsv` and
//! `clips/*.mp3`.

use std::path::{Path, PathBuf};

use rejoinder_models::text::TextForm;
use serde::{Deserialize, Serialize};

use super::files::stem;
use super::{Clip, Layout};
use crate::Result;
use crate::data::table::Table;

/// Where Common Voice lies, by the names of SpeechBrain's `prepare_common_voice`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonVoiceConfig {
    /// The folder of a language.
    pub data_folder: PathBuf,
    /// The list of the split `train`. Default: `train.tsv` in the folder.
    #[serde(default)]
    pub train_tsv_file: Option<PathBuf>,
    /// The list of the split `dev`. Default: `dev.tsv` in the folder.
    #[serde(default)]
    pub dev_tsv_file: Option<PathBuf>,
    /// The list of the split `test`. Default: `test.tsv` in the folder.
    #[serde(default)]
    pub test_tsv_file: Option<PathBuf>,
    /// Which splits are prepared. Default: `train`, `dev` and `test`.
    #[serde(default = "all_splits")]
    pub splits: Vec<CommonVoiceSplit>,
    /// The language's code. Clips of fewer than three words stay out, in `ja` and `zh-CN` those of fewer than two
    /// letters. Default: `en`.
    #[serde(default = "english")]
    pub language: String,
}

/// A list of Common Voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CommonVoiceSplit {
    /// To train on.
    Train,
    /// To validate on.
    Dev,
    /// To report on.
    Test,
}

impl CommonVoiceSplit {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Dev => "dev",
            Self::Test => "test",
        }
    }
}

fn all_splits() -> Vec<CommonVoiceSplit> {
    vec![CommonVoiceSplit::Train, CommonVoiceSplit::Dev, CommonVoiceSplit::Test]
}

fn english() -> String {
    "en".to_owned()
}

impl Layout for CommonVoiceConfig {
    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        self.splits.iter().map(|split| split.name().to_owned()).collect()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let named = match split {
            "train" => &self.train_tsv_file,
            "dev" => &self.dev_tsv_file,
            _ => &self.test_tsv_file,
        };
        let list = named.clone().unwrap_or_else(|| self.data_folder.join(format!("{split}.tsv")));
        let table = Table::read_tabs(&list)?;
        let columns = ["client_id", "path", "sentence"].map(|name| table.column(name));
        let [speaker, path, sentence] = columns;
        let (speaker, path, sentence) = (speaker?, path?, sentence?);
        let clip = |fields: &csv::StringRecord| {
            let wrd = TextForm::Words.normalise(&fields[sentence]);
            let path = self.data_folder.join("clips").join(&fields[path]);
            let told = vec![("spk_id", fields[speaker].to_owned()), ("wrd", wrd)];
            Clip { id: stem(&path), path, span: None, fields: told }
        };
        let clips = table.rows.iter().map(|row| clip(&row.fields));
        Ok(clips.filter(|clip| self.is_long_enough(&clip.fields[1].1)).collect())
    }
}

impl CommonVoiceConfig {
    fn is_long_enough(&self, words: &str) -> bool {
        match self.language.as_str() {
            "ja" | "zh-CN" => words.chars().count() >= 2,
            _ => words.split(' ').count() >= 3,
        }
    }
}
