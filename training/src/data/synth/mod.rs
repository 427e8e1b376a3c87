//! Synthetic speech: texts read by free engines, which run as separate programs (flite, festival, espeak-ng).
//!
//! Everything follows from the seed: clip `n` always has the same text, voice and rate. So a run that was stopped goes
//! on where it was, and a longer run has the clips of a shorter one.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::{COLUMNS, Item};
use super::pack::PackWriter;
use super::prepare::{MANIFEST, PACK, SAMPLE_RATE_HZ};
use super::table::{TableWriter, csv_error};
use crate::{Error, Result};

mod books;
mod engines;
mod numbers;
mod texts;
mod voices;

pub use texts::TextSource;
pub use voices::Voice;

use engines::Studio;
use texts::Texts;
use voices::{Casting, Reading};

/// A folder of synthetic speech, as written in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SynthConfig {
    /// The prepared folder's name.
    pub folder: String,
    /// Seed of texts and voices.
    #[serde(default)]
    pub seed: u64,
    /// How much speech to render.
    pub hours: f64,
    /// What is read.
    pub texts: Vec<TextSource>,
    /// How many of the clips each voice reads, relative to the others.
    #[serde(default = "voices::usual_shares")]
    pub voices: BTreeMap<Voice, f64>,
    /// Engines at work at a time.
    #[serde(default = "one")]
    pub jobs: usize,
}

fn one() -> usize {
    1
}

/// Clips that are rendered before they are written; festival reads those of a voice in one process.
const BLOCK: usize = 192;
/// The largest share of a block that may fail before the run is given up.
const MAX_FAILED: f64 = 0.1;

/// Clip number `n`: what is read, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) words: String,
    pub(crate) reading: Reading,
}

