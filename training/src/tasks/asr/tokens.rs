use std::cmp::Reverse;
use std::collections::BTreeMap;

use rejoinder_models::text::{TextForm, Tokenizer, VocabularyConfig, count_words, train_bpe};

use super::tables::TokenizerConfig;
use crate::Result;

/// Blank, unknown and the space, which a vocabulary of characters has beside its characters.
const SPECIAL: usize = 3;

/// A vocabulary learnt from normalised transcripts: BPE pieces of words, or of characters the most frequent.
pub(super) fn train(texts: &[String], config: &TokenizerConfig) -> Result<Tokenizer> {
    if config.text == TextForm::Characters {
        let mut counts: BTreeMap<char, u64> = BTreeMap::new();
        texts.iter().flat_map(|text| text.chars()).for_each(|c| *counts.entry(c).or_default() += 1);
        let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
        characters.sort_by_key(|(c, count)| (Reverse(*count), *c));
        let most = config.vocabulary.saturating_sub(SPECIAL);
        return Ok(Tokenizer::characters(characters.into_iter().take(most).map(|(c, _)| c))?);
    }
    let words = count_words(texts.iter().map(String::as_str));
    Ok(train_bpe(&words, &VocabularyConfig { vocab_size: config.vocabulary, ..VocabularyConfig::default() })?)
}
