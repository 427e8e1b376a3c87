//! Keeps what test clips say out of the texts that a language model is counted from.

use std::collections::HashSet;

use super::recipe::AsrRecipe;
use crate::Result;

/// So many words in a row are no coincidence. Brown et al., "Language Models are Few-Shot Learners", 2020, appendix C, take
/// 13 of running text; test clips are shorter than that.
const RUN: usize = 8;

/// The runs of words of the clips that a recipe is tested on.
pub(super) struct TestTexts {
    runs: HashSet<String>,
}

impl TestTexts {
    /// Of the recipe's tests; those that are not prepared have nothing to hide here.
    ///
    /// # Errors
    /// A prepared folder that cannot be read.
    pub(super) fn of(recipe: &AsrRecipe) -> Result<Self> {
        let mut texts = Vec::new();
        for folder in recipe.data.tests.iter().filter(|folder| folder.exists()) {
            texts.extend(recipe.open_text(folder)?.clips().iter().map(|clip| clip.text.clone()));
        }
        Ok(Self::new(&texts))
    }

    fn new(texts: &[String]) -> Self {
        Self { runs: texts.iter().flat_map(|text| runs(text)).collect() }
    }

    /// Drops the sentences that share [`RUN`] words in a row with a test clip, and says how many these were.
    pub(super) fn keep_out(&self, sentences: &mut Vec<String>) -> usize {
        let before = sentences.len();
        sentences.retain(|sentence| !runs(sentence).any(|run| self.runs.contains(&run)));
        before - sentences.len()
    }
}

fn runs(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let count = (words.len() + 1).saturating_sub(RUN);
    (0..count).map(move |at| words[at..at + RUN].join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_clip_says_stays_out() {
        let tests =
            TestTexts::new(&["well one two three four five six seven eight".to_owned(), "too short".to_owned()]);
        let kept = ["too short", "one two three four five six seven nine", ""].map(str::to_owned);
        let mut sentences = kept.to_vec();
        sentences.push("and one two three four five six seven eight more".to_owned());
        assert_eq!(tests.keep_out(&mut sentences), 1);
        assert_eq!(sentences, kept);
    }
}
