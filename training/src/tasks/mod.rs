//! What is trained: for each task its recipe, its batches, its loss and its figures.

pub mod aligner;
pub mod asr;
pub mod g2p;
pub mod keyword;
pub mod lm;
pub mod speaker;
pub mod transducer;
pub mod tts;
pub mod turn;
pub mod vad;
