//! Cuts a reply that is still being written into pieces to be spoken.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::streaming::Streaming;
use crate::{Error, Result};

use super::markup::Markup;
use super::normalize::tables::{ABBREVIATIONS, BEFORE_NUMBER, COUNTRIES, Stop, UNITS};

/// Where a reply is cut.
///
/// A sentence's end always cuts. A comma, semicolon, colon or dash cuts only a clause that is long enough, and the
/// first clause needs the least, so that speech begins early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClauseConfig {
    /// The fewest characters of the first clause when it ends within a sentence.
    pub first_min_chars: usize,
    /// The fewest characters of a later clause when it ends within a sentence.
    pub min_chars: usize,
    /// The most characters of a clause; a longer one is cut between words.
    pub max_chars: usize,
}

impl Default for ClauseConfig {
    fn default() -> Self {
        Self { first_min_chars: 10, min_chars: 80, max_chars: 300 }
    }
}

impl ClauseConfig {
    /// Checks that clauses can come out.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a longest clause without characters.
    pub fn check(&self) -> Result<()> {
        match self.max_chars {
            0 => Err(Error::invalid("max_chars", "1 or more", 0)),
            _ => Ok(()),
        }
    }
}

/// A piece of a reply, to be spoken as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The text without markup and emoji, with single spaces.
    pub text: String,
    /// The bytes of the reply that it stands for, without space around it.
    pub source: Range<usize>,
}

/// Cuts text into clauses as it comes. Markdown's marks, links' addresses, code blocks and emoji are left out.
///
/// A full stop is judged by what follows it, so a clause comes out with the first character of the next one, or at
/// the flush. Offsets count from the beginning of the reply; a flush begins a new one.
#[derive(Clone, Debug)]
pub struct ClauseStream {
    config: ClauseConfig,
    markup: Markup,
    position: usize,
    open: Vec<(char, Range<usize>)>,
    undecided: Option<Undecided>,
    spoken: usize,
}

/// A full stop that ends a sentence or not, as the next character will show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undecided {
    UnlessDigit,
    IfUpper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    Within,
    Sentence,
    Open(Undecided),
}

impl ClauseStream {
    /// A stream at the beginning of a reply.
    pub fn new(config: ClauseConfig) -> Self {
        let (markup, open) = (Markup::default(), Vec::new());
        Self { config, markup, position: 0, open, undecided: None, spoken: 0 }
    }

    fn take(&mut self, c: char, source: Range<usize>, out: &mut Vec<Clause>) {
        if c == '\n' {
            self.undecided = None;
            return self.emit(self.open.len(), out);
        }
        if c.is_whitespace() {
            if self.open.last().is_none_or(|(last, _)| last.is_whitespace()) {
                return;
            }
            let end = self.end();
            self.open.push((' ', source));
            return match end {
                End::Sentence => self.emit(self.open.len(), out),
                End::Within if self.long_enough() => self.emit(self.open.len(), out),
                End::Open(undecided) => self.undecided = Some(undecided),
                End::Within | End::None => {}
            };
        }
        match self.undecided.take() {
            Some(Undecided::UnlessDigit) if !c.is_ascii_digit() => self.emit(self.open.len(), out),
            Some(Undecided::IfUpper) if c.is_uppercase() => self.emit(self.open.len(), out),
            _ => {}
        }
        self.open.push((c, source));
        if matches!(c, '—' | '。' | '！' | '？') && self.long_enough() {
            self.emit(self.open.len(), out);
        } else if self.open.len() >= self.config.max_chars.max(1) {
            let space = self.open.iter().rposition(|(c, _)| c.is_whitespace());
            self.emit(space.map_or(self.open.len(), |at| at + 1), out);
        }
    }

    fn long_enough(&self) -> bool {
        let least = if self.spoken == 0 { self.config.first_min_chars } else { self.config.min_chars };
        let space = self.open.last().is_some_and(|(c, _)| c.is_whitespace());
        self.open.len() - usize::from(space) >= least
    }

