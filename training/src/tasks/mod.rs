//! What is trained: for each task its recipe, its batches, its loss and its figures.

pub mod aligner;
pub mod asr;
pub mod g2p;
pub mod lm;
pub mod speaker;
pub mod tts;

/// The commit of the working tree, for cards, where git knows one.
fn commit() -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".into(),
    }
}
