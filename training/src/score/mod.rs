//! `rejoinder-train score`: figures of files of results beside references, whoever made them.

mod diarization;
mod separation;
mod speakers;
mod texts;
mod words;

use clap::Subcommand;

pub use diarization::{DiarizationReport, ScoreDiarization};
pub use separation::{Estimate, ScoreSeparation, SeparationReport};
pub use speakers::{ScoreSpeakers, SpeakersReport};
pub use words::{ScoreWords, Utterance, WordsReport};

use crate::Result;

/// What is compared.
#[derive(Subcommand)]
pub enum Score {
    /// Word and character error rates of transcripts, with alignments
    Words(ScoreWords),
    /// Equal error rate and least detection cost of trials of voices
    Speakers(ScoreSpeakers),
    /// Diarisation error rate of who speaks when
    Diarization(ScoreDiarization),
    /// Scale-invariant signal-to-noise ratio of separated sources, in the order that fits best
    Separation(ScoreSeparation),
}

impl Score {
    /// The report, as it is printed.
    ///
    /// # Errors
    /// Files that are missing, not of the form that is expected, or do not go with each other.
    pub fn run(&self) -> Result<String> {
        Ok(match self {
            Self::Words(words) => words.report()?.to_string(),
            Self::Speakers(speakers) => speakers.report()?.to_string(),
            Self::Diarization(diarization) => diarization.report()?.to_string(),
            Self::Separation(separation) => separation.report()?.to_string(),
        })
    }
}
