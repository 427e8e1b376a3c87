//! Speech to text: the caller's turns in, transcripts out.

use rejoinder_models::asr::{RecognizerStream, Transcript};
use rejoinder_models::units::{Position, Samples};

use crate::Result;
use crate::event::EventKind;
use crate::message::{Body, Message};
use crate::stage::{Outbox, Stage};

/// `transcribe`: one stream of a recogniser, begun anew with each turn.
pub(crate) struct Transcribe {
    stream: Box<dyn RecognizerStream>,
    from: Position,
    partial: String,
}

impl Transcribe {
    pub(crate) fn new(stream: Box<dyn RecognizerStream>) -> Self {
        Self { stream, from: Position(0), partial: String::new() }
    }

    fn on_the_clock(&self, mut transcript: Transcript) -> Transcript {
        for word in &mut transcript.words {
            word.start = word.start + Samples(self.from.0);
            word.end = word.end + Samples(self.from.0);
        }
        transcript
    }
}

impl Stage for Transcribe {
    fn name(&self) -> &'static str {
        "transcribe"
    }

    fn start(&mut self) -> Result<()> {
        self.stream.push(&vec![0.0; self.stream.sample_rate().get() as usize / 2])?;
        self.stream.reset();
        Ok(())
    }

    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<()> {
        let turn = message.turn;
        match message.body {
            Body::Began(from) => {
                self.stream.reset();
                self.partial.clear();
                self.from = from;
                let _ = out.send(turn, Body::Began(from));
            }
            Body::Heard(samples) => {
                if self.stream.push(&samples)? {
                    let partial = self.stream.partial();
                    if partial.text != self.partial {
                        self.partial.clone_from(&partial.text);
                        out.event(turn, EventKind::Partial { text: partial.text.clone() });
                        let _ = out.send(turn, Body::Partial(self.on_the_clock(partial)));
                    }
                }
            }
            Body::Ended => {
                let transcript = self.stream.flush()?;
                let transcript = self.on_the_clock(transcript);
                let Transcript { text, words } = transcript.clone();
                out.event(turn, EventKind::Final { text, words });
                let _ = out.send(turn, Body::Final(transcript));
            }
            body => {
                let _ = out.send(turn, body);
            }
        }
        Ok(())
    }
}
