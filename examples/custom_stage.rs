//! Inserts a stage into the conversation: it changes the reply between the language model and the voice.
//! `cargo run --example custom_stage -- question.wav answer.wav`.

use anyhow::Context;
use rejoinder::{Assistant, Body, Config, Message, Outbox, Session, Stage, TurnId, io::file};

/// Says "tea" where the model says "coffee". A piece of the reply may end within a word, so a last word is kept back
/// until it is complete. A reply that is begun ahead may be dropped: the next one has another turn or attempt.
#[derive(Default)]
struct TeaHouse {
    turn: TurnId,
    open: String,
}

impl Stage for TeaHouse {
    fn name(&self) -> &'static str {
        "tea-house"
    }

    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> rejoinder::Result<()> {
        let turn = message.turn;
        if turn != std::mem::replace(&mut self.turn, turn) {
            self.open.clear();
        }
        match message.body {
            Body::Reply(piece) => {
                self.open.push_str(&piece);
                if let Some(end) = self.open.rfind(' ') {
                    let words: String = self.open.drain(..=end).collect();
                    let _ = out.send(turn, Body::Reply(words.replace("coffee", "tea")));
                }
            }
            Body::ReplyEnd => {
                let last = std::mem::take(&mut self.open);
                let _ = out.send(turn, Body::Reply(last.replace("coffee", "tea")));
                let _ = out.send(turn, Body::ReplyEnd);
            }
            body => {
                let _ = out.send(turn, body);
            }
        }
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let mut paths = std::env::args().skip(1);
    let question = paths.next().context("expected a recording to listen to")?;
    let answer = paths.next().context("expected a WAV file to write")?;
    let assistant = Assistant::open(&Config::load_default()?)?;
    let (source, sink) = file::open(question, answer)?;
    let session = Session::builder(&assistant).stage_after("respond", TeaHouse::default());
    Ok(session.source(source).sink(sink).start()?.wait()?)
}
