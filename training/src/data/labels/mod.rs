//! Classes and their numbers, in the text form of SpeechBrain's label encoders (`dataio/encoder.py`).

mod literal;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use rejoinder_models::text::{BLANK, Tokenizer, UNKNOWN, WORD_BOUNDARY};

use crate::{Error, Result};

pub use literal::Label;

/// The file of a run folder with the classes of its net.
pub const LABELS: &str = "label_encoder.txt";

const VALUE: &str = " => ";
const EXTRAS: &str = "================";

/// Labels that mean something else than themselves, by their names in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Special {
    /// Stands for every label that is not known.
    Unknown,
    /// Begins a sequence.
    Begin,
    /// Ends a sequence.
    End,
    /// What CTC gives between labels.
    Blank,
}

impl Special {
    const ALL: [(Self, &str); 4] = [
        (Self::Unknown, "unk_label"),
        (Self::Begin, "bos_label"),
        (Self::End, "eos_label"),
        (Self::Blank, "blank_label"),
    ];
}

/// Labels and their numbers: what SpeechBrain's `CategoricalEncoder`, `TextEncoder` and `CTCTextEncoder` keep, and their
/// file, in which each label stands as a Python literal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelEncoder {
    /// In the order in which they came, which is that of the file.
    labels: Vec<Label>,
    numbers: HashMap<Label, usize>,
    by_number: BTreeMap<usize, Label>,
    starting_index: usize,
    specials: BTreeMap<Special, Label>,
}

impl LabelEncoder {
    /// No labels yet; the first gets this number.
    pub fn starting_at(starting_index: usize) -> Self {
        Self { starting_index, ..Self::default() }
    }

    /// The number of labels.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Whether the numbers go without a gap from the first.
    pub fn is_continuous(&self) -> bool {
        self.by_number.keys().copied().eq(self.starting_index..self.starting_index + self.len())
    }

    /// Gives each label that has no number the next that is free.
    pub fn update<L: Into<Label>>(&mut self, labels: impl IntoIterator<Item = L>) {
        for label in labels {
            let label = label.into();
            if !self.numbers.contains_key(&label) {
                let next = self.next();
                self.set(label, next);
            }
        }
    }

    /// Gives a label this number. One that has the number gets the next that is free.
    pub fn enforce(&mut self, label: impl Into<Label>, number: usize) {
        let label = label.into();
        match self.numbers.get(&label) {
            Some(old) if *old == number => return,
            Some(old) => drop(self.by_number.remove(&old.clone())),
            None => {}
        }
        let moved = self.by_number.get(&number).cloned();
        self.set(label, number);
        if let Some(moved) = moved {
            let next = self.next();
            self.set(moved, next);
        }
    }

    /// Adds a label with a meaning of its own, at a number or at the next that is free.
    pub fn add_special(&mut self, special: Special, label: impl Into<Label>, number: Option<usize>) {
        let label = label.into();
        match number {
            Some(number) => self.enforce(label.clone(), number),
            None => self.update([label.clone()]),
        }
        self.specials.insert(special, label);
    }

    /// The label with a meaning of its own.
    pub fn special(&self, special: Special) -> Option<&Label> {
        self.specials.get(&special)
    }

    /// The number of a label, or where it is not known that of the unknown.
    ///
    /// # Errors
    /// [`Error::Data`] for a label that is not known, where nothing stands for such.
    pub fn encode(&self, label: &Label) -> Result<usize> {
        let number = self.known(label).or_else(|| self.known(self.special(Special::Unknown)?));
        number.ok_or_else(|| Error::data(format!("label {label}"), "expected one of those that are known"))
    }

    /// The number of a label that is known.
    pub fn known(&self, label: &Label) -> Option<usize> {
        self.numbers.get(label).copied()
    }

    /// The label of a number.
    pub fn decode(&self, number: usize) -> Option<&Label> {
        self.by_number.get(&number)
    }

