use std::fmt;
use std::path::PathBuf;

use clap::Args;

use crate::metrics::{DiarizationConfig, DiarizationErrors, diarization_errors, read_rttm};
use crate::{Error, Result};

/// `rejoinder-train score diarization`
#[derive(Args)]
pub struct ScoreDiarization {
    /// Who speaks when, as an RTTM file
    #[arg(value_name = "REF")]
    pub reference: PathBuf,
    /// What is to be scored, as an RTTM file
    #[arg(value_name = "HYP")]
    pub hypothesis: PathBuf,
    /// Leave out so many seconds around each beginning and end of the reference
    #[arg(long, value_name = "SECONDS", default_value_t = DiarizationConfig::default().collar_s)]
    pub collar: f64,
    /// Leave out where two or more speak at once
    #[arg(long)]
    pub ignore_overlap: bool,
}

/// Errors of each recording.
#[derive(Clone, Debug)]
pub struct DiarizationReport {
    /// File and channel, and the errors there. A recording without hypothesis is missed as a whole.
    pub recordings: Vec<(String, DiarizationErrors)>,
}

impl ScoreDiarization {
    /// Compares the files.
    ///
    /// # Errors
    /// A missing file, a mistake in one, hypotheses of recordings that the reference lacks.
    pub fn report(&self) -> Result<DiarizationReport> {
        if !(self.collar >= 0.0 && self.collar.is_finite()) {
            return Err(Error::config("--collar", format!("expected seconds from 0 on, found {}", self.collar)));
        }
        let (references, hypotheses) = (read_rttm(&self.reference)?, read_rttm(&self.hypothesis)?);
        if let Some(unknown) = hypotheses.keys().find(|recording| !references.contains_key(*recording)) {
            let reason = format!("recording `{unknown}` (file and channel) is not in {}", self.reference.display());
            return Err(Error::data(self.hypothesis.display().to_string(), reason));
        }
        let config = DiarizationConfig { collar_s: self.collar, ignore_overlap: self.ignore_overlap };
        let recordings = references.into_iter().map(|(recording, reference)| {
            let hypothesis = hypotheses.get(&recording).map(Vec::as_slice).unwrap_or_default();
            let errors = diarization_errors(&reference, hypothesis, &config);
            (recording, errors)
        });
        Ok(DiarizationReport { recordings: recordings.collect() })
    }
}

impl DiarizationReport {
    /// Of all recordings.
    pub fn total(&self) -> DiarizationErrors {
        let mut total = DiarizationErrors::default();
        self.recordings.iter().for_each(|(_, errors)| total += *errors);
        total
    }
}

impl fmt::Display for DiarizationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| recording | scored s | missed % | false alarm % | confusion % | DER % |")?;
        writeln!(f, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
        let total = [("all".to_owned(), self.total())];
        for (recording, errors) in self.recordings.iter().chain(&total) {
            let DiarizationErrors { scored_s, missed_s, false_alarm_s, confusion_s } = errors;
            write!(f, "| {recording} | {scored_s:.2} |")?;
            for errors_s in [missed_s, false_alarm_s, confusion_s] {
                write!(f, " {:.2} |", 100.0 * errors.share(*errors_s))?;
            }
            writeln!(f, " {:.2} |", 100.0 * errors.rate())?;
        }
        Ok(())
    }
}