/// Renders until `config.hours` are there.
///
/// # Errors
/// A text source or an engine that is missing, an engine that fails often, failed writes; a folder with clips of other
/// texts, voices or another seed.
pub fn render(
    config: &SynthConfig,
    sets: &Path,
    out: &Path,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<()> {
    let folder = out.join(&config.folder);
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    let plan = Plan::new(config, sets, out)?;
    plan.check(&folder)?;
    let studio = Studio::new(&folder.join("scratch"), config.jobs)?;
    let mut pack = PackWriter::resume(folder.join(PACK), SAMPLE_RATE_HZ)?;
    let mut rows = TableWriter::create(&folder.join(MANIFEST), &COLUMNS)?;
    let wanted = (config.hours * 3600.0) as usize;
    let (mut seconds, mut next) = (0.0, 0);
    while (seconds as usize) < wanted {
        let jobs: Vec<_> = (next..next + BLOCK).map(|n| plan.job(n)).collect();
        next += BLOCK;
        let missing: Vec<_> = jobs.iter().filter(|job| !pack.contains(&job.id)).cloned().collect();
        let clips = studio.render(&missing)?;
        if (clips.len() as f64) < (1.0 - MAX_FAILED) * missing.len() as f64 {
            let failed = missing.len() - clips.len();
            return Err(Error::data(
                folder.display().to_string(),
                format!("{failed} of {} texts came back without sound; look at the warnings above", missing.len()),
            ));
        }
        for (id, samples) in clips {
            pack.append(&id, &samples)?;
        }
        pack.flush()?;
        for job in jobs {
            if let Some(span) = pack.span(&job.id) {
                let duration_s = span.samples as f64 / f64::from(SAMPLE_RATE_HZ);
                seconds += duration_s;
                let speaker = job.reading.speaker();
                let (wav, words) = (PACK.into(), job.words);
                let item = Item { id: job.id, duration_s, wav, speaker, words, ..Item::default() };
                rows.append(&item.row())?;
            }
        }
        rows.flush()?;
        progress(&config.folder, (seconds as usize).min(wanted), wanted);
    }
    studio.close()
}

/// Texts and voices of a run.
struct Plan {
    folder: String,
    seed: u64,
    texts: Texts,
    casting: Casting,
}

impl Plan {
    fn new(config: &SynthConfig, sets: &Path, out: &Path) -> Result<Self> {
        Ok(Self {
            folder: config.folder.clone(),
            seed: config.seed,
            texts: Texts::open(&config.texts, config.seed, sets, out)?,
            casting: Casting::new(&config.voices)?,
        })
    }

    fn job(&self, number: usize) -> Job {
        use rand::SeedableRng;
        let seed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number as u64;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let words = self.texts.draw(&mut rng).to_owned();
        Job { id: format!("{}/{number:06}", self.folder), words, reading: self.casting.draw(&mut rng) }
    }

    /// Refuses a folder with clips that this plan says or casts otherwise, by the manifest of the run that rendered them,
    /// whose last row may be torn.
    fn check(&self, folder: &Path) -> Result<()> {
        let path = folder.join(MANIFEST);
        if !path.exists() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for row in csv::Reader::from_reader(whole.as_bytes()).into_records() {
            let row = row.map_err(|e| csv_error(&path, e))?;
            let [id, _, _, speaker, words] = std::array::from_fn(|column| row.get(column).unwrap_or_default());
            let number = id.strip_prefix(&self.folder).and_then(|rest| rest.strip_prefix('/')?.parse().ok());
            let Some(job) = number.map(|number| self.job(number)) else { continue };
            let (expected, by) = (job.words, job.reading.speaker());
            if expected != words || by != speaker {
                let reason = format!(
                    "clip `{id}`: expected `{expected}` by {by}, found `{words}` by {speaker}; remove the folder to \
                     render it again"
                );
                return Err(Error::data(folder.display().to_string(), reason));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path, hours: f64) -> SynthConfig {
        let lines = dir.join("lines.txt");
        std::fs::write(&lines, "set a timer for five minutes\nwhat time is it\nhello there\n").unwrap();
        SynthConfig {
            folder: "synth".into(),
            seed: 9,
            hours,
            texts: vec![
                TextSource::Lines { path: lines, times: 1, weight: 2.0 },
                TextSource::Numbers { count: 50, weight: 1.0 },
            ],
            voices: BTreeMap::from([(Voice::FliteKal16, 1.0)]),
            jobs: 1,
        }
    }

    #[test]
    fn a_longer_plan_has_the_jobs_of_a_shorter_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path(), 1.0);
        config.voices = voices::usual_shares();
        let jobs = |config: &SynthConfig, n: usize| -> Vec<Job> {
            let plan = Plan::new(config, dir.path(), dir.path()).unwrap();
            (0..n).map(|i| plan.job(i)).collect()
        };
        assert_eq!(jobs(&config, 20), jobs(&config, 40)[..20]);
        let other = SynthConfig { seed: 10, ..config.clone() };
        assert_ne!(jobs(&config, 20), jobs(&other, 20));
    }

    #[test]
    fn clips_are_not_taken_for_others() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), 1.0);
        let plan = |config: &SynthConfig| Plan::new(config, dir.path(), dir.path()).unwrap();
        let folder = dir.path().join("synth");
        std::fs::create_dir_all(&folder).unwrap();
        let mut pack = PackWriter::create(folder.join(PACK), SAMPLE_RATE_HZ).unwrap();
        let mut rows = TableWriter::create(&folder.join(MANIFEST), &COLUMNS).unwrap();
        for job in (0..30).map(|number| plan(&config).job(number)) {
            pack.append(&job.id, &[0.1; 160]).unwrap();
            if job.id.as_str() < "synth/000020" {
                let speaker = job.reading.speaker();
                let (wav, words) = (PACK.into(), job.words);
                let item = Item { id: job.id, duration_s: 0.01, wav, speaker, words, ..Item::default() };
                rows.append(&item.row()).unwrap();
            }
        }
        rows.flush().unwrap();
        let path = folder.join(MANIFEST);
        let torn = std::fs::read_to_string(&path).unwrap() + "synth/000020,0.01";
        std::fs::write(&path, torn).unwrap();
        plan(&config).check(&folder).unwrap();
        let other = SynthConfig { seed: 10, ..config };
        let message = plan(&other).check(&folder).unwrap_err().to_string();
        assert!(message.contains("clip `synth/0000") && message.contains("remove the folder"), "{message}");
    }

    /// Needs flite, which the project's set-up installs.
    #[test]
    fn a_stopped_run_goes_on() {
        if std::process::Command::new("flite").arg("--version").output().is_err() {
            eprintln!("skipped: flite is not installed");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let short = config(dir.path(), 0.02);
        render(&short, dir.path(), dir.path(), &mut |_, _, _| {}).unwrap();
        let folder = dir.path().join("synth");
        let before = super::super::manifest::Manifest::read(folder.join(MANIFEST)).unwrap();
        assert!(before.hours() >= 0.02, "{}", before.hours());
        let spoken = before.items.iter().find(|item| item.words == "set a timer for five minutes").unwrap();
        assert!((1.0..3.5).contains(&spoken.duration_s), "{spoken:?}");

        let longer = SynthConfig { hours: before.hours() + 0.01, ..short };
        render(&longer, dir.path(), dir.path(), &mut |_, _, _| {}).unwrap();
        let after = super::super::manifest::Manifest::read(folder.join(MANIFEST)).unwrap();
        assert_eq!(after.items[..before.items.len()], before.items);
        assert!(after.hours() > before.hours());
        let prepared =
            super::super::prepare::Prepared::open(&folder, &crate::data::manifest::ManifestConfig::default()).unwrap();
        let mut loud = 0;
        prepared.each(SAMPLE_RATE_HZ, |_, clip| loud += usize::from(clip.iter().any(|s| s.abs() > 0.05))).unwrap();
        assert_eq!(loud, after.items.len());
    }
}
