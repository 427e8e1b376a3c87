use super::search::TimedToken;
use super::{Transcript, Word};
use crate::text::Tokenizer;
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

/// The text of tokens and its words. A word lasts from the first frame of its first token to the last of its last;
/// its confidence is the geometric mean of the probabilities of its tokens.
pub(super) fn transcript(tokenizer: &Tokenizer, tokens: &[TimedToken], clock: FrameClock) -> Transcript {
    let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
    let word = |word: crate::text::TokenWord| {
        let tokens = &tokens[word.tokens];
        let mean = tokens.iter().map(|token| token.log_prob).sum::<f32>() / tokens.len().max(1) as f32;
        Word {
            text: word.text,
            start: clock.at(tokens.first().map_or(0, |token| token.start)),
            end: clock.at(tokens.last().map_or(0, |token| token.end)),
            confidence: mean.exp().clamp(0.0, 1.0),
        }
    };
    let words: Vec<Word> = tokenizer.words(&ids).into_iter().map(word).collect();
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    Transcript { text, words }
}
