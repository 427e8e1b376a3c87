//! What is trained: for each task its recipe, its batches, its loss and its figures.

pub mod aligner;
pub mod asr;
pub mod attention;
pub mod g2p;
pub mod keyword;
pub mod lm;
pub mod speaker;
pub mod token_lm;
pub mod transducer;
pub mod tts;
pub mod turn;
pub mod vad;
