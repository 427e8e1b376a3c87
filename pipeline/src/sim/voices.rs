//! The recordings that a simulated caller is made of.

use std::path::{Path, PathBuf};

use rejoinder_models::audio::{self, Clip};
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The name of the list of a folder's recordings: a CSV file with the columns `path` and `role`, and `transcript` where
/// words are known.
const MANIFEST: &str = "manifest.csv";

/// What a recording is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Something to which the assistant has an answer.
    Question,
    /// Something that is not meant for a coffee bar: a sentence that was read aloud.
    Sentence,
    /// One spoken digit.
    Digit,
    /// A listener's sign of attention.
    Backchannel,
    /// A cough or a sneeze.
    Cough,
    /// A room's background.
    Noise,
    /// An impulse response.
    Room,
}

/// One recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// What it is good for.
    pub role: Role,
    /// What is said in it, where that is known.
    pub text: String,
}

/// All recordings at hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voices {
    /// Those that are drawn, or named.
    drawn: Vec<Recording>,
    /// Those that come only where they are named.
    named: Vec<Recording>,
}

#[derive(Deserialize)]
struct Row {
    path: PathBuf,
    role: Option<Role>,
    #[serde(default)]
    transcript: String,
    intent: Option<String>,
    split: Option<String>,
    part: Option<String>,
    class: Option<String>,
}

/// The sets of the recordings that are described in `shared/data.md`, each with the role of its clips.
const SETS: [&str; 7] = ["intent_barista", "fsdd", "speechocean762", "librispeech_sub", "esc10", "noise_misc", "rir"];

impl Row {
    /// The role of clip `number` of a set, for those that no model was trained with: every third order is left out of
    /// what the detector of turn ends learns from.
    fn role_in(&self, set: &str, number: usize) -> Option<Role> {
        let is = |value: &Option<String>, wanted: &str| value.as_deref() == Some(wanted);
        match set {
            "intent_barista" if number % 3 == 2 && is(&self.intent, "orderDrink") => Some(Role::Question),
            "fsdd" if is(&self.split, "test") => Some(Role::Digit),
            "speechocean762" if is(&self.split, "test") => Some(Role::Sentence),
            "librispeech_sub" if is(&self.part, "test-other") => Some(Role::Sentence),
            "esc10" if is(&self.class, "person_sneeze") => Some(Role::Cough),
            "noise_misc" => Some(Role::Noise),
            "rir" => Some(Role::Room),
            _ => None,
        }
    }
}

/// Where the recordings are that a clone has.
const FIXTURES: &str = "tests/fixtures/caller";
/// Names the folder of the unpacked sets.
pub const SETS_VARIABLE: &str = "REJOINDER_DATA";

impl Voices {
    /// Those of people, where `REJOINDER_DATA` names the folder of the unpacked sets, and for what they lack those of
    /// `tests/fixtures/caller` in the working folder, beside the program, or in a folder above either.
    ///
    /// # Errors
    /// [`Error::Config`] when there are none, or when a manifest cannot be read.
    pub fn open_default() -> Result<Self> {
        let fixtures = zoo::find_above(&zoo::starts(), FIXTURES, |folder| folder.join(MANIFEST).is_file());
        let fixtures = fixtures.map(Self::open).transpose()?;
        match (std::env::var_os(SETS_VARIABLE).filter(|sets| !sets.is_empty()), fixtures) {
            (Some(sets), fixtures) => Ok(Self::open_sets(Path::new(&sets))?.or(fixtures.unwrap_or_default())),
            (None, Some(fixtures)) => Ok(fixtures),
            (None, None) => Err(Error::config(FIXTURES, "it is neither here, nor beside the program, nor above")),
        }
    }

