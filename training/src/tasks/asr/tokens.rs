use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use rejoinder_models::text::{
    BLANK, TextForm, Tokenizer, UNKNOWN, VocabularyConfig, WORD_BOUNDARY, count_words, train_bpe, train_unigram,
};

use super::tables::{TokenizerConfig, TokenizerKind};
use crate::data::labels::{LABELS, LabelEncoder};
use crate::{Error, Result};

/// Blank, unknown and the space, which a vocabulary of characters has beside its characters.
const SPECIAL: usize = 3;

/// The tokens of a file that the recipe names. Where they have no blank it comes before them.
pub(super) fn read(path: &Path) -> Result<Tokenizer> {
    if path.file_name().is_some_and(|name| name == LABELS) {
        return LabelEncoder::read(path)?.tokens();
    }
    let tokens = Tokenizer::read(path)?.in_small_letters()?;
    match tokens.id(BLANK) {
        Some(0) => Ok(tokens),
        Some(id) => {
            Err(Error::data(path.display().to_string(), format!("expected {BLANK} as token 0, found it as token {id}")))
        }
        None => Ok(tokens.with_first(BLANK)?),
    }
}

/// A vocabulary learnt from normalised transcripts: pieces of words, or of characters the most frequent.
pub(super) fn train(texts: &[String], config: &TokenizerConfig) -> Result<Tokenizer> {
    if config.text == TextForm::Characters || config.kind == TokenizerKind::Char {
        let mut counts: BTreeMap<char, u64> = BTreeMap::new();
        texts.iter().flat_map(|text| text.chars()).for_each(|c| *counts.entry(c).or_default() += 1);
        let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
        characters.sort_by_key(|(c, count)| (Reverse(*count), *c));
        let most = config.vocabulary.saturating_sub(SPECIAL);
        return Ok(Tokenizer::characters(characters.into_iter().take(most).map(|(c, _)| c))?);
    }
    let words = count_words(texts.iter().map(String::as_str));
    if config.kind == TokenizerKind::Word {
        return whole(words, config.vocabulary);
    }
    let vocabulary = VocabularyConfig { vocab_size: config.vocabulary, ..VocabularyConfig::default() };
    Ok(match config.kind {
        TokenizerKind::Char | TokenizerKind::Word | TokenizerKind::Bpe => train_bpe(&words, &vocabulary)?,
        TokenizerKind::Unigram => train_unigram(&words, &vocabulary)?,
    })
}

/// The most frequent words, each a token.
fn whole(words: BTreeMap<String, u64>, vocabulary: usize) -> Result<Tokenizer> {
    let specials = [BLANK, UNKNOWN].map(str::to_owned);
    let mut words: Vec<(String, u64)> = words.into_iter().collect();
    words.sort_by_key(|(word, count)| (Reverse(*count), word.clone()));
    let words = words.into_iter().take(vocabulary.saturating_sub(specials.len()));
    let words = words.map(|(word, _)| format!("{WORD_BOUNDARY}{word}"));
    Ok(Tokenizer::unigram(specials.into_iter().chain(words).map(|piece| (piece, 0.0)).collect())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_whole_tokens_and_rare_ones_are_not_known() {
        let texts = ["sil hh ah l ow sil", "sil ah sil zh"].map(str::to_owned);
        let config = |vocabulary: usize| {
            let text = format!("vocabulary = {vocabulary}\nkind = \"word\"\ntext = \"words\"");
            toml::from_str::<TokenizerConfig>(&text).unwrap()
        };
        let tokens = train(&texts, &config(100)).unwrap();
        assert_eq!(tokens.len(), 8);
        let ids = tokens.encode("sil ah zh ow");
        assert_eq!((ids.len(), tokens.decode(&ids).as_str()), (4, "sil ah zh ow"));
        assert_eq!(train(&texts, &config(4)).unwrap().encode("ah zh sil"), [3, 1, 2]);
    }
}
