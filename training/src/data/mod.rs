//! Data: what the trainers read and what they make up.

pub mod dialogue;
