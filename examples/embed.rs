//! Runs a conversation from a program: `cargo run --example embed -- question.wav answer.wav`.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use anyhow::Context;
use rejoinder::{Assistant, Config, Session, io::file};

fn main() -> anyhow::Result<()> {
    let mut paths = std::env::args().skip(1);
    let question = paths.next().context("expected a recording to listen to")?;
    let answer = paths.next().context("expected a WAV file to write")?;
    let assistant = Assistant::open(&Config::load_default()?)?;
    let (source, sink) = file::open(question, answer)?;
    let session = Session::builder(&assistant).source(source).sink(sink);
    session.on_event(|event| println!("{:.2} s {:?}", event.at.ms() / 1e3, event.kind)).start()?.wait()?;
    Ok(())
}
