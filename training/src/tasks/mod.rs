//! What is trained: for each task its recipe, its batches, its loss and its figures.

pub mod asr;
pub mod lm;
