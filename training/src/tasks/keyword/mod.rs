//! Keywords: a net that tells for each moment which of a few words or phrases was just said.
//!
//! It learns from clips that say a keyword and little else. The net is to be sure of it at some moment just after its
//! end, and at no other: of all others the one at which it is surest counts (after Sun et al., "Max-pooling loss training
//! of long short-term memory networks for small-footprint keyword spotting", 2016).

mod bundle;
mod corpus;
mod examples;
mod listen;
mod measure;
mod recipe;
mod task;

pub use corpus::{Clip, Corpus, Part};
pub use examples::ExampleConfig;
pub use recipe::KeywordRecipe;
pub use task::KeywordTask;
