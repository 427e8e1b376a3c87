//! Text to speech: the reply's text in, its sound out, clause by clause.

use std::ops::ControlFlow;
use std::sync::Arc;

use rejoinder_models::streaming::Streaming;
use rejoinder_models::text::{Clause, ClauseStream};
use rejoinder_models::tts::{Synthesizer, WordMark};
use rejoinder_models::units::Samples;

use crate::Result;
use crate::message::{Body, Message, ReplyWord, Sound, TurnId};
use crate::stage::{Outbox, Stage};

/// Said once at the start, so that the first reply meets a warm synthesizer.
const WARM_UP: &str = "hello.";

/// `speak`: cuts the reply into clauses and speaks each as soon as it is complete.
pub(crate) struct Speak {
    synthesizer: Arc<dyn Synthesizer>,
    clauses: ClauseStream,
    turn: TurnId,
    /// The reply's text so far.
    text: String,
    /// The length of the reply's sound so far.
    sound: Samples,
}

impl Speak {
    pub(crate) fn new(synthesizer: Arc<dyn Synthesizer>, clauses: ClauseStream) -> Self {
        let (turn, text, sound) = (TurnId::default(), String::new(), Samples(0));
        Self { synthesizer, clauses, turn, text, sound }
    }

    fn begin(&mut self, turn: TurnId) {
        if turn != self.turn {
            self.turn = turn;
            self.clauses.reset();
            self.text.clear();
            self.sound = Samples(0);
        }
    }

    fn say(&mut self, clauses: Vec<Clause>, out: &mut Outbox<'_>) -> Result<ControlFlow<()>> {
        for clause in clauses {
            let mut utterance = self.synthesizer.speak(&clause.text)?;
            let began = self.sound;
            let mut reached = clause.source.start;
            while let Some(chunk) = utterance.next_chunk()? {
                self.sound = self.sound + Samples(chunk.samples.len() as u64);
                let place = |mark: WordMark| {
                    reached = self.end_of(&mark, &clause, reached);
                    ReplyWord { text: mark.text, text_end: reached, end: began + mark.end }
                };
                let words = chunk.words.into_iter().map(place).collect();
                let sound = Sound { samples: chunk.samples, words };
                if out.send(self.turn, Body::Sound(sound)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The byte of the reply just after a word of a clause, given the byte after the word before it. The clause lacks
    /// the reply's markup, so the word is looked for.
    fn end_of(&self, mark: &WordMark, clause: &Clause, reached: usize) -> usize {
        let source = self.text.get(reached..clause.source.end).unwrap_or_default();
        if mark.text_end >= clause.text.len() {
            return clause.source.end;
        }
        match source.find(&mark.text) {
            Some(at) => reached + at + mark.text.len(),
            None => (clause.source.start + mark.text_end).clamp(reached, clause.source.end),
        }
    }
}

impl Stage for Speak {
    fn name(&self) -> &'static str {
        "speak"
    }

    fn start(&mut self) -> Result<()> {
        let mut utterance = self.synthesizer.speak(WARM_UP)?;
        while utterance.next_chunk()?.is_some() {}
        Ok(())
    }

    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<()> {
        let turn = message.turn;
        match message.body {
            Body::Reply(piece) => {
                self.begin(turn);
                self.text.push_str(&piece);
                let mut clauses = Vec::new();
                self.clauses.push(&piece, &mut clauses)?;
                let _ = self.say(clauses, out)?;
            }
            Body::ReplyEnd => {
                self.begin(turn);
                let mut clauses = Vec::new();
                self.clauses.flush(&mut clauses)?;
                if self.say(clauses, out)?.is_continue() {
                    let _ = out.send(turn, Body::SoundEnd);
                }
            }
            body => {
                let _ = out.send(turn, body);
            }
        }
        Ok(())
    }
}
