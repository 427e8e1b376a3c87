//! Runs a conversation from a program.
fn main() {}
