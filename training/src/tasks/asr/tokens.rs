use rejoinder_models::text::{BpeConfig, NormalizeConfig, Tokenizer, count_words, normalize, train_bpe};

use crate::Result;

/// A transcript as the recogniser learns it: lower case, no punctuation, numbers as words.
pub(in crate::tasks) fn normalise(text: &str) -> String {
    normalize(text, &NormalizeConfig::recognition())
}

/// A BPE vocabulary learnt from normalised transcripts.
pub(super) fn train(texts: &[String], vocabulary: usize) -> Result<Tokenizer> {
    let words = count_words(texts.iter().map(String::as_str));
    Ok(train_bpe(&words, &BpeConfig { vocab_size: vocabulary, ..BpeConfig::default() })?)
}
