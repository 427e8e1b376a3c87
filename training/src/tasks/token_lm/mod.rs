//! Language modelling over a recogniser's tokens: a small Transformer for the joint search of its second pass.

mod recipe;
mod task;

pub use recipe::TokenLmRecipe;
pub use task::{SentenceBatch, TokenLmTask};
