//! Speech to text: the caller's turns in, transcripts out.

use rejoinder_models::asr::{RecognizerStream, Transcript};
use rejoinder_models::units::{Position, Samples};

use crate::Result;
use crate::event::EventKind;
use crate::message::{Body, Message, TurnId};
use crate::stage::{Outbox, Stage};

/// `transcribe`: one stream of a recogniser, begun anew with each turn.
pub(crate) struct Transcribe {
    stream: Box<dyn RecognizerStream>,
    from: Position,
    partial: String,
    /// The transcript up to the pause in which the caller is silent.
    ahead: Option<Transcript>,
}

impl Transcribe {
    pub(crate) fn new(stream: Box<dyn RecognizerStream>) -> Self {
        Self { stream, from: Position(0), partial: String::new(), ahead: None }
    }

    fn paused(&mut self, turn: TurnId, ahead: bool, out: &mut Outbox<'_>) -> Result<()> {
        let transcript = self.stream.preview()?;
        let transcript = self.on_the_clock(transcript);
        self.partial.clone_from(&transcript.text);
        out.event(turn, told(&transcript, true));
        if ahead {
            let _ = out.send(turn, Body::Ahead(transcript.clone()));
            self.ahead = Some(transcript);
        }
        Ok(())
    }

    /// The transcript of the turn that is over. Since the pause in which a reply was begun ahead there was only
    /// silence, so that it is what was known then.
    fn whole(&mut self) -> Result<Transcript> {
        if let Some(transcript) = self.ahead.take() {
            self.stream.reset();
            return Ok(transcript);
        }
        let transcript = self.stream.flush()?;
        Ok(self.on_the_clock(transcript))
    }

    fn on_the_clock(&self, mut transcript: Transcript) -> Transcript {
        for word in &mut transcript.words {
            word.start = word.start + Samples(self.from.0);
            word.end = word.end + Samples(self.from.0);
        }
        transcript
    }
}

fn told(transcript: &Transcript, complete: bool) -> EventKind {
    let Transcript { text, words, ending, finality } = transcript;
    let confidence = words.iter().map(|word| word.confidence).sum::<f32>() / words.len().max(1) as f32;
    EventKind::Partial { text: text.clone(), confidence, complete, ending: *ending, finality: *finality }
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
                self.ahead = None;
            }
            Body::Dropped => {
                self.stream.reset();
                self.ahead = None;
                let _ = out.send(turn, Body::Dropped);
            }
            Body::Resumed => {
                self.ahead = None;
                let _ = out.send(turn, Body::Resumed);
            }
            Body::Paused { ahead } => self.paused(turn, ahead, out)?,
            Body::Heard(samples) => {
                if self.stream.push(&samples)? {
                    let partial = self.stream.partial();
                    if partial.text != self.partial {
                        self.partial.clone_from(&partial.text);
                        out.event(turn, told(&partial, false));
                        let _ = out.send(turn, Body::Partial(self.on_the_clock(partial)));
                    }
                }
            }
            Body::Ended => {
                let transcript = self.whole()?;
                let Transcript { text, words, .. } = transcript.clone();
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
