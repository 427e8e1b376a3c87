//! Text: tokenizers, normalisation, clauses, error rates.

mod bpe_train;
mod clauses;
mod error_rate;
mod form;
mod markup;
mod merge;
mod normalize;
mod tokenizer;
mod unigram_train;
mod vocabulary;

pub use bpe_train::train_bpe;
pub use clauses::{Clause, ClauseConfig, ClauseStream};
pub use error_rate::{Alignment, Edit, ErrorCounts, character_errors, word_alignment, word_errors};
pub use form::TextForm;
pub(crate) use normalize::numbers;
pub use normalize::{Case, NormalizeConfig, Punctuation, Spoken, normalize, spoken};
pub use tokenizer::{BLANK, TokenStream, TokenWord, Tokenizer, UNKNOWN, WORD_BOUNDARY};
pub use unigram_train::train_unigram;
pub use vocabulary::{VocabularyConfig, count_words};
