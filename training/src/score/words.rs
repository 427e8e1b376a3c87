use std::fmt;
use std::path::{Path, PathBuf};

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
        let utterances = references.lines.iter().zip(heard);
        let utterances =
            utterances.map(|((id, reference), text)| (id.as_str(), reference.as_str(), text.unwrap_or_default()));
        Ok(WordsReport { absent, alignments: self.alignments, ..WordsReport::of(self.text, utterances) })
    }
}

/// The text as it is compared: characters that are no words stand apart from each other, so that each counts.
fn formed(form: Option<TextForm>, text: &str) -> String {
    match form {
        None => text.to_owned(),
        Some(TextForm::Characters) => {
            let characters = TextForm::Characters.normalise(text);
            characters.chars().map(String::from).collect::<Vec<_>>().join(" ")
        }
        Some(form) => form.normalise(text),
    }
}

impl WordsReport {
    /// What was heard of utterances, of each its name, what was said and what was heard, in this form; with alignments.
    pub fn of<'a>(form: Option<TextForm>, utterances: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Self {
        let mut report =
            Self { utterances: Vec::new(), characters: ErrorCounts::default(), absent: 0, alignments: true };
        for (id, said, heard) in utterances {
            let [said, heard] = [said, heard].map(|text| formed(form, text));
            report.characters += character_errors(&said, &heard);
            report.utterances.push(Utterance { id: id.to_owned(), alignment: word_alignment(&said, &heard) });
        }
        report
    }

    /// Writes the report into a folder as `wer_TEST_WAY.txt`, as SpeechBrain's recipes name it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, folder: &Path, test: &str, way: &str) -> Result<()> {
        let letter = |c: char| if c.is_alphanumeric() || c == '.' { c } else { '-' };
        let [test, way] = [test, way].map(|name| {
            let name: String = name.chars().map(letter).collect();
            name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
        });
        let path = folder.join(format!("wer_{test}_{way}.txt"));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, self.to_string()))
            .map_err(|e| Error::io(&path, e))
    }

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
