//! Text to speech: the reply's text in, its sound out, clause by clause.

use std::ops::ControlFlow;
use std::sync::Arc;

use rejoinder_models::streaming::Streaming;
use rejoinder_models::text::{Clause, ClauseStream};
use rejoinder_models::tts::{SpeechChunk, Synthesizer, WordMark};
use rejoinder_models::units::{SampleRate, Samples};

use crate::Result;
use crate::event::EventKind;
use crate::message::{AUDIBLE, Body, Message, ReplyWord, Sound, TurnId};
use crate::stage::{Outbox, Stage};

/// Said once at the start, so that the first reply meets a warm synthesizer.
const WARM_UP: &str = "hello.";

/// What is kept of the silence before a reply, so that its onset is whole, in milliseconds.
const RUN_UP_MS: f64 = 5.0;

/// `speak`: cuts the reply into clauses and speaks each as soon as it is complete.
pub(crate) struct Speak {
    synthesizer: Arc<dyn Synthesizer>,
    clauses: ClauseStream,
    turn: TurnId,
    /// The reply's text so far.
    text: String,
    /// How much of it is spoken.
    spoken: usize,
    /// The length of the reply's sound so far.
    sound: Samples,
}

impl Speak {
    pub(crate) fn new(synthesizer: Arc<dyn Synthesizer>, clauses: ClauseStream) -> Self {
        let (turn, text, sound) = (TurnId::default(), String::new(), Samples(0));
        Self { synthesizer, clauses, turn, text, spoken: 0, sound }
    }

    fn begin(&mut self, turn: TurnId) {
        if turn != self.turn {
            self.turn = turn;
            self.clauses.reset();
            self.text.clear();
            self.spoken = 0;
            self.sound = Samples(0);
        }
    }

