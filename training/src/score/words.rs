use std::fmt;
use std::path::PathBuf;

use clap::Args;
use rejoinder_models::text::{Alignment, Edit, ErrorCounts, TextForm, character_errors, word_alignment};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as ValueError;

use super::texts::Texts;
use crate::{Error, Result};

/// What stands for a word that is on the other side only, and between words: SpeechBrain's `print_alignments`.
const EMPTY: &str = "<eps>";
const SEPARATOR: &str = " ; ";

/// `rejoinder-train score words`
#[derive(Args)]
pub struct ScoreWords {
    /// The references: lines of a name and a text
    #[arg(value_name = "REF")]
    pub reference: PathBuf,
    /// The hypotheses: the same, or what `rejoinder transcribe` prints
    #[arg(value_name = "HYP")]
    pub hypothesis: PathBuf,
    /// Bring both into this form first: english, words, or characters, which then count as words
    #[arg(long, value_name = "FORM", value_parser = text_form)]
    pub text: Option<TextForm>,
    /// Print each alignment
    #[arg(long)]
    pub alignments: bool,
}

fn text_form(name: &str) -> Result<TextForm, ValueError> {
    TextForm::deserialize(name.into_deserializer())
}

/// Error rates of words and characters. An utterance without hypothesis is scored as if nothing had been heard.
#[derive(Clone, Debug)]
pub struct WordsReport {
    /// The utterances, in the order of the references.
    pub utterances: Vec<Utterance>,
    /// Errors in characters.
    pub characters: ErrorCounts,
    /// Utterances without hypothesis.
    pub absent: usize,
    alignments: bool,
}

/// How one utterance was recognised.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// Its name in the references.
    pub id: String,
    /// Its words.
    pub alignment: Alignment,
}

impl ScoreWords {
    /// Compares the files.
    ///
    /// # Errors
    /// A missing file, a mistake in one, hypotheses of utterances that the references lack.
    pub fn report(&self) -> Result<WordsReport> {
        let (references, hypotheses) = (Texts::read(&self.reference)?, Texts::read(&self.hypothesis)?);
        let found = references.find(&hypotheses);
        if let Some(unknown) = found.iter().position(Option::is_none) {
            let reason = format!("utterance `{}` is not in {}", hypotheses.lines[unknown].0, self.reference.display());
            return Err(Error::data(self.hypothesis.display().to_string(), reason));
        }
        let mut heard: Vec<Option<&str>> = vec![None; references.lines.len()];
        for (number, (id, text)) in found.into_iter().flatten().zip(&hypotheses.lines) {
            if heard[number].replace(text).is_some() {
                let reason =
                    format!("utterance `{id}` comes twice, as `{}` of the references", references.lines[number].0);
                return Err(Error::data(self.hypothesis.display().to_string(), reason));
            }
        }
        let absent = heard.iter().filter(|text| text.is_none()).count();
        let (mut utterances, mut characters) = (Vec::new(), ErrorCounts::default());
        for ((id, reference), text) in references.lines.iter().zip(heard) {
            let [reference, text] = [reference, text.unwrap_or_default()].map(|text| self.formed(text));
            characters += character_errors(&reference, &text);
            utterances.push(Utterance { id: id.clone(), alignment: word_alignment(&reference, &text) });
        }
        Ok(WordsReport { utterances, characters, absent, alignments: self.alignments })
    }

    /// The text as it is compared: characters that are no words stand apart from each other, so that each counts.
    fn formed(&self, text: &str) -> String {
        match self.text {
            None => text.to_owned(),
            Some(TextForm::Characters) => {
                let characters = TextForm::Characters.normalise(text);
                characters.chars().map(String::from).collect::<Vec<_>>().join(" ")
            }
            Some(form) => form.normalise(text),
        }
    }
}

impl WordsReport {
    /// Errors in words.
    pub fn words(&self) -> ErrorCounts {
        self.utterances.iter().map(|utterance| utterance.alignment.counts()).sum()
    }

    /// Utterances with an error.
    pub fn wrong(&self) -> usize {
        self.utterances.iter().filter(|utterance| utterance.alignment.counts().errors() > 0).count()
    }
}

impl fmt::Display for WordsReport {
    /// SpeechBrain's `ErrorRateStats.write_stats`, with a line for the characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, wrong) = (self.utterances.len(), self.wrong());
        writeln!(f, "%WER {}", Rate(self.words()))?;
        writeln!(f, "%CER {}", Rate(self.characters))?;
        writeln!(f, "%SER {:.2} [ {wrong} / {count} ]", 100.0 * wrong as f64 / count.max(1) as f64)?;
        writeln!(f, "Scored {count} sentences, {} not present in hyp.", self.absent)?;
        if !self.alignments {
            return Ok(());
        }
        let rule = "=".repeat(80);
        writeln!(f, "{rule}\nALIGNMENTS\n\nFormat:\n<utterance-id>, WER DETAILS")?;
        // Theirs shows all kinds of edits, which no alignment with the fewest would.
        let [and, reference, hypothesis, on, the, first, third, line] =
            ["and", "reference", "hypothesis", "on", "the", "first", "third", "line"].map(str::to_owned);
        let example = Alignment {
            edits: vec![
                Edit::Insertion(and),
                Edit::Substitution(reference, hypothesis),
                Edit::Hit(on),
                Edit::Hit(the),
                Edit::Substitution(first, third),
                Edit::Deletion(line),
            ],
        };
        write!(f, "{}", Lines(&example))?;
        for Utterance { id, alignment } in &self.utterances {
            writeln!(f, "{rule}\n{id}, %WER {}", Rate(alignment.counts()))?;
            write!(f, "{}", Lines(alignment))?;
        }
        Ok(())
    }
}

/// `12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]`
struct Rate(ErrorCounts);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(counts) = self;
        let ErrorCounts { substitutions, deletions, insertions, .. } = counts;
        let (rate, errors, units) = (100.0 * counts.rate(), counts.errors(), counts.reference());
        write!(f, "{rate:.2} [ {errors} / {units}, {insertions} ins, {deletions} del, {substitutions} sub ]")
    }
}

/// Three lines: reference, kinds of edits, hypothesis.
struct Lines<'a>(&'a Alignment);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = [const { Vec::new() }; 3];
        for edit in &self.0.edits {
            let place = match edit {
                Edit::Hit(word) => [word, "=", word],
                Edit::Substitution(wanted, found) => [wanted, "S", found],
                Edit::Deletion(wanted) => [wanted, "D", EMPTY],
                Edit::Insertion(found) => [EMPTY, "I", found],
            };
            let width = place.iter().map(|text| text.chars().count()).max().unwrap_or_default();
            lines.iter_mut().zip(place).for_each(|(line, text)| line.push(centred(text, width)));
        }
        lines.iter().try_for_each(|line| writeln!(f, "{}", line.join(SEPARATOR)))
    }
}

/// Python's `str.center`: of an odd number of spaces, the one left over stands before the text where the width is odd.
fn centred(text: &str, width: usize) -> String {
    let spaces = width - text.chars().count();
    let before = spaces / 2 + (spaces & width & 1);
    format!("{}{text}{}", " ".repeat(before), " ".repeat(spaces - before))
}
