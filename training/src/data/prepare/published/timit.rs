//! TIMIT (LDC93S1): `{TRAIN,TEST}/DIALECT/SPEAKER/SENTENCE.{WAV,PHN,WRD}`, in capitals or small letters. The recordings are
//! NIST SPHERE files whatever their names say.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{entries, files, folders, name, stem, text};
use super::timit_phones::{PHONES_39, PHONES_48, fold};
use super::{Clip, Layout};
use crate::{Error, Result};

/// The 24 speakers of the core test set.
const TEST: [&str; 24] = [
    "fdhc0", "felc0", "fjlm0", "fmgd0", "fmld0", "fnlp0", "fpas0", "fpkt0", "mbpm0", "mcmj0", "mdab0", "mgrt0",
    "mjdh0", "mjln0", "mjmp0", "mklt0", "mlll0", "mlnt0", "mnjm0", "mpam0", "mtas1", "mtls0", "mwbt0", "mwew0",
];
/// The 50 speakers of the published test part who validate (Halberstadt 1998).
const VALID: [&str; 50] = [
    "fadg0", "faks0", "fcal1", "fcmh0", "fdac1", "fdms0", "fdrw0", "fedw0", "fgjd0", "fjem0", "fjmg0", "fjsj0",
    "fkms0", "fmah0", "fmml0", "fnmr0", "frew0", "fsem0", "majc0", "mbdg0", "mbns0", "mbwm0", "mcsh0", "mdlf0",
    "mdls0", "mdvc0", "mers0", "mgjf0", "mglb0", "mgwt0", "mjar0", "mjfc0", "mjsw0", "mmdb1", "mmdm2", "mmjr0",
    "mmwh0", "mpdf0", "mrcs0", "mreb0", "mrjm4", "mrjr0", "mroa0", "mrtk0", "mrws1", "mtaa0", "mtdt0", "mteb0",
    "mthc0", "mwjg0",
];

/// How TIMIT is prepared, by the names of SpeechBrain's `prepare_timit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimitConfig {
    /// The folder of `TRAIN` and `TEST`.
    pub data_folder: PathBuf,
    /// Which phones there are in `phn`. Default: 39.
    #[serde(default)]
    pub phn_set: PhoneSet,
}

/// A set of phones: 60, 48 or 39.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum PhoneSet {
    /// As they were transcribed.
    Sixty,
    /// Those that are trained on (Lee and Hon 1989).
    FortyEight,
    /// Those that are scored (Lee and Hon 1989).
    #[default]
    ThirtyNine,
}

impl TryFrom<u8> for PhoneSet {
    type Error = String;

    fn try_from(phones: u8) -> Result<Self, String> {
        match phones {
            60 => Ok(Self::Sixty),
            48 => Ok(Self::FortyEight),
            39 => Ok(Self::ThirtyNine),
            other => Err(format!("expected 60, 48 or 39 phones, found {other}")),
        }
    }
}

impl From<PhoneSet> for u8 {
    fn from(set: PhoneSet) -> Self {
        match set {
            PhoneSet::Sixty => 60,
            PhoneSet::FortyEight => 48,
            PhoneSet::ThirtyNine => 39,
        }
    }
}

impl Layout for TimitConfig {
    fn columns(&self) -> &'static [&'static str] {
        &["ID", "duration", "wav", "spk_id", "wrd", "phn", "ground_truth_phn_ends"]
    }

    fn root(&self) -> &Path {
        &self.data_folder
    }

    fn splits(&self) -> Vec<String> {
        ["train", "valid", "test"].map(str::to_owned).to_vec()
    }

    /// Everyone says `SA1` and `SA2`; they stay out.
    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let (part, speakers): (_, &[&str]) = match split {
            "train" => ("TRAIN", &[]),
            "valid" => ("TEST", &VALID),
            _ => ("TEST", &TEST),
        };
        let mut clips = Vec::new();
        for dialect in folders(&child(&self.data_folder, part)?)? {
            for folder in folders(&dialect)? {
                let speaker = name(&folder).to_lowercase();
                if split == "train" || speakers.contains(&speaker.as_str()) {
                    for path in files(&folder, "wav")? {
                        if !stem(&path).to_lowercase().starts_with("sa") {
                            clips.push(self.clip(path, &speaker)?);
                        }
                    }
                }
            }
        }
        Ok(clips)
    }
}

impl TimitConfig {
    fn clip(&self, path: PathBuf, speaker: &str) -> Result<Clip> {
        let words = labels(&twin(&path, "wrd")?)?;
        let mut phones = labels(&twin(&path, "phn")?)?;
        phones.iter_mut().filter(|phone| phone.name == "h#").for_each(|phone| "sil".clone_into(&mut phone.name));
        match self.phn_set {
            PhoneSet::Sixty => {}
            PhoneSet::FortyEight => folded(&mut phones, &PHONES_48),
            PhoneSet::ThirtyNine => folded(&mut phones, &PHONES_39),
        }
        let join = |texts: Vec<String>| texts.join(" ");
        let fields = vec![
            ("spk_id", speaker.to_owned()),
            ("wrd", join(words.into_iter().map(|word| word.name).collect())),
            ("phn", join(phones.iter().map(|phone| phone.name.clone()).collect())),
            ("ground_truth_phn_ends", join(phones.iter().map(|phone| phone.end.to_string()).collect())),
        ];
        Ok(Clip { id: format!("{speaker}_{}", stem(&path).to_lowercase()), path, span: None, fields })
    }
}

/// A phone or word, and the sample at which it ends.
struct Label {
    end: usize,
    name: String,
}

/// Lines of a first sample, a last sample, and a name.
fn labels(path: &Path) -> Result<Vec<Label>> {
    let text = text(path)?;
    let label = |(number, line): (usize, &str)| {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let label = match parts[..] {
            [_, end, name] => end.parse().ok().map(|end| Label { end, name: name.to_owned() }),
            _ => None,
        };
        label.ok_or_else(|| {
            let place = format!("{} line {}", path.display(), number + 1);
            Error::data(place, format!("expected two samples and a name, found `{line}`"))
        })
    };
    text.lines().enumerate().map(label).collect()
}

/// Folds phones into fewer. Of silences in a row one is left, which ends with the last; the glottal stop goes.
fn folded(phones: &mut Vec<Label>, set: &[(&str, &str)]) {
    phones.retain_mut(|phone| {
        phone.name = fold(set, &phone.name).to_owned();
        !phone.name.is_empty()
    });
    for at in (1..phones.len()).rev() {
        if phones[at].name == "sil" && phones[at - 1].name == "sil" {
            phones.remove(at - 1);
        }
    }
}

/// What lies beside a recording with another extension, in the same letters.
fn twin(recording: &Path, extension: &str) -> Result<PathBuf> {
    let capitals = recording.extension().is_some_and(|own| own.to_string_lossy().chars().all(char::is_uppercase));
    let path = recording.with_extension(if capitals { extension.to_uppercase() } else { extension.to_owned() });
    match path.is_file() {
        true => Ok(path),
        false => Err(Error::data(recording.display().to_string(), format!("expected {} beside it", path.display()))),
    }
}

/// The folder of this name, in capitals or small letters.
fn child(folder: &Path, wanted: &str) -> Result<PathBuf> {
    let found = entries(folder)?.into_iter().find(|path| name(path).eq_ignore_ascii_case(wanted));
    found.ok_or_else(|| Error::data(folder.display().to_string(), format!("expected a folder `{wanted}`, found none")))
}
