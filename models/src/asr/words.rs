use super::{Transcript, Word};
use crate::decode::ctc::CtcWord;
use crate::decode::ngram::Ngram;
use crate::units::{SampleRate, Samples};

/// How output frames lie in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameClock {
    /// Samples from one output frame to the next, at `rate`.
    pub(super) frame_samples: u64,
    /// The rate of the audio that the model takes.
    pub(super) rate: SampleRate,
}

impl FrameClock {
    /// The beginning of an output frame, at the internal rate.
    fn at(self, frame: usize) -> Samples {
        Samples(frame as u64 * self.frame_samples).convert(self.rate, SampleRate::INTERNAL)
    }
}

/// Words with their frames turned into time, their text, and how well it ends by a language model.
pub(super) fn transcript(words: Vec<CtcWord>, clock: FrameClock, model: Option<&Ngram>) -> Transcript {
    let word = |CtcWord { text, start, end, confidence }| Word {
        text,
        start: clock.at(start),
        end: clock.at(end),
        confidence,
    };
    let words: Vec<Word> = words.into_iter().map(word).collect();
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let ending = model.map_or(1.0, |model| model.ending(words.iter().map(|word| word.text.as_str())));
    Transcript { text, words, ending, finality: None }
}
