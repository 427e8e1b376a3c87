//! Transcripts: what recognisers are trained on and scored against.

use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// The text of a file, plain or gzipped. Bytes that are no UTF-8 become U+FFFD.
///
/// # Errors
/// A file that cannot be read or unpacked.
pub(crate) fn read(path: &Path) -> Result<String> {
    let mut bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let packed = std::mem::take(&mut bytes);
        let unpacked = flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut bytes);
        unpacked.map_err(|e| Error::io(path, e))?;
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo): the same on every machine, for what is held out by chance.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Abbreviations that readers say in full.
const SPOKEN: [(&str, &str); 6] = [
    ("mr", "mister"),
    ("mrs", "missus"),
    ("dr", "doctor"),
    ("etc", "et cetera"),
    ("messrs", "messieurs"),
    ("st", "saint"),
];

/// The words of `text`: lower-case letters and apostrophes, single spaces. Hyphens and dashes part words, other
/// punctuation goes, abbreviations that end in a full stop are said in full.
///
/// `None` when no word is left, or a character stands for words that only a reader knows (digits, `&`, `$`).
pub fn words(text: &str) -> Option<String> {
    let mut words = Vec::new();
    for token in part(text).split_whitespace() {
        let mut word = String::new();
        for c in token.chars() {
            match c {
                'a'..='z' => word.push(c),
                'A'..='Z' => word.push(c.to_ascii_lowercase()),
                '\'' | '\u{2019}' => word.push('\''),
                'à' | 'á' | 'â' | 'ä' => word.push('a'),
                'è' | 'é' | 'ê' | 'ë' => word.push('e'),
                'ö' | 'ô' => word.push('o'),
                'ü' | 'û' => word.push('u'),
                '.' | ',' | ';' | ':' | '!' | '?' | '"' | '(' | ')' | '[' | ']' | '\u{201c}' | '\u{201d}' => {}
                _ => return None,
            }
        }
        let word = word.trim_matches('\'');
        let full = SPOKEN.iter().find(|(short, _)| *short == word && token.trim_end_matches(',').ends_with('.'));
        let word = full.map_or(word, |(_, full)| full);
        if !word.is_empty() {
            words.push(word.to_owned());
        }
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// Spaces for hyphens, dashes and slashes, and after a mark that ends something inside of a token ("twelve:thirty").
fn part(text: &str) -> String {
    let mut parted = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        parted.push(if matches!(c, '-' | '\u{2010}' | '\u{2013}' | '\u{2014}' | '/') { ' ' } else { c });
        let ends = matches!(c, '.' | ',' | ';' | ':' | '!' | '?');
        if ends && characters.peek().is_some_and(|next| next.is_alphabetic()) {
            parted.push(' ');
        }
    }
    parted
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_letters_and_apostrophes() {
        let cases = [
            (
                "Author of the danger trail, Philip Steels, etc.",
                Some("author of the danger trail philip steels et cetera"),
            ),
            ("WE CALL IT BEAR", Some("we call it bear")),
            ("Typhoid -- did I tell you.", Some("typhoid did i tell you")),
            ("\"Don\u{2019}t,\" said Mr. Low-Brow, 'now'", Some("don't said mister low brow now")),
            ("the twelve:thirty train,then", Some("the twelve thirty train then")),
            ("in 1825", None),
            ("...", None),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text).as_deref(), expected, "{text}");
        }
    }
}