    /// The labels in the order of their numbers.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.by_number.values()
    }

    fn next(&self) -> usize {
        (self.starting_index..).find(|number| !self.by_number.contains_key(number)).unwrap_or(usize::MAX)
    }

    fn set(&mut self, label: Label, number: usize) {
        if self.numbers.insert(label.clone(), number).is_none() {
            self.labels.push(label.clone());
        }
        self.by_number.insert(number, label);
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Data`] with the line that breaks the form.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text).map_err(|(line, reason)| Error::data(format!("{} line {line}", path.display()), reason))
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut encoder = Self::default();
        let mut extras = false;
        for (line, text) in (1..).zip(text.lines()) {
            if text == EXTRAS {
                extras = true;
                continue;
            }
            let wrong = |reason: &str| (line, format!("expected {reason}, found `{text}`"));
            let (label, rest) = Label::parse(text.trim()).map_err(|reason| wrong(&reason))?;
            let value = rest.strip_prefix(VALUE).ok_or_else(|| wrong("a label, ` => ` and its number"))?;
            let number = || value.parse::<usize>().map_err(|_| wrong("a number from 0 on"));
            if !extras {
                let number = number()?;
                if encoder.numbers.contains_key(&label) || encoder.by_number.contains_key(&number) {
                    return Err(wrong("a label and a number that stand once"));
                }
                encoder.set(label, number);
                continue;
            }
            let Label::Text(name) = label else { return Err(wrong("a name")) };
            if name == "starting_index" {
                encoder.starting_index = number()?;
            } else if let Some((special, _)) = Special::ALL.into_iter().find(|(_, known)| *known == name) {
                let (label, _) = Label::parse(value).map_err(|reason| wrong(&reason))?;
                encoder.specials.insert(special, label);
            }
        }
        match extras {
            true => Ok(encoder),
            false => Err((text.lines().count(), format!("expected a line `{EXTRAS}` after the labels, found none"))),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_text()).map_err(|e| Error::io(path, e))
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for label in &self.labels {
            let _ = writeln!(text, "{label}{VALUE}{}", self.numbers[label]);
        }
        let _ = writeln!(text, "{EXTRAS}\n'starting_index'{VALUE}{}", self.starting_index);
        for (special, name) in Special::ALL {
            if let Some(label) = self.special(special) {
                let _ = writeln!(text, "'{name}'{VALUE}{label}");
            }
        }
        text
    }

    /// Classes, numbered from 0 in this order.
    pub fn classes<'a>(names: impl IntoIterator<Item = &'a String>) -> Self {
        let mut encoder = Self::default();
        encoder.update(names.into_iter().map(String::as_str));
        encoder
    }

    /// The names of classes that are numbered from 0 on.
    ///
    /// # Errors
    /// [`Error::Data`] when they are numbered otherwise, or are no texts.
    pub fn names(&self) -> Result<Vec<String>> {
        if self.starting_index != 0 || !self.is_continuous() {
            return Err(Error::data("classes", "expected numbers from 0 on without a gap"));
        }
        let name = |label: &Label| match label {
            Label::Text(name) => Ok(name.clone()),
            other => Err(Error::data("classes", format!("expected texts, found {other}"))),
        };
        self.labels().map(name).collect()
    }

    /// The tokens of a recogniser, under the same numbers: of characters, or where a label has several, such as a phone's, of whole
    /// words. Where all letters are capitals they become small, since that is how transcripts are written here.
    ///
    /// # Errors
    /// [`Error::Data`] for a blank whose number is not 0, or a space among words.
    pub fn tokens(&self) -> Result<Tokenizer> {
        let names = self.names()?;
        let special = |name: &String| self.specials.iter().find(|(_, label)| **label == Label::Text(name.clone()));
        let spoken = || names.iter().filter(|name| special(name).is_none());
        let are_words = spoken().any(|name| name.chars().count() > 1);
        let capitals = !spoken().any(|name| name.chars().any(char::is_lowercase));
        if self.special(Special::Blank).and_then(|label| self.known(label)) != Some(0) {
            return Err(Error::data("tokens", "expected a blank with the number 0"));
        }
        let piece = |name: &String| match (special(name), name.as_str()) {
            (Some((Special::Blank, _)), _) => Ok(BLANK.to_owned()),
            (Some((Special::Unknown, _)), _) => Ok(UNKNOWN.to_owned()),
            (Some((Special::Begin, _)), _) => Ok("<s>".to_owned()),
            (Some((Special::End, _)), _) => Ok("</s>".to_owned()),
            (None, name) if are_words && name.contains(char::is_whitespace) => {
                Err(Error::data("tokens", format!("expected single characters or words, found `{name}` beside words")))
            }
            (None, " ") => Ok(WORD_BOUNDARY.to_string()),
            (None, name) => {
                let name = if capitals { name.to_lowercase() } else { name.to_owned() };
                Ok(if are_words { format!("{WORD_BOUNDARY}{name}") } else { name })
            }
        };
        let pieces = names.iter().map(piece).collect::<Result<Vec<_>>>()?;
        match are_words {
            true => Ok(Tokenizer::unigram(pieces.into_iter().map(|piece| (piece, 0.0)).collect())?),
            false => Ok(Tokenizer::new(pieces)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(name: &str) -> String {
        std::fs::read_to_string(format!("{}/tests/golden/labels/{name}.txt", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn files_are_those_of_speechbrain() {
        for name in ["speakers", "mixed", "characters", "phones"] {
            let read = LabelEncoder::parse(&golden(name)).unwrap();
            assert_eq!(read.to_text(), golden(name), "{name}");
        }
        let mut speakers = LabelEncoder::starting_at(2);
        speakers.update(["id10270", "id10001", "id10270", "o'neil", "say \"hi\"", "both ' and \""]);
        speakers.update([
            "tab\there",
            "back\\slash",
            "说话人",
            "nul\0 \x7f\u{a0}\u{200b}\u{e000}\u{1f3e0}",
            "e\u{301}",
        ]);
        speakers.add_special(Special::Unknown, "<unk>", None);
        speakers.enforce("first", 2);
        assert_eq!(speakers.to_text(), golden("speakers"));
        let mut phones = LabelEncoder::default();
        phones.add_special(Special::Begin, "<bos>", Some(0));
        phones.add_special(Special::End, "<eos>", Some(1));
        phones.update(["sil", "ah", "b", "b", "sil"]);
        assert_eq!(phones.to_text(), golden("phones"));
        let mut characters = LabelEncoder::default();
        characters.add_special(Special::Blank, "<blank>", Some(0));
        characters.update("the cat's".chars().chain("mat".chars()).map(String::from));
        characters.add_special(Special::Unknown, "<unk>", None);
        assert_eq!(characters.to_text(), golden("characters"));
    }

    #[test]
    fn labels_and_numbers_go_both_ways() {
        let encoder = LabelEncoder::parse(&golden("speakers")).unwrap();
        for label in encoder.labels() {
            assert_eq!(encoder.decode(encoder.encode(label).unwrap()), Some(label));
        }
        assert_eq!(encoder.encode(&"nobody".into()).unwrap(), 12);
        assert!(encoder.is_continuous() && encoder.names().is_err());
        let strict = LabelEncoder::parse(&golden("mixed")).unwrap();
        assert!(strict.encode(&"nobody".into()).unwrap_err().to_string().contains("'nobody'"));
        assert_eq!(strict.encode(&"7".into()).unwrap(), 6);
        assert_eq!(strict.encode(&Label::Integer(7)).unwrap(), 0);
        let names = ["b".to_owned(), "a => c".to_owned()];
        let classes = LabelEncoder::classes(&names);
        assert_eq!(LabelEncoder::parse(&classes.to_text()).unwrap().names().unwrap(), names);
    }

    #[test]
    fn a_number_that_is_taken_moves_who_had_it() {
        let mut encoder = LabelEncoder::default();
        encoder.update(["a", "b", "c"]);
        encoder.enforce("c", 0);
        let numbers = ["a", "b", "c"].map(|label| encoder.known(&label.into()).unwrap());
        assert_eq!(numbers, [2, 1, 0]);
        assert_eq!(encoder.len(), 3);
        assert!(encoder.is_continuous());
    }

    #[test]
    fn characters_are_tokens() {
        let tokens = LabelEncoder::parse(&golden("characters")).unwrap().tokens().unwrap();
        assert_eq!(tokens.encode("the cat"), [1, 2, 3, 4, 5, 6, 1]);
        assert_eq!(tokens.decode(&[1, 2, 3, 4, 5, 0, 6, 1]), "the cat");
        let capitals = golden("characters").replace("'t'", "'T'").to_uppercase();
        let capitals = capitals.replace("STARTING_INDEX", "starting_index").replace("_LABEL", "_label");
        let capitals = capitals.replace("UNK_", "unk_").replace("BLANK_", "blank_");
        assert_eq!(LabelEncoder::parse(&capitals).unwrap().tokens().unwrap().encode("the cat"), [1, 2, 3, 4, 5, 6, 1]);
        assert!(LabelEncoder::parse(&golden("phones")).unwrap().tokens().is_err());
    }

    #[test]
    fn broken_lines_are_named() {
        for (text, line, wanted) in [
            ("'a' => 0\n'a' => 1\n", 2, "stand once"),
            ("'a' => 0\n'b' => 0\n", 2, "stand once"),
            ("'a' => x\n", 1, "number"),
            ("'a\n", 1, "quotation mark"),
            ("'a' => 0\n", 1, EXTRAS),
            ("0.5 => 0\n", 1, " => "),
            ("[1] => 0\n", 1, "text, a whole number"),
        ] {
            let (found, reason) = LabelEncoder::parse(text).unwrap_err();
            assert!(found == line && reason.contains(wanted), "{text:?}: line {found}, {reason}");
        }
    }
}
