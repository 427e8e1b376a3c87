//! VoxCeleb 1 and 2 (Nagrani et al. 2017, Chung et al. 2018): lists of the files as they lie in the public layout,
//! `wav/SPEAKER/VIDEO/NUMBER.wav`, as SpeechBrain's `voxceleb_prepare.py` makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rejoinder_models::audio;
use rejoinder_models::units::SampleRate;
use serde::{Deserialize, Serialize};

use super::SAMPLE_RATE_HZ;
use crate::data::speakers::LIST_COLUMNS;
use crate::data::table::csv_error;
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

/// Writes the lists. `progress` is told a list, how much of it is done, and how much there is.
///
/// # Errors
/// A folder or file that is missing, a recording that cannot be decoded, a list that cannot be written.
pub fn prepare_voxceleb(config: &VoxcelebConfig, progress: &mut dyn FnMut(&str, usize, usize)) -> Result<()> {
    let sides = sides(&config.verification_pairs_file)?;
    let tested: BTreeSet<&str> = sides.iter().flatten().filter_map(|id| id.split('/').next()).collect();
    let (mut train, mut dev, mut all) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    for folder in &config.data_folders {
        let files = files(folder)?;
        let mut own: Vec<Recording> =
            files.iter().filter(|file| !tested.contains(file.speaker.as_str())).cloned().collect();
        own.shuffle(&mut rng);
        let share = config.split_ratio[0] / (config.split_ratio[0] + config.split_ratio[1]);
        dev.extend(own.split_off((share * own.len() as f64) as usize));
        train.extend(own);
        all.extend(files.into_iter().map(|file| (file.name.clone(), file)));
    }
    std::fs::create_dir_all(&config.save_folder).map_err(|e| Error::io(&config.save_folder, e))?;
    for (name, recordings) in [("train.csv", train), ("dev.csv", dev)] {
        let mut list = List::create(&config.save_folder.join(name))?;
        for (number, recording) in recordings.iter().enumerate() {
            segments(config, recording, &mut list)?;
            progress(name, number + 1, recordings.len());
        }
        list.finish()?;
    }
    for (name, ids) in [("enrol.csv", &sides[0]), ("test.csv", &sides[1])] {
        let mut list = List::create(&config.save_folder.join(name))?;
        for (number, id) in ids.iter().enumerate() {
            let missing = || Error::data(id, "stands in the trials but in no data folder");
            let recording = all.get(id).ok_or_else(missing)?;
            list.row(id, recording, read(&recording.path)?.len(), None)?;
            progress(name, number + 1, ids.len());
        }
        list.finish()?;
    }
    Ok(())
}

/// A file of the layout.
#[derive(Clone)]
struct Recording {
    /// `SPEAKER/VIDEO/NUMBER`, as it stands in lists of trials.
    name: String,
    speaker: String,
    path: PathBuf,
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

/// All recordings of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<Recording>> {
    let root = folder.join("wav");
    let mut found = Vec::new();
    for speaker in entries(&root)? {
        for video in entries(&root.join(&speaker))? {
            for file in entries(&root.join(&speaker).join(&video))? {
                let path = root.join(&speaker).join(&video).join(&file);
                let name = format!("{speaker}/{video}/{}", stem(&file));
                found.push(Recording { name, speaker: speaker.clone(), path });
            }
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<String>> {
    let listing = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut names = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<f32>> {
    Ok(audio::read_at(path, SampleRate::hz(SAMPLE_RATE_HZ))?.samples)
}

/// A recording's rows in a list to train on.
fn segments(config: &VoxcelebConfig, recording: &Recording, list: &mut List) -> Result<()> {
    let samples = read(&recording.path)?;
    let name = recording.name.replace('/', "--");
    if config.random_segment {
        return list.row(&name, recording, samples.len(), None);
    }
    let rate = f64::from(SAMPLE_RATE_HZ);
    let count = (samples.len() as f64 / rate / config.seg_dur) as usize;
    for [start_s, stop_s] in (0..count).map(|i| [i as f64 * config.seg_dur, (i + 1) as f64 * config.seg_dur]) {
        let span = [(start_s * rate) as usize, (stop_s * rate) as usize];
        let segment = &samples[span[0]..span[1].min(samples.len())];
        let magnitude = segment.iter().map(|sample| sample.abs()).sum::<f32>() / segment.len().max(1) as f32;
        if magnitude >= config.amp_th {
            list.row(&format!("{name}_{start_s:?}_{stop_s:?}"), recording, samples.len(), Some(span))?;
        }
    }
    Ok(())
}

/// A list in the making.
struct List {
    path: PathBuf,
    rows: csv::Writer<std::fs::File>,
}

impl List {
    fn create(path: &Path) -> Result<Self> {
        let mut rows = csv::Writer::from_path(path).map_err(|e| csv_error(path, e))?;
        rows.write_record(LIST_COLUMNS).map_err(|e| csv_error(path, e))?;
        Ok(Self { path: path.to_owned(), rows })
    }

    /// A segment of a recording of `samples`, or all of it. `duration` is that of the recording.
    fn row(&mut self, id: &str, recording: &Recording, samples: usize, span: Option<[usize; 2]>) -> Result<()> {
        let [start, stop] = span.unwrap_or([0, samples]);
        let duration = samples as f64 / f64::from(SAMPLE_RATE_HZ);
        let path = recording.path.display().to_string();
        let row = [id, &duration.to_string(), &path, &start.to_string(), &stop.to_string(), &recording.speaker];
        self.rows.write_record(row).map_err(|e| csv_error(&self.path, e))
    }

    fn finish(mut self) -> Result<()> {
        self.rows.flush().map_err(|e| Error::io(&self.path, e))
    }
}
