//! Keeps what test clips say out of the texts that a language model learns.

use std::collections::HashSet;

use rejoinder_models::text::TextForm;

/// So many words in a row are no coincidence. Brown et al., "Language Models are Few-Shot Learners", 2020, appendix C, take
/// 13 of running text; test clips are shorter than that.
const RUN: usize = 8;

/// The runs of words that test clips say; of characters, where nothing parts words.
pub(crate) struct TestTexts {
    form: TextForm,
    runs: HashSet<String>,
}

impl TestTexts {
    /// Of transcripts in this form.
    pub(crate) fn new(form: TextForm, texts: &[String]) -> Self {
        Self { form, runs: texts.iter().flat_map(|text| runs(form, text)).collect() }
    }

    /// Drops the sentences that share [`RUN`] words in a row with a test clip, and says how many these were.
    pub(crate) fn keep_out(&self, sentences: &mut Vec<String>) -> usize {
        let before = sentences.len();
        sentences.retain(|sentence| !runs(self.form, sentence).any(|run| self.runs.contains(&run)));
        before - sentences.len()
    }
}

fn runs(form: TextForm, text: &str) -> impl Iterator<Item = String> {
    let (words, run): (Vec<&str>, usize) = match form {
        TextForm::English | TextForm::Words => (text.split_whitespace().collect(), RUN),
        // A word of Chinese has two characters, as a rule.
        TextForm::Characters => (text.split("").filter(|c| !c.trim().is_empty()).collect(), 2 * RUN),
    };
    let count = (words.len() + 1).saturating_sub(run);
    (0..count).map(move |at| words[at..at + run].join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_clip_says_stays_out() {
        let said = ["well one two three four five six seven eight", "too short"].map(str::to_owned);
        let tests = TestTexts::new(TextForm::English, &said);
        let kept = ["too short", "one two three four five six seven nine", ""].map(str::to_owned);
        let mut sentences = kept.to_vec();
        sentences.push("and one two three four five six seven eight more".to_owned());
        assert_eq!(tests.keep_out(&mut sentences), 1);
        assert_eq!(sentences, kept);

        let tests = TestTexts::new(TextForm::Characters, &["一二三四五六七八九十百千万亿兆零壹".to_owned()]);
        let mut sentences = ["零二三四五六七八九十百千万亿兆零壹", "一二三四五六七八"].map(str::to_owned).to_vec();
        assert_eq!(tests.keep_out(&mut sentences), 1);
        assert_eq!(sentences, ["一二三四五六七八"]);
    }
}
