use std::fmt;
use std::path::PathBuf;

use clap::Args;
use rejoinder_models::audio::{self, Clip};

use crate::metrics::{separation, si_snr};
use crate::{Error, Result};

/// `rejoinder-train score separation`
#[derive(Args)]
pub struct ScoreSeparation {
    /// The sources, then as many estimates of them in any order: sound files of one rate and length, channels averaged
    #[arg(required = true, num_args = 2.., value_name = "REF… HYP")]
    pub files: Vec<PathBuf>,
    /// What the sources were mixed to, to tell how much was gained
    #[arg(long, value_name = "FILE")]
    pub mixture: Option<PathBuf>,
}

/// How near estimates are to sources.
#[derive(Clone, Debug)]
pub struct SeparationReport {
    /// The estimates, in the order in which they were named.
    pub estimates: Vec<Estimate>,
}

/// How near an estimate is to the source that it is taken for.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// Its file.
    pub path: PathBuf,
    /// The source's file.
    pub source: PathBuf,
    /// The scale-invariant signal-to-noise ratio.
    pub si_snr_db: f64,
    /// How much larger it is than that of the mixture.
    pub improvement_db: Option<f64>,
}

impl ScoreSeparation {
    /// Compares the files.
    ///
    /// # Errors
    /// A file that cannot be read, an odd number of files, files of different rates or lengths.
    pub fn report(&self) -> Result<SeparationReport> {
        if !self.files.len().is_multiple_of(2) {
            let reason = format!("expected as many estimates as sources, found {} files", self.files.len());
            return Err(Error::config("score separation", reason));
        }
        let clips =
            self.files.iter().chain(&self.mixture).map(|path| Ok(audio::read(path)?)).collect::<Result<Vec<Clip>>>()?;
        for (path, clip) in self.files.iter().chain(&self.mixture).zip(&clips) {
            if (clip.rate, clip.len()) != (clips[0].rate, clips[0].len()) {
                let tell = |clip: &Clip| format!("{} samples at {}", clip.len().0, clip.rate);
                let reason =
                    format!("expected {}, as in {}, found {}", tell(&clips[0]), self.files[0].display(), tell(clip));
                return Err(Error::data(path.display().to_string(), reason));
            }
        }
        let half = self.files.len() / 2;
        let samples: Vec<&[f32]> = clips.iter().map(|clip| clip.samples.as_slice()).collect();
        let (sources, estimates) = (&samples[..half], &samples[half..2 * half]);
        let found = separation(estimates, sources);
        let estimates = found.sources.iter().zip(found.si_snr_db).enumerate().map(|(number, (source, si_snr_db))| {
            let mixed_db = samples.get(2 * half).map(|mixture| si_snr(mixture, sources[*source]));
            let (path, source) = (self.files[half + number].clone(), self.files[*source].clone());
            Estimate { path, source, si_snr_db, improvement_db: mixed_db.map(|mixed_db| si_snr_db - mixed_db) }
        });
        Ok(SeparationReport { estimates: estimates.collect() })
    }
}

impl SeparationReport {
    /// The mean of the ratios.
    pub fn si_snr_db(&self) -> f64 {
        mean(self.estimates.iter().map(|estimate| estimate.si_snr_db))
    }

    /// The mean of what was gained, where there is a mixture.
    pub fn improvement_db(&self) -> Option<f64> {
        let gains: Option<Vec<f64>> = self.estimates.iter().map(|estimate| estimate.improvement_db).collect();
        gains.map(|gains| mean(gains.into_iter()))
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

impl fmt::Display for SeparationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| estimate | source | SI-SNR dB | improvement dB |")?;
        writeln!(f, "| --- | --- | ---: | ---: |")?;
        let db = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        for Estimate { path, source, si_snr_db, improvement_db } in &self.estimates {
            let (path, source) = (path.display(), source.display());
            writeln!(f, "| {path} | {source} | {si_snr_db:.2} | {} |", db(*improvement_db))?;
        }
        writeln!(f, "| mean | | {:.2} | {} |", self.si_snr_db(), db(self.improvement_db()))
    }
}
