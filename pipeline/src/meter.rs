//! How much of a stage's time its model takes, and how much it waits for a place for what it made.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rejoinder_models::Result;
use rejoinder_models::asr::{Recognizer, RecognizerStream, Transcript};
use rejoinder_models::enhance::{Enhancer, EnhancerStream};
use rejoinder_models::keyword::{KeywordSpotter, KeywordStream};
use rejoinder_models::llm::tools::Moment;
use rejoinder_models::llm::{Cancel, ChatMessage, Dialogue, Finish, Responder, ToolSpec, Usage};
use rejoinder_models::speaker::{Embedding, SpeakerEncoder};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::tts::{SpeechChunk, Synthesizer, Utterance};
use rejoinder_models::turn::{TurnDetector, TurnStream};
use rejoinder_models::units::{SampleRate, Samples};
use rejoinder_models::vad::{Hysteresis, Vad, VadStream};

use crate::{Assistant, Identity, WakeWord};

thread_local! {
    static SPENT: Cell<Spent> = const { Cell::new(Spent { models: Duration::ZERO, waiting: Duration::ZERO }) };
}

/// What a thread's time went into besides the pipeline's own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// In metered models.
    pub(crate) models: Duration,
    /// Until a full queue had a place.
    pub(crate) waiting: Duration,
}

/// What this thread has spent since the last call.
pub(crate) fn take() -> Spent {
    SPENT.take()
}

/// Waits for a place in a full queue.
pub(crate) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = wait();
    spend(|spent| spent.waiting += began.elapsed());
    result
}

fn timed<T>(work: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = work();
    spend(|spent| spent.models += began.elapsed());
    result
}

fn spend(on: impl FnOnce(&mut Spent)) {
    let mut spent = SPENT.get();
    on(&mut spent);
    SPENT.set(spent);
}

impl Assistant {
    /// The same assistant, whose models' time is told apart from the pipeline's own in each
    /// [`Step`](crate::Step)'s overhead.
    #[must_use]
    pub fn metered(mut self) -> Self {
        self.enhancer = self.enhancer.map(|enhancer| Arc::new(Metered(enhancer)) as Arc<dyn Enhancer>);
        self.vad = Arc::new(Metered(self.vad));
        self.turn_detector = self.turn_detector.map(|detector| Arc::new(Metered(detector)) as Arc<dyn TurnDetector>);
        self.wake_word = self.wake_word.map(|wake| WakeWord { spotter: Arc::new(Metered(wake.spotter)), ..wake });
        self.identity = self.identity.map(|who| Identity { encoder: Arc::new(Metered(who.encoder)), ..who });
        self.recognizer = Arc::new(Metered(self.recognizer));
        self.responder = Arc::new(Metered(self.responder));
        self.synthesizer = Arc::new(Metered(self.synthesizer));
        self
    }
}

struct Metered<T>(T);

impl<S: Streaming + ?Sized> Streaming for Metered<Box<S>> {
    type Input = S::Input;
    type Output = S::Output;
    fn push(&mut self, input: &S::Input, out: &mut S::Output) -> Result<()> {
        timed(|| self.0.push(input, out))
    }
    fn flush(&mut self, out: &mut S::Output) -> Result<()> {
        timed(|| self.0.flush(out))
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn delay(&self) -> usize {
        self.0.delay()
    }
}

impl Enhancer for Metered<Arc<dyn Enhancer>> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn stream(&self) -> Result<Box<dyn EnhancerStream>> {
        Ok(Box::new(Metered(self.0.stream()?)))
    }
}

impl EnhancerStream for Metered<Box<dyn EnhancerStream>> {
    fn lag(&self) -> usize {
        self.0.lag()
    }
    fn echo_delay_ms(&self) -> Option<f64> {
        self.0.echo_delay_ms()
    }
}

impl Vad for Metered<Arc<dyn Vad>> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn hysteresis(&self) -> Hysteresis {
        self.0.hysteresis()
    }
    fn stream(&self) -> Result<Box<dyn VadStream>> {
        Ok(Box::new(Metered(self.0.stream()?)))
    }
}

impl VadStream for Metered<Box<dyn VadStream>> {
    fn sample_rate(&self) -> SampleRate {
        self.0.sample_rate()
    }
    fn frame_samples(&self) -> usize {
        self.0.frame_samples()
    }
    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        timed(|| self.0.probability(frame))
    }
    fn reset(&mut self) {
        self.0.reset();
    }
}

impl TurnDetector for Metered<Arc<dyn TurnDetector>> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn window(&self) -> Samples {
        self.0.window()
    }
    fn stream(&self) -> Result<Box<dyn TurnStream>> {
        Ok(Box::new(Metered(self.0.stream()?)))
    }
}

