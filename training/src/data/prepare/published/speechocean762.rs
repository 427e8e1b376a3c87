//! speechocean762 as it is published (Zhang et al. 2021, <https://arxiv.org/abs/2104.01378>): `{train,test}/wav.scp`,
//! `text`, `utt2spk` and `spk2age` in Kaldi's form, the recordings below `WAVE`, and what experts gave for each sentence
//! in `resource/scores.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files::{keyed_lines, look_up, table, text};
use super::{Clip, Layout};
use crate::data::text::words;
use crate::{Error, Result};

/// Where the set lies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speechocean762Config {
    /// The folder of `train`, `test`, `WAVE` and `resource`.
    pub data_folder: PathBuf,
}

/// The scores of a sentence, 0 to 10.
const SCORES: [&str; 5] = ["accuracy", "completeness", "fluency", "prosodic", "total"];

impl Layout for Speechocean762Config {
    fn columns(&self) -> &'static [&'static str] {
        &["ID", "duration", "wav", "spk_id", "wrd", "age", "accuracy", "completeness", "fluency", "prosodic", "total"]
    }

    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        ["train", "test"].map(str::to_owned).to_vec()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let list = |name: &str| self.data_folder.join(split).join(name);
        let (texts, speakers, ages) = (table(&list("text"))?, table(&list("utt2spk"))?, table(&list("spk2age"))?);
        let scores_path = self.data_folder.join("resource/scores.json");
        let scores: Value = serde_json::from_str(&text(&scores_path)?)
            .map_err(|e| Error::data(scores_path.display().to_string(), e))?;
        let mut clips = Vec::new();
        for (id, path) in keyed_lines(&list("wav.scp"))? {
            let said = look_up(&texts, &list("text"), &id)?;
            let speaker = look_up(&speakers, &list("utt2spk"), &id)?;
            let age = look_up(&ages, &list("spk2age"), speaker)?;
            let wrd = words(said).ok_or_else(|| {
                Error::data(list("text").display().to_string(), format!("expected words for `{id}`, found `{said}`"))
            })?;
            let own = scores.get(&id).ok_or_else(|| {
                Error::data(scores_path.display().to_string(), format!("expected scores of `{id}`, found none"))
            })?;
            let score = |name: &'static str| (name, own.get(name).map(Value::to_string).unwrap_or_default());
            let mut fields = vec![("spk_id", speaker.to_owned()), ("wrd", wrd), ("age", age.to_owned())];
            fields.extend(SCORES.map(score));
            let path = self.data_folder.join(path);
            clips.push(Clip { id: format!("speechocean762/{id}"), path, span: None, fields });
        }
        Ok(clips)
    }
}
