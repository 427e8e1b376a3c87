//! From written text to the tokens that the acoustic model reads, keeping track of where each word stood.

use std::ops::Range;
use std::path::Path;

use super::g2p::G2p;
use super::lexicon::Lexicon;
use super::phones;
use crate::Result;
use crate::text::{NormalizeConfig, spoken};

/// The file of a [`Lexicon`] beside that of the model of letters, in a voice's bundle and in the run that made them.
pub const LEXICON_FILE: &str = "lexicon.bin";
/// The file of a [`G2p`].
pub const G2P_FILE: &str = "g2p.bin";

/// Where a token stands in its word, times the kind of its clause: the second input of the acoustic model.
pub const PLACES: usize = 20;

/// Text as tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The tokens, as [`phones`] numbers them.
    pub tokens: Vec<u8>,
    /// For each token, five times the kind of its clause (0 to 3: it ends in `,` or nothing, `.`, `?`, `!`) plus its
    /// place (0: no word, 1: first of its word, 2: inside, 3: last, 4: the only one).
    pub places: Vec<u8>,
    /// The words as written.
    pub words: Vec<ScriptWord>,
}

/// A word as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptWord {
    /// Its bytes in the text, with punctuation.
    pub span: Range<usize>,
    /// Its tokens.
    pub tokens: Range<usize>,
}

/// The dictionary first, then letters to sound.
#[derive(Clone, Debug)]
pub struct Frontend {
    lexicon: Lexicon,
    g2p: G2p,
}

impl Frontend {
    /// A front end from its two parts. The lexicon may leave out words that the model reads rightly.
    pub fn new(lexicon: Lexicon, g2p: G2p) -> Self {
        Self { lexicon, g2p }
    }

    /// The front end of a folder with [`LEXICON_FILE`] and [`G2P_FILE`].
    ///
    /// # Errors
    /// A file that is missing, or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self::new(Lexicon::read(&folder.join(LEXICON_FILE))?, G2p::read(&folder.join(G2P_FILE))?))
    }

    /// The phones of one spoken word: letters and apostrophes in lower case.
    pub fn pronounce(&self, word: &str) -> Vec<u8> {
        if let Some(phones) = self.lexicon.get(word) {
            return phones.to_vec();
        }
        let stem = word.trim_matches('\'');
        if stem.len() == 1 {
            return self.letter(stem);
        }
        if let Some(phones) = self.possessive(stem) {
            return phones;
        }
        let readable = stem.bytes().any(|b| b"aeiouy".contains(&b));
        if readable { self.g2p.phones(stem) } else { stem.split("").flat_map(|letter| self.letter(letter)).collect() }
    }

    fn letter(&self, letter: &str) -> Vec<u8> {
        if letter.is_empty() {
            return Vec::new();
        }
        // "TVs" is spelled as "t v's".
        if let Some(one) = letter.strip_suffix("'s") {
            return plural(self.letter(one));
        }
        let named = self.lexicon.get(&format!("{letter}."));
        named.map_or_else(|| self.g2p.phones(letter), <[u8]>::to_vec)
    }

    /// A word of the lexicon with an `'s` that the lexicon lacks, by the rule of English plurals.
    fn possessive(&self, word: &str) -> Option<Vec<u8>> {
        self.lexicon.get(word.strip_suffix("'s")?).map(|phones| plural(phones.to_vec()))
    }

    /// Reads a text. Without anything to pronounce, the script has no tokens.
    pub fn script(&self, text: &str) -> Script {
        let mut script = Script { tokens: vec![phones::SILENCE], ..Script::default() };
        for piece in spoken(text, &NormalizeConfig::speech()) {
            let start = script.tokens.len();
            for word in piece.words.split([' ', '-']) {
                let phones = if piece.spelled { self.letter(word) } else { self.pronounce(word) };
                script.tokens.extend(phones.into_iter().filter(|&p| phones::is_phone(p)));
            }
            if script.tokens.len() > start {
                script.words.push(ScriptWord { span: piece.source, tokens: start..script.tokens.len() });
            }
            if let Some(pause) = piece.pause.map(pause_token)
                && script.tokens.last().is_some_and(|&t| phones::is_phone(t))
            {
                script.tokens.push(pause);
            }
        }
        if script.words.is_empty() {
            return Script::default();
        }
        if script.tokens.last().is_some_and(|&t| phones::is_phone(t)) {
            script.tokens.push(phones::STOP);
        }
        soften_the(&mut script, text);
        script.place();
        script
    }
}

/// A word with the ending of the plural, by its last phone.
fn plural(mut word: Vec<u8>) -> Vec<u8> {
    let Some(last) = word.last().map(|last| phones::name(*last)) else { return word };
    let ending: &[&str] = match last.as_str() {
        "S" | "Z" | "SH" | "ZH" | "CH" | "JH" => &["IH0", "Z"],
        "P" | "T" | "K" | "F" | "TH" => &["S"],
        _ => &["Z"],
    };
    word.extend(ending.iter().filter_map(|name| phones::id(name)));
    word
}

impl Script {
    /// Fills [`places`](Self::places) from the words and the punctuation tokens.
    pub fn place(&mut self) {
        self.places = vec![0; self.tokens.len()];
        for word in &self.words {
            let (first, last) = (word.tokens.start, word.tokens.end - 1);
            self.places[word.tokens.clone()].fill(2);
            self.places[first] = 1;
            self.places[last] = if first == last { 4 } else { 3 };
        }
        let mut kind = 0;
        for (token, place) in self.tokens.iter().zip(&mut self.places).rev() {
            kind = match *token {
                phones::STOP => 1,
                phones::QUESTION => 2,
                phones::EXCLAMATION => 3,
                _ => kind,
            };
            *place += 5 * kind;
        }
    }
}

fn pause_token(mark: char) -> u8 {
    match mark {
        '.' => phones::STOP,
        '?' => phones::QUESTION,
        '!' => phones::EXCLAMATION,
        _ => phones::COMMA,
    }
}

/// "the" before a vowel is DH IY0.
fn soften_the(script: &mut Script, text: &str) {
    for at in 0..script.words.len().saturating_sub(1) {
        let (word, next) = (&script.words[at], &script.words[at + 1]);
        let is_the = text[word.span.clone()].eq_ignore_ascii_case("the");
        let vowel = word.tokens.end == next.tokens.start && phones::is_vowel(script.tokens[next.tokens.start]);
        if is_the && vowel && word.tokens.len() == 2 {
            let last = word.tokens.end - 1;
            script.tokens[last] = phones::id("IY0").unwrap_or(script.tokens[last]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_initialisms_take_an_ending() {
        let voice = Path::new(env!("CARGO_MANIFEST_DIR")).join("pretrained/tts-kathleen");
        let frontend = Frontend::read(&voice).unwrap();
        let phones = |text: &str| {
            let script = frontend.script(text);
            let phones = script.tokens.iter().filter(|token| phones::is_phone(**token));
            phones.map(|phone| phones::name(*phone)).collect::<Vec<_>>()
        };
        for (several, one, ending) in
            [("two TVs", "two TV", "Z"), ("the GPUs", "the GPU", "Z"), ("the SMSs", "the SMS", "IH0 Z")]
        {
            let mut expected = phones(one);
            expected.extend(ending.split(' ').map(str::to_owned));
            assert_eq!(phones(several), expected);
        }
    }
}