    /// What the end of the open text is, given that a space follows.
    fn end(&self) -> End {
        let closing = |c: &char| matches!(c, '"' | '\'' | '”' | '’' | ')' | ']' | '»');
        let text: Vec<char> = self.open.iter().map(|(c, _)| *c).collect();
        let length = text.iter().rposition(|c| !closing(c)).map_or(0, |at| at + 1);
        match text[..length].last() {
            Some('!' | '?' | '…' | '。' | '！' | '？') => End::Sentence,
            Some(',' | ';' | ':' | '—' | '–') => End::Within,
            Some('.') => full_stop(&text[..length]),
            _ => End::None,
        }
    }

    /// Gives out the first `length` characters of the open text.
    fn emit(&mut self, length: usize, out: &mut Vec<Clause>) {
        let characters: Vec<(char, Range<usize>)> = self.open.drain(..length).collect();
        let first = characters.iter().position(|(c, _)| !c.is_whitespace());
        let last = characters.iter().rposition(|(c, _)| !c.is_whitespace());
        let (Some(first), Some(last)) = (first, last) else { return };
        if !characters.iter().any(|(c, _)| c.is_alphanumeric()) {
            return;
        }
        let text = characters[first..=last].iter().map(|(c, _)| *c).collect();
        self.spoken += 1;
        out.push(Clause { text, source: characters[first].1.start..characters[last].1.end });
    }
}

/// What a full stop at the end of `text` is.
fn full_stop(text: &[char]) -> End {
    let start = text.iter().rposition(|c| c.is_whitespace()).map_or(0, |at| at + 1);
    let word: String = text[start..text.len() - 1].iter().skip_while(|c| !c.is_alphanumeric()).collect();
    let lower = word.to_lowercase();
    let digits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let letters = |word: &str| word.split('.').all(|part| part.chars().count() == 1 && part != "I");
    let degree = |word: &str| word.split('.').all(|part| (1..=2).contains(&part.chars().count()));
    let counted = text[..start].iter().rev().find(|c| !c.is_whitespace()).is_some_and(char::is_ascii_digit);
    if digits && word.len() <= 2 && start == 0 {
        // The number of a list's item, which opens its line.
        return End::None;
    }
    if BEFORE_NUMBER.iter().any(|(short, _)| *short == lower) {
        return End::Open(Undecided::UnlessDigit);
    }
    match ABBREVIATIONS.iter().find(|(short, ..)| *short == lower) {
        Some((_, _, Stop::Never)) => End::None,
        Some((_, _, Stop::Maybe)) => End::Open(Undecided::IfUpper),
        None if COUNTRIES.contains(&word.as_str()) => End::None,
        None if word.contains('.') && degree(&word) => End::Open(Undecided::IfUpper),
        None if counted && UNITS.iter().any(|(unit, ..)| *unit == word) => End::Open(Undecided::IfUpper),
        None if word.chars().all(char::is_uppercase) && letters(&word) => End::None,
        None => End::Sentence,
    }
}

impl Streaming for ClauseStream {
    type Input = str;
    type Output = Vec<Clause>;

