//! Decoding: pure functions over slices, no tensor type.

pub mod ctc;
pub mod lexicon;
pub mod ngram;