    /// The recordings of a folder with a manifest.
    ///
    /// # Errors
    /// [`Error::Config`] when the manifest is missing, cannot be read or names no role.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let mut recordings = Vec::new();
        for row in rows(&folder.join(MANIFEST))? {
            let reason = || format!("{}: expected a role, found none", row.path.display());
            let role = row.role.ok_or_else(|| Error::config(folder.join(MANIFEST), reason()))?;
            let path = folder.join(&row.path);
            if !path.is_file() {
                return Err(Error::config(folder.join(MANIFEST), format!("{}: there is no such file", path.display())));
            }
            recordings.push(Recording { path, role, text: row.transcript });
        }
        Ok(Self { drawn: recordings, named: Vec::new() })
    }

    /// Those of the people, noises and rooms in the folder of the unpacked sets that no model was trained with. Sets
    /// that are not there are left out.
    ///
    /// # Errors
    /// [`Error::Config`] when a manifest cannot be read, or when there is no set at all.
    pub fn open_sets(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let mut recordings = Vec::new();
        for set in SETS {
            let manifest = folder.join(set).join(MANIFEST);
            if !manifest.is_file() {
                continue;
            }
            for (number, row) in rows(&manifest)?.into_iter().enumerate() {
                if let Some(role) = row.role_in(set, number) {
                    recordings.push(Recording { path: folder.join(set).join(row.path), role, text: row.transcript });
                }
            }
        }
        if recordings.is_empty() {
            return Err(Error::config(folder, format!("expected one of the sets {}, found none", SETS.join(", "))));
        }
        Ok(Self { drawn: recordings, named: Vec::new() })
    }

    /// These recordings and, for roles that they lack and where they are named, those of `others`.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        let missing = |recording: &Recording| self.of(recording.role).next().is_none();
        let (more, named): (Vec<_>, Vec<_>) = others.drawn.into_iter().partition(missing);
        self.drawn.extend(more);
        self.named.extend(named.into_iter().chain(others.named));
        self
    }

    /// All of a role, in a fixed order.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Recording> {
        self.drawn.iter().filter(move |recording| recording.role == role)
    }

    /// The one whose file has this name, without its extension.
    pub fn named(&self, name: &str) -> Option<&Recording> {
        self.drawn.iter().chain(&self.named).find(|recording| recording.name() == name)
    }
}

impl Recording {
    /// The file's name without its extension.
    pub fn name(&self) -> &str {
        self.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Its sound at 16 kHz.
    ///
    /// # Errors
    /// [`Error::Models`] when the file cannot be read.
    pub fn read(&self) -> Result<Clip> {
        Ok(audio::read_at(&self.path, SampleRate::INTERNAL)?)
    }
}

fn rows(manifest: &Path) -> Result<Vec<Row>> {
    let broken = |error: csv::Error| Error::config(manifest, error.to_string());
    let mut reader = csv::Reader::from_path(manifest).map_err(broken)?;
    reader.deserialize().map(|row| row.map_err(broken)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixtures() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/caller")
    }

    #[test]
    fn the_fixture_voices_have_words_signs_of_attention_and_coughs() {
        let voices = Voices::open(fixtures()).unwrap();
        for (role, least) in [(Role::Question, 8), (Role::Backchannel, 4), (Role::Cough, 2)] {
            assert!(voices.of(role).count() >= least, "{role:?}");
        }
        assert_eq!(voices.named("time").unwrap().text, "what time is it");
        assert!(voices.named("time").unwrap().read().unwrap().seconds() > 0.5);
        assert!(voices.of(Role::Noise).next().is_none());
    }

    #[test]
    fn a_set_gives_only_clips_that_no_model_was_trained_with() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("fsdd")).unwrap();
        let rows =
            "id,path,duration,speaker,transcript,split\na,audio/a.opus,0.3,g,zero,test\nb,b.opus,1,g,one,train\n";
        std::fs::write(folder.path().join("fsdd/manifest.csv"), rows).unwrap();
        let voices = Voices::open_sets(folder.path()).unwrap().or(Voices::open(fixtures()).unwrap());
        let digits: Vec<_> = voices.of(Role::Digit).map(|digit| digit.text.as_str()).collect();
        assert_eq!(digits, ["zero"]);
        assert!(voices.of(Role::Question).next().is_some(), "the fixtures step in");
    }

    #[test]
    fn a_folder_without_recordings_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Voices::open_sets(folder.path()).unwrap_err().to_string();
        assert!(error.contains("expected one of the sets intent_barista"), "{error}");
        assert!(Voices::open(folder.path()).unwrap_err().to_string().contains("manifest.csv"));
    }
}