    fn push(&mut self, input: &str, out: &mut Vec<Clause>) -> Result<()> {
        for c in input.chars() {
            let source = self.position..self.position + c.len_utf8();
            self.position = source.end;
            for (c, source) in self.markup.filter(c, source).into_iter().flatten() {
                self.take(c, source, out);
            }
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<Clause>) -> Result<()> {
        if let Some((c, source)) = self.markup.finish() {
            self.take(c, source, out);
        }
        self.emit(self.open.len(), out);
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        *self = Self::new(self.config);
    }

    /// The longest clause, in bytes of plain text; markup that is left out may come on top.
    fn delay(&self) -> usize {
        self.config.max_chars * 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<Clause> {
        let mut stream = ClauseStream::new(ClauseConfig::default());
        let mut out = Vec::new();
        stream.push(text, &mut out).unwrap();
        stream.flush(&mut out).unwrap();
        out
    }

    fn texts(text: &str) -> Vec<String> {
        split(text).into_iter().map(|clause| clause.text).collect()
    }

    #[test]
    fn sentences_are_cut_and_abbreviations_are_not() {
        for (text, expected) in [
            ("It is 3.5 miles. Dr. Smith walks.", vec!["It is 3.5 miles.", "Dr. Smith walks."]),
            ("Meet at 5 p.m. Bring Mr. T. Lee!", vec!["Meet at 5 p.m.", "Bring Mr. T. Lee!"]),
            ("Meet at 5 p.m. or so? Yes.", vec!["Meet at 5 p.m. or so?", "Yes."]),
            ("No. 5 is best. No. Really.", vec!["No. 5 is best.", "No.", "Really."]),
            ("He said \"stop!\" Then (he left.) Good", vec!["He said \"stop!\"", "Then (he left.)", "Good"]),
            ("It costs $1,000. OK", vec!["It costs $1,000.", "OK"]),
            ("one\ntwo\n\nthree", vec!["one", "two", "three"]),
            ("1. Milk\n2. Eggs", vec!["1. Milk", "2. Eggs"]),
            ("Add 5 oz. of flour. Stir.", vec!["Add 5 oz. of flour.", "Stir."]),
            ("She has a Ph.D. in physics. The U.S. Army", vec!["She has a Ph.D. in physics.", "The U.S. Army"]),
            ("... !? \n -- ", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_first_clause_goes_out_early() {
        let reply = "Of course, one iced mocha with oat milk, coming right up.";
        assert_eq!(texts(reply), ["Of course,", "one iced mocha with oat milk, coming right up."]);
        let mut stream = ClauseStream::new(ClauseConfig::default());
        let mut out = Vec::new();
        stream.push("Sure thing. ", &mut out).unwrap();
        assert_eq!(out.len(), 1);
        let long = "word ".repeat(100);
        assert!(split(&long).iter().all(|clause| clause.text.len() <= 300));
        assert_eq!(texts(&"x".repeat(700)).iter().map(String::len).collect::<Vec<_>>(), [300, 300, 100]);
    }

    #[test]
    fn markup_and_emoji_are_left_out() {
        for (text, expected) in [
            ("**Sure!** 😀 See [the _site_](http://a.b/c.d?e) now 👍🏽.", vec!["Sure!", "See the site now ."]),
            ("# Title\n- one\n* two\n+ -5", vec!["Title", "one", "two", "-5"]),
            ("Run `ls`.\n```sh\nls -l\n```\nDone.", vec!["Run ls.", "Done."]),
            ("> quoted -- text", vec!["quoted -- text"]),
            ("a snake_case word [1]", vec!["a snake case word 1"]),
            ("12*7 is 5 * 3, 5~10 min, **5** and 2 *very* 3", vec!["12×7 is 5 × 3,", "5–10 min, 5 and 2 very 3"]),
            ("| tea | milk |\n* 5 * 6", vec!["tea milk", "5 × 6"]),
        ] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_chunking_equals_the_whole(
            text in "([a-zA-Z]{1,6}|[0-9.,!?:*~|_`#\\[\\]()—\n -]|Dr\\. |No\\. |p\\.m\\. |[😀é])*",
            cuts in prop::collection::vec(0usize..20, 0..30),
        ) {
            let whole = split(&text);
            let config = ClauseConfig::default();
            let mut stream = ClauseStream::new(config);
            let mut out = Vec::new();
            let mut characters = text.chars();
            for cut in cuts {
                stream.push(&characters.by_ref().take(cut).collect::<String>(), &mut out).unwrap();
            }
            stream.push(characters.as_str(), &mut out).unwrap();
            stream.flush(&mut out).unwrap();
            prop_assert_eq!(&out, &whole);
            let mut end = 0;
            for clause in &whole {
                prop_assert!(clause.source.start >= end && text.get(clause.source.clone()).is_some());
                prop_assert!(clause.text.chars().count() <= config.max_chars);
                end = clause.source.end;
            }
        }
    }
}
