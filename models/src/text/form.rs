//! What the text of a recogniser is made of: English as it is spoken, words of any script, or characters.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{ErrorCounts, NormalizeConfig, character_errors, normalize, word_errors};

/// How transcripts are normalised, and what is counted of errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextForm {
    /// English letters; numbers and signs as they are spoken ([`NormalizeConfig::recognition`]). Word errors.
    #[default]
    English,
    /// Words of any script, as white space parts them: letters, digits and apostrophes within words. Word errors.
    Words,
    /// Letters and digits of a script that does not part words, such as Chinese: white space goes. Character errors.
    Characters,
}

impl TextForm {
    /// The text as a recogniser learns it.
    ///
    /// But for English, characters are in Unicode's form NFKC (UAX #15) and in lower case; punctuation and signs part words.
    pub fn normalise(self, text: &str) -> String {
        match self {
            Self::English => normalize(text, &NormalizeConfig::recognition()),
            Self::Words => plain_words(text).join(" "),
            Self::Characters => plain_words(text).concat(),
        }
    }

    /// How far a text is from the reference, in what this form counts.
    pub fn errors(self, reference: &str, hypothesis: &str) -> ErrorCounts {
        match self {
            Self::English | Self::Words => word_errors(reference, hypothesis),
            Self::Characters => {
                let joined = |text: &str| text.split_whitespace().collect::<String>();
                character_errors(&joined(reference), &joined(hypothesis))
            }
        }
    }

    /// What is counted.
    pub fn unit(self) -> &'static str {
        match self {
            Self::English | Self::Words => "words",
            Self::Characters => "characters",
        }
    }

    /// The name of the rate of errors: `wer` or `cer`.
    pub fn rate(self) -> &'static str {
        match self {
            Self::English | Self::Words => "wer",
            Self::Characters => "cer",
        }
    }
}

fn plain_words(text: &str) -> Vec<String> {
    let kept = |c: char| match c {
        '\u{2019}' | '\'' => '\'',
        c if c.is_alphanumeric() || is_combining_mark(c) => c,
        _ => ' ',
    };
    let lower: String = text.nfkc().collect::<String>().to_lowercase();
    // A capital may have no composed small letter (UAX #15, section 1.2).
    let text: String = lower.nfkc().map(kept).collect();
    let words = text.split_whitespace().map(|word| word.trim_matches('\'').to_owned());
    words.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_script_stay_and_punctuation_goes() {
        let words = [
            ("Où est l\u{2019}hôtel ? « Là-bas »", "où est l'hôtel là bas"),
            ("ﬁve ＡＢＣ１２", "five abc12"),
            ("E\u{301}te\u{301}", "été"),
            ("ПРИВЕТ, мир!", "привет мир"),
            ("हिन्दी में।", "हिन्दी में"),
            ("'tis — … ", "tis"),
        ];
        for (text, expected) in words {
            assert_eq!(TextForm::Words.normalise(text), expected, "{text}");
        }
        assert_eq!(TextForm::Characters.normalise("而 对 楼市，成交 ３Ｄ"), "而对楼市成交3d");
        assert_eq!(TextForm::English.normalise("It's 5 pm."), "it's five p m");
    }

    #[test]
    fn characters_are_counted_without_white_space() {
        let counts = TextForm::Characters.errors("广州 市", "广 州是");
        assert_eq!((counts.errors(), counts.reference()), (1, 3));
        assert_eq!(TextForm::Words.errors("广州 市", "广 州是").errors(), 2);
    }
}
