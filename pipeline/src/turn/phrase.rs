use rejoinder_models::text::character_errors;

/// The share of a phrase's letters that a recogniser may get wrong.
const TOLERANCE: f64 = 0.2;

/// A phrase that is looked for in a transcript, such as one that opens a conversation. It hears no better than the
/// recogniser; a keyword spotter may.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    words: usize,
    letters: String,
}

impl Phrase {
    /// A phrase; none for text without words.
    pub fn new(text: &str) -> Option<Self> {
        let words = spans(text);
        let letters: String = words.iter().map(|(_, word)| word.as_str()).collect();
        (!letters.is_empty()).then_some(Self { words: words.len(), letters })
    }

    /// The byte of `text` after the first place that sounds like the phrase. One letter in five may differ, and words
    /// may be cut elsewhere.
    pub fn end_in(&self, text: &str) -> Option<usize> {
        self.find(text).map(|(_, end)| end)
    }

    /// The number of the word at which the first such place begins, and the byte after it.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let words = spans(text);
        let lengths = self.words.saturating_sub(1).max(1)..=self.words + 1;
        let places = (0..words.len()).flat_map(|from| lengths.clone().map(move |length| (from, length)));
        let mut fits = places.filter_map(|(from, length)| {
            let place = words.get(from..from + length)?;
            let letters: String = place.iter().map(|(_, word)| word.as_str()).collect();
            let rate = character_errors(&self.letters, &letters).rate();
            (rate <= TOLERANCE).then_some((from, rate, place.last()?.0))
        });
        let first = fits.next()?;
        let best = fits.take_while(|fit| fit.0 == first.0).fold(first, |a, b| if b.1 < a.1 { b } else { a });
        Some((best.0, best.2))
    }

    /// What follows the phrase in `text`; all of it where the phrase is missing.
    pub fn strip<'a>(&self, text: &'a str) -> &'a str {
        after(text, self.end_in(text))
    }

    /// What follows the phrase where `text` begins with it, else all of it.
    pub fn strip_start<'a>(&self, text: &'a str) -> &'a str {
        after(text, self.find(text).filter(|(first, _)| *first == 0).map(|(_, end)| end))
    }
}

/// Whether `word` is one word as [`spans`] cuts them.
pub(crate) fn is_spoken_word(word: &str) -> bool {
    matches!(spans(word).as_slice(), [(_, plain)] if plain == word)
}

/// What of `text` comes after a byte, from its first letter on; all of it for none.
fn after(text: &str, end: Option<usize>) -> &str {
    text[end.unwrap_or(0)..].trim_start_matches(|c: char| !c.is_alphanumeric())
}

/// The words of a text in lower case, without marks, each with the byte after it.
pub(super) fn spans(text: &str) -> Vec<(usize, String)> {
    let mut at = 0;
    let mut found = Vec::new();
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let plain: String = word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        if !plain.is_empty() {
            found.push((at + word.len(), plain));
        }
        at += piece.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_where_it_sounds_alike_and_nowhere_else() {
        let phrase = Phrase::new("Hey, Rejoinder!").unwrap();
        for (text, rest) in [
            ("hey rejoinder what time is it", "what time is it"),
            ("well hey re joinder, stop", "stop"),
            ("hey rejoiner", ""),
            ("hay rejoinder hey rejoinder go", "hey rejoinder go"),
        ] {
            assert!(phrase.end_in(text).is_some(), "{text}");
            assert_eq!(phrase.strip(text), rest);
        }
        for text in ["", "hey", "the rejoicing went on", "hey there what time is it"] {
            assert_eq!(phrase.end_in(text), None, "{text}");
            assert_eq!(phrase.strip(text), text);
        }
        assert_eq!(Phrase::new(" ?! "), None);
    }
}