impl TurnStream for Metered<Box<dyn TurnStream>> {
    fn probability(&mut self, sound: &[f32]) -> Result<f32> {
        timed(|| self.0.probability(sound))
    }
}

impl KeywordSpotter for Metered<Arc<dyn KeywordSpotter>> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn keywords(&self) -> &[String] {
        self.0.keywords()
    }
    fn thresholds(&self) -> &[f32] {
        self.0.thresholds()
    }
    fn frame(&self) -> Samples {
        self.0.frame()
    }
    fn stream(&self) -> Result<Box<dyn KeywordStream>> {
        Ok(Box::new(Metered(self.0.stream()?)))
    }
}

impl KeywordStream for Metered<Box<dyn KeywordStream>> {}

impl SpeakerEncoder for Metered<Arc<dyn SpeakerEncoder>> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn sample_rate(&self) -> SampleRate {
        self.0.sample_rate()
    }
    fn shortest(&self) -> Samples {
        self.0.shortest()
    }
    fn threshold(&self) -> f32 {
        self.0.threshold()
    }
    fn embed(&self, samples: &[f32]) -> Result<Embedding> {
        timed(|| self.0.embed(samples))
    }
}

impl Recognizer for Metered<Arc<dyn Recognizer>> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn stream(&self) -> Result<Box<dyn RecognizerStream>> {
        Ok(Box::new(Metered(self.0.stream()?)))
    }
}

impl RecognizerStream for Metered<Box<dyn RecognizerStream>> {
    fn sample_rate(&self) -> SampleRate {
        self.0.sample_rate()
    }
    fn push(&mut self, samples: &[f32]) -> Result<bool> {
        timed(|| self.0.push(samples))
    }
    fn partial(&self) -> Transcript {
        timed(|| self.0.partial())
    }
    fn preview(&mut self) -> Result<Transcript> {
        timed(|| self.0.preview())
    }
    fn flush(&mut self) -> Result<Transcript> {
        timed(|| self.0.flush())
    }
    fn reset(&mut self) {
        timed(|| self.0.reset());
    }
    fn delay(&self) -> Samples {
        self.0.delay()
    }
}

impl Responder for Metered<Arc<dyn Responder>> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn dialogue(&self, now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(Metered(self.0.dialogue(now)?)))
    }
}

impl Dialogue for Metered<Box<dyn Dialogue>> {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let (began, mut outside) = (Instant::now(), Duration::ZERO);
        let result = self.0.reply(messages, tools, cancel, &mut |piece| {
            let left = Instant::now();
            let flow = on_text(piece);
            outside += left.elapsed();
            flow
        });
        spend(|spent| spent.models += began.elapsed().saturating_sub(outside));
        result
    }

    fn prefill(&mut self, messages: &[ChatMessage], tools: &[ToolSpec], cancel: &Cancel) -> Result<()> {
        timed(|| self.0.prefill(messages, tools, cancel))
    }
    fn fork(&mut self) -> Result<()> {
        timed(|| self.0.fork())
    }
    fn adopt(&mut self) -> Result<()> {
        timed(|| self.0.adopt())
    }
    fn discard(&mut self) -> Result<()> {
        timed(|| self.0.discard())
    }
    fn usage(&self) -> Usage {
        self.0.usage()
    }
}

impl Synthesizer for Metered<Arc<dyn Synthesizer>> {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn sample_rate(&self) -> SampleRate {
        self.0.sample_rate()
    }
    fn speak(&self, text: &str) -> Result<Box<dyn Utterance>> {
        Ok(Box::new(Metered(timed(|| self.0.speak(text))?)))
    }
}

impl Utterance for Metered<Box<dyn Utterance>> {
    fn next_chunk(&mut self) -> Result<Option<SpeechChunk>> {
        timed(|| self.0.next_chunk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sleeper;

    impl VadStream for Sleeper {
        fn frame_samples(&self) -> usize {
            1
        }
        fn probability(&mut self, _frame: &[f32]) -> Result<f32> {
            std::thread::sleep(Duration::from_millis(20));
            Ok(0.0)
        }
        fn reset(&mut self) {}
    }

    #[test]
    fn a_models_time_is_counted_once_and_on_its_own_thread() {
        take();
        let mut metered = Metered(Box::new(Sleeper) as Box<dyn VadStream>);
        metered.probability(&[0.0]).unwrap();
        std::thread::spawn(|| assert_eq!(take(), Spent::default())).join().unwrap();
        assert!(take().models >= Duration::from_millis(20));
        assert_eq!(take(), Spent::default());
    }
}
