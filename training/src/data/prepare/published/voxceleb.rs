//! VoxCeleb 1 and 2 (Nagrani et al. 2017, Chung et al. 2018): lists of the files as they lie in the public layout,
//! `wav/SPEAKER/VIDEO/NUMBER.wav`, as SpeechBrain's `voxceleb_prepare.py` makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::files::{files, folders, name};
use super::{Clip, Form, Layout, SAMPLE_RATE_HZ};
use crate::data::trials::stem;
use crate::{Error, Result};

/// How VoxCeleb is prepared, by SpeechBrain's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoxcelebConfig {
    /// Folders that each hold a `wav` folder: VoxCeleb 1, and VoxCeleb 2 beside it.
    pub data_folders: Vec<PathBuf>,
    /// Where `train.csv`, `dev.csv`, `enrol.csv` and `test.csv` go.
    pub save_folder: PathBuf,
    /// The trials that will be reported on. Their speakers stay out of training.
    pub verification_pairs_file: PathBuf,
    /// The percent of files that train and that validate. Default: 90 and 10.
    #[serde(default = "split_ratio")]
    pub split_ratio: [f64; 2],
    /// The length of a segment in seconds. Default: 3.
    #[serde(default = "seg_dur")]
    pub seg_dur: f64,
    /// Whether a row is a whole file, of which training draws a piece, instead of a segment. Default: false.
    #[serde(default)]
    pub random_segment: bool,
    /// Segments whose mean magnitude is less stay out. Default: 5e-4.
    #[serde(default = "amp_th")]
    pub amp_th: f32,
    /// Seeds the split. Default: 1234.
    #[serde(default = "seed")]
    pub seed: u64,
}

fn split_ratio() -> [f64; 2] {
    [90.0, 10.0]
}

fn seg_dur() -> f64 {
    3.0
}

fn amp_th() -> f32 {
    5e-4
}

fn seed() -> u64 {
    1234
}

impl Layout for VoxcelebConfig {
    fn form(&self) -> Form {
        Form::Lists
    }

    fn columns(&self) -> &'static [&'static str] {
        &["ID", "duration", "wav", "start", "stop", "spk_id"]
    }

    fn root(&self) -> &Path {
        self.data_folders.first().unwrap_or(&self.save_folder)
    }

    fn splits(&self) -> Vec<String> {
        ["train", "dev", "enrol", "test"].map(str::to_owned).to_vec()
    }

    fn clips(&self, split: &str) -> Result<Vec<Clip>> {
        let sides = sides(&self.verification_pairs_file)?;
        match split {
            "enrol" => self.tested(&sides[0]),
            "test" => self.tested(&sides[1]),
            _ => self.untested(&sides, split == "train"),
        }
    }

    /// Segments of what is trained on; all of what is tested. `duration` is that of the recording.
    fn rows_go_by_sound(&self) -> bool {
        true
    }

    fn rows(&self, clip: &Clip, samples: &[f32]) -> Vec<Clip> {
        let whole = [0, samples.len()];
        match clip.span.is_none() || self.random_segment {
            true => vec![row(clip, clip.id.clone(), whole)],
            false => self.segments(clip, samples),
        }
    }
}

impl VoxcelebConfig {
    /// Recordings of speakers who are not tested, in random order.
    fn untested(&self, sides: &[BTreeSet<String>; 2], trains: bool) -> Result<Vec<Clip>> {
        let tested: BTreeSet<&str> = sides.iter().flatten().filter_map(|id| id.split('/').next()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut clips = Vec::new();
        for folder in &self.data_folders {
            let mut own: Vec<Clip> = recordings(folder)?;
            own.retain(|clip| !tested.contains(clip.fields[0].1.as_str()));
            own.shuffle(&mut rng);
            let share = self.split_ratio[0] / (self.split_ratio[0] + self.split_ratio[1]);
            let rest = own.split_off((share * own.len() as f64) as usize);
            clips.extend(if trains { own } else { rest });
        }
        let to_cut = |clip: Clip| Clip { id: clip.id.replace('/', "--"), span: Some(0..usize::MAX), ..clip };
        Ok(clips.into_iter().map(to_cut).collect())
    }

    /// The recordings of one side of the trials.
    fn tested(&self, ids: &BTreeSet<String>) -> Result<Vec<Clip>> {
        let mut all = BTreeMap::new();
        for folder in &self.data_folders {
            all.extend(recordings(folder)?.into_iter().map(|clip| (clip.id.clone(), clip)));
        }
        let missing = |id| Error::data(id, "stands in the trials but in no data folder");
        ids.iter().map(|id| all.remove(id).ok_or_else(|| missing(id))).collect()
    }

    fn segments(&self, clip: &Clip, samples: &[f32]) -> Vec<Clip> {
        let rate = f64::from(SAMPLE_RATE_HZ);
        let count = (samples.len() as f64 / rate / self.seg_dur) as usize;
        let places = (0..count).map(|i| [i as f64 * self.seg_dur, (i + 1) as f64 * self.seg_dur]);
        let segment = |[start_s, stop_s]: [f64; 2]| {
            let span = [(start_s * rate) as usize, (stop_s * rate) as usize];
            let segment = &samples[span[0]..span[1].min(samples.len())];
            let magnitude = segment.iter().map(|sample| sample.abs()).sum::<f32>() / segment.len().max(1) as f32;
            (magnitude >= self.amp_th).then(|| row(clip, format!("{}_{start_s:?}_{stop_s:?}", clip.id), span))
        };
        places.filter_map(segment).collect()
    }
}

fn row(clip: &Clip, id: String, [start, stop]: [usize; 2]) -> Clip {
    let mut row = Clip { id, ..clip.clone() };
    row.fields.extend([("start", start.to_string()), ("stop", stop.to_string())]);
    row
}

/// The names on either side of the trials, each once.
fn sides(path: &Path) -> Result<[BTreeSet<String>; 2]> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut sides = [BTreeSet::new(), BTreeSet::new()];
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let [_, one, other] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            let place = format!("{} line {}", path.display(), number + 1);
            return Err(Error::data(place, format!("expected a label and two files, found `{line}`")));
        };
        sides[0].insert(stem(one).to_owned());
        sides[1].insert(stem(other).to_owned());
    }
    Ok(sides)
}

/// All recordings of a folder, by `SPEAKER/VIDEO/NUMBER` as they stand in lists of trials.
fn recordings(folder: &Path) -> Result<Vec<Clip>> {
    let mut found = Vec::new();
    for speaker in folders(&folder.join("wav"))? {
        for video in folders(&speaker)? {
            // VoxCeleb 2 comes as `.m4a`, which may still lie beside what was made of them.
            for path in files(&video, "wav")? {
                let id = format!("{}/{}/{}", name(&speaker), name(&video), stem(&name(&path)));
                found.push(Clip { id, path, span: None, fields: vec![("spk_id", name(&speaker))] });
            }
        }
    }
    Ok(found)
}
