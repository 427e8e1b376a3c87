//! The assistant's tools: pure functions with their own state. The time is passed in.

pub mod coffee;
pub mod spoken;