    fn say(&mut self, clauses: Vec<Clause>, out: &mut Outbox<'_>) -> Result<ControlFlow<()>> {
        for clause in clauses {
            let mut utterance = self.synthesizer.speak(&clause.text)?;
            let began = self.sound;
            let mut reached = clause.source.start;
            let mut lead = LeadIn::new(began == Samples(0), self.synthesizer.sample_rate());
            while let Some(chunk) = utterance.next_chunk()?.or_else(|| lead.rest()) {
                let Some(chunk) = lead.pass(chunk) else { continue };
                self.sound = self.sound + Samples(chunk.samples.len() as u64);
                let place = |mark: WordMark| {
                    reached = self.end_of(&mark, &clause, reached);
                    ReplyWord { text: mark.text, text_end: reached, end: began + mark.end }
                };
                let words = chunk.words.into_iter().map(place).collect();
                let text = self.text[self.spoken..clause.source.end].to_owned();
                self.spoken = clause.source.end;
                let sound = Sound { samples: chunk.samples, text, words };
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

/// Drops what cannot be heard at the beginning of a reply, which would be a delay and no more.
struct LeadIn {
    quiet: bool,
    run_up: usize,
    dropped: Samples,
    words: Vec<WordMark>,
}

impl LeadIn {
    fn new(quiet: bool, rate: SampleRate) -> Self {
        let run_up = Samples::from_ms(RUN_UP_MS, rate).0 as usize;
        Self { quiet, run_up, dropped: Samples(0), words: Vec::new() }
    }

    /// What is left of a chunk; its words wait for sound.
    fn pass(&mut self, mut chunk: SpeechChunk) -> Option<SpeechChunk> {
        if self.quiet {
            let onset = chunk.samples.iter().position(|x| x.abs() >= AUDIBLE);
            let silent = onset.map_or(chunk.samples.len(), |onset| onset.saturating_sub(self.run_up));
            chunk.samples.drain(..silent);
            self.dropped = self.dropped + Samples(silent as u64);
            self.quiet = onset.is_none();
            self.words.append(&mut chunk.words);
            if self.quiet {
                return None;
            }
            chunk.words = std::mem::take(&mut self.words);
        }
        for word in &mut chunk.words {
            (word.start, word.end) = (word.start - self.dropped, word.end - self.dropped);
        }
        Some(chunk)
    }

    /// The words of an utterance that had no sound.
    fn rest(&mut self) -> Option<SpeechChunk> {
        let words = std::mem::take(&mut self.words);
        self.quiet = false;
        (!words.is_empty()).then(|| SpeechChunk { samples: Vec::new(), words })
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
                    if self.sound == Samples(0) && !self.text.trim().is_empty() {
                        let reason = format!("the voice {} has no sound for this reply", self.synthesizer.name());
                        out.event(turn, EventKind::Degraded { stage: self.name().to_owned(), reason });
                    }
                    let _ = out.send(turn, Body::SoundEnd { whole: true });
                }
            }
            body => {
                let _ = out.send(turn, body);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rejoinder_models::text::ClauseConfig;
    use rejoinder_models::tts::{SpeechChunk, Utterance};
    use rejoinder_models::units::{Position, SampleRate};

    use super::*;
    use crate::event::EventKind;
    use crate::message::Turns;
    use crate::stage::{Effect, Port};

    /// Speaks ten blocks of 10 ms, and counts those that were made.
    #[derive(Default)]
    struct Counting(Arc<AtomicUsize>);

    impl Synthesizer for Counting {
        fn name(&self) -> &str {
            "counting"
        }
        fn sample_rate(&self) -> SampleRate {
            SampleRate::INTERNAL
        }
        fn speak(&self, _: &str) -> rejoinder_models::Result<Box<dyn Utterance>> {
            Ok(Box::new(Blocks(self.0.clone(), 10)))
        }
    }

    struct Blocks(Arc<AtomicUsize>, usize);

    impl Utterance for Blocks {
        fn next_chunk(&mut self) -> rejoinder_models::Result<Option<SpeechChunk>> {
            let Some(left) = self.1.checked_sub(1) else { return Ok(None) };
            self.1 = left;
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Some(SpeechChunk { samples: vec![0.1; 160], words: Vec::new() }))
        }
    }

    /// A listener who takes the floor after so many blocks.
    struct Interrupting(Turns, usize);

    impl Port for Interrupting {
        fn send(&mut self, turn: TurnId, _: Body) -> ControlFlow<()> {
            self.1 -= 1;
            if self.1 == 0 {
                self.0.raise(turn.next());
            }
            if self.0.is_current(turn) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
        fn event(&mut self, _: Option<Position>, _: TurnId, _: EventKind) {}
        fn act(&mut self, _: Effect) {}
        fn now(&self) -> Position {
            Position(0)
        }
    }

    #[test]
    fn a_reply_begins_with_what_can_be_heard() {
        let word = |start, end| WordMark { text: "w".into(), text_end: 1, start: Samples(start), end: Samples(end) };
        let chunk = |samples: &[f32], words| SpeechChunk { samples: samples.to_vec(), words };
        let mut lead = LeadIn::new(true, SampleRate::hz(400));
        assert_eq!(lead.pass(chunk(&[0.001; 3], vec![word(1, 6)])), None);
        let heard = lead.pass(chunk(&[0.0, 0.001, 0.002, 0.1, 0.0], Vec::new()));
        assert_eq!(heard, Some(chunk(&[0.001, 0.002, 0.1, 0.0], vec![word(0, 2)])));
        assert_eq!(lead.pass(chunk(&[0.0; 2], vec![word(8, 9)])), Some(chunk(&[0.0; 2], vec![word(4, 5)])));
        assert_eq!(lead.rest(), None);

        let mut silent = LeadIn::new(true, SampleRate::hz(400));
        assert_eq!(silent.pass(chunk(&[0.0; 3], vec![word(0, 3)])), None);
        assert_eq!(silent.rest().and_then(|rest| silent.pass(rest)), Some(chunk(&[], vec![word(0, 0)])));

        let mut within = LeadIn::new(false, SampleRate::hz(400));
        assert_eq!(within.pass(chunk(&[0.0; 3], Vec::new())), Some(chunk(&[0.0; 3], Vec::new())));
    }

    #[test]
    fn an_interruption_ends_the_synthesis_with_its_block() {
        let voice = Counting::default();
        let made = voice.0.clone();
        let mut speak = Speak::new(Arc::new(voice), ClauseStream::new(ClauseConfig::default()));
        let mut port = Interrupting(Turns::default(), 3);
        let turn = TurnId::new(1);
        for body in [Body::Reply("One sentence. Another sentence. ".to_owned()), Body::ReplyEnd] {
            speak.handle(Message { turn, at: Position(0), body }, &mut Outbox::new(&mut port)).unwrap();
            if !port.0.is_current(turn) {
                break;
            }
        }
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }
}
