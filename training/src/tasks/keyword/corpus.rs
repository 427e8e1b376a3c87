use std::collections::HashMap;
use std::path::PathBuf;

use rejoinder_models::text::TextForm;

use crate::data::manifest::ManifestConfig;
use crate::data::sounds::{ClipRef, Library, LibraryReader};
use crate::{Error, Result};

/// Of ten clips that say the same, these test, and the one validates.
const TESTS: [usize; 2] = [4, 9];
const VALIDATES: usize = 6;

/// What clips are for. Clips are parted by file: a speaker may be on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To train on.
    Train,
    /// To validate on.
    Valid,
    /// To report on.
    Test,
    /// To train on, where others validate: all that do not test.
    AllButTest,
    /// To train on, where others test: all that do not validate.
    AllButValid,
    /// Everything, for folders that are kept apart anyway.
    All,
}

impl Part {
    /// Whether clip `number` of those that say the same is of this part.
    fn takes(self, number: usize) -> bool {
        match number % 10 {
            _ if self == Self::All => true,
            number if TESTS.contains(&number) => matches!(self, Self::Test | Self::AllButValid),
            VALIDATES => matches!(self, Self::Valid | Self::AllButTest),
            _ => matches!(self, Self::Train | Self::AllButTest | Self::AllButValid),
        }
    }
}

/// A clip and which keywords it says.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Where it is.
    pub sound: ClipRef,
    /// The numbers of the keywords.
    pub keywords: Vec<usize>,
}

/// Clips of several prepared folders and manifests, told apart by what they say.
pub struct Corpus {
    /// They say a keyword, and at most one more word.
    pub spoken: Vec<Clip>,
    /// They say no keyword.
    pub others: Vec<Clip>,
    library: Library,
}

impl Corpus {
    /// Opens prepared folders and manifests. Longer clips with a keyword in them stay out, since they are neither.
    ///
    /// # Errors
    /// A missing or malformed file, or a pack at another rate than 16 kHz; a keyword without a word in it; to train on, a
    /// clip that is held out.
    pub fn open(
        folders: &[(PathBuf, Part)],
        config: &ManifestConfig,
        keywords: &[String],
        training: bool,
    ) -> Result<Self> {
        let spelled = |keyword: &String| {
            let words = words(keyword);
            let none = || Error::config("keywords", format!("expected words, found `{keyword}`"));
            if words.is_empty() { Err(none()) } else { Ok(words) }
        };
        let keywords = keywords.iter().map(spelled).collect::<Result<Vec<_>>>()?;
        let longest = 1 + keywords.iter().map(Vec::len).max().unwrap_or(0);
        let mut corpus = Self { spoken: Vec::new(), others: Vec::new(), library: Library::default() };
        for (folder, part) in folders {
            let mut seen: HashMap<Vec<usize>, usize> = HashMap::new();
            let library = &mut corpus.library;
            let added = if training { library.add_training(folder, config)? } else { library.add(folder, config)? };
            for (item, sound) in added {
                let words = words(&item.words);
                let said = said(&words, &keywords);
                let number = seen.entry(said.clone()).or_default();
                let wanted = part.takes(*number);
                *number += 1;
                let clip = Clip { sound, keywords: said };
                match clip.keywords.is_empty() {
                    true if wanted => corpus.others.push(clip),
                    false if wanted && words.len() <= longest => corpus.spoken.push(clip),
                    _ => {}
                }
            }
        }
        Ok(corpus)
    }

    /// Refuses a corpus in which a keyword is never said, or nothing else is.
    pub(super) fn check(self, keywords: &[String], what: &str) -> Result<Self> {
        let says = |number: usize| self.spoken.iter().any(|clip| clip.keywords.contains(&number));
        if let Some(missing) = (0..keywords.len()).find(|number| !says(*number)) {
            return Err(Error::data(what, format!("expected clips that say `{}`, found none", keywords[missing])));
        }
        if self.others.is_empty() {
            return Err(Error::data(what, "expected clips that say no keyword, found none"));
        }
        Ok(self)
    }

    /// A reader of all clips, for a thread of its own.
    pub(super) fn reader(&self) -> Result<LibraryReader> {
        self.library.reader()
    }
}

/// A text as words in lower case, without marks: transcripts may have others than the recipe.
fn words(text: &str) -> Vec<String> {
    TextForm::Words.normalise(text).split_whitespace().map(str::to_owned).collect()
}

/// Which keywords stand in a text.
fn said(words: &[String], keywords: &[Vec<String>]) -> Vec<usize> {
    let stands = |keyword: &Vec<String>| words.windows(keyword.len()).any(|window| window == keyword.as_slice());
    keywords.iter().enumerate().filter(|(_, keyword)| stands(keyword)).map(|(number, _)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clip_has_a_part() {
        let count = |part: Part| (0..20).filter(|number| part.takes(*number)).count();
        assert_eq!([Part::Train, Part::Valid, Part::Test, Part::All].map(count), [14, 2, 4, 20]);
        for (rest, other) in [(Part::AllButTest, Part::Test), (Part::AllButValid, Part::Valid)] {
            assert!((0..20).all(|number| rest.takes(number) != other.takes(number)));
        }
    }

    #[test]
    fn keywords_are_found_as_whole_words() {
        let keywords = ["computer", "Hey computer", "view glass"].map(words);
        let said = |text: &str| said(&words(text), &keywords);
        assert_eq!(said("hey computer"), [0, 1]);
        assert_eq!(said("HEY, COMPUTER!"), [0, 1]);
        assert_eq!(said("the computer hey"), [0]);
        assert_eq!(said("view glass"), [2]);
        assert_eq!(said("view the glass of computers"), [0; 0]);
        assert_eq!(said(""), [0; 0]);
    }

    #[test]
    fn a_keyword_without_a_word_is_refused() {
        let keywords = ["alexa", "?!"].map(str::to_owned);
        let error = Corpus::open(&[], &ManifestConfig::default(), &keywords, true).err().unwrap().to_string();
        assert_eq!(error, "keywords: expected words, found `?!`");
    }
}
