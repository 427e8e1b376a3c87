//! English text as it is spoken: numbers, times, money, units and abbreviations become words.
//!
//! One engine serves the references of recognition, the text of language models and the front end of synthesis; they
//! differ in letter case, in whether the marks of a pause stay, and in whether capitals are spelled.

mod expand;
pub(crate) mod numbers;
pub(crate) mod tables;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use expand::{Lexeme, expand};

/// The letter case of normalised text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// `hello`.
    #[default]
    Lower,
    /// `HELLO`.
    Upper,
}

/// What becomes of punctuation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Punctuation {
    /// All of it goes; apostrophes within words stay.
    #[default]
    Drop,
    /// The marks of a pause stay, behind their word: `. , ? ! ; :`.
    Pauses,
}

/// How text is normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NormalizeConfig {
    /// The letter case of the result.
    pub case: Case,
    /// What becomes of punctuation.
    pub punctuation: Punctuation,
    /// Whether a word of capitals without a vowel is spelled: `BBC` as `b b c`. Text that is all capitals is let be.
    pub spell_capitals: bool,
}

impl NormalizeConfig {
    /// For references of recognition and text of language models: lower case, words only.
    pub const fn recognition() -> Self {
        Self { case: Case::Lower, punctuation: Punctuation::Drop, spell_capitals: false }
    }

    /// For synthesis: lower case, pauses stay, capitals are spelled.
    pub const fn speech() -> Self {
        Self { case: Case::Lower, punctuation: Punctuation::Pauses, spell_capitals: true }
    }
}

/// The spoken form of one written word, or of several that are spoken as one whole such as `4 million`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The words, lower case or as configured, separated by spaces.
    pub words: String,
    /// The bytes of the text that they stand for, with adjoining punctuation.
    pub source: Range<usize>,
    /// The mark of the pause after them, one of `. , ? ! ; :`.
    pub pause: Option<char>,
    /// Whether the words are the names of letters.
    pub spelled: bool,
}

/// Normalises `text` into words separated by single spaces.
///
/// Characters outside English, such as emoji or other scripts, are dropped.
pub fn normalize(text: &str, config: &NormalizeConfig) -> String {
    let mut out = String::new();
    for item in spoken(text, config) {
        if !out.is_empty() && !item.words.is_empty() {
            out.push(' ');
        }
        out.push_str(&item.words);
        if let Some(pause) = item.pause.filter(|_| config.punctuation == Punctuation::Pauses) {
            // Punctuation that stands alone belongs to the word before it; two marks at one place are one pause.
            if out.ends_with(|c: char| c.is_alphanumeric() || c == '\'') {
                out.push(pause);
            }
        }
    }
    out
}

/// Normalises `text`, keeping for each piece where it stood. Pieces are in order and do not overlap; one with empty
/// `words` is punctuation that stands alone.
pub fn spoken(text: &str, config: &NormalizeConfig) -> Vec<Spoken> {
    let lexemes = lexemes(text);
    let shouted = !text.contains(char::is_lowercase);
    let mut out = Vec::new();
    let mut at = 0;
    while at < lexemes.len() {
        let previous = at.checked_sub(1).map(|before| &lexemes[before]);
        let expansion = expand(previous, &lexemes[at..], config.spell_capitals && !shouted);
        let last = at + expansion.taken.max(1) - 1;
        let words = match config.case {
            Case::Lower => expansion.words,
            Case::Upper => expansion.words.to_uppercase(),
        };
        let pause = expansion.pause;
        if !words.is_empty() || pause.is_some() {
            let source = lexemes[at].source.start..lexemes[last].source.end;
            out.push(Spoken { words, source, pause, spelled: expansion.spelled });
        }
        at = last + 1;
    }
    out
}

/// Cuts text at white space and dashes and folds it to ASCII where it can be.
fn lexemes(text: &str) -> Vec<Lexeme> {
    let mut out: Vec<Lexeme> = Vec::new();
    let mut current = Lexeme::default();
    let mut finish = |current: &mut Lexeme, end: usize| {
        current.source.end = end;
        let lexeme = std::mem::take(current);
        if !lexeme.text.is_empty() {
            out.push(lexeme);
        }
        current.source = end..end;
    };
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let next = chars.peek().map(|&(_, c)| c);
        let between_digits =
            current.text.ends_with(|c: char| c.is_ascii_digit()) && next.is_some_and(|c| c.is_ascii_digit());
        let dash = c == '—' || c == '–' && !between_digits || c == '-' && next == Some('-');
        if c.is_whitespace() {
            finish(&mut current, at);
            current.source = end..end;
        } else if dash {
            current.text.push('—');
            let mut end = end;
            while let Some((at, _)) = chars.next_if(|&(_, c)| c == '-') {
                end = at + 1;
            }
            finish(&mut current, end);
        } else {
            match tables::fold(c) {
                Some(plain) => current.text.push_str(plain),
                None if c == '–' => current.text.push('-'),
                None if is_combining_mark(c) => {}
                None => decompose_canonical(c, |part| {
                    if !is_combining_mark(part) {
                        current.text.push(part);
                    }
                }),
            }
        }
    }
    finish(&mut current, text.len());
    out
}

#[cfg(test)]
mod tests;
