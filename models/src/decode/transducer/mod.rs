//! RNN transducers: from encoder frames to text, through nets that are asked on the way.
//!
//! Graves, "Sequence transduction with recurrent neural networks", 2012. A frame gives any number of tokens and then a
//! blank, which leads to the next frame; here a frame gives at most `max_symbols`, so that its work is bounded.

mod beam;
mod greedy;

use std::sync::Arc;

use crate::decode::ctc::{CtcConfig, CtcToken, Hotword, Hotwords, Hypothesis, LmUnit, Scorer};
use crate::decode::ngram::Ngram;
use crate::text::Tokenizer;
use crate::{Error, Result};

use beam::Beam;
use greedy::Greedy;

/// The prediction net and the joiner of a transducer.
pub trait TransducerNets {
    /// What the prediction net makes of some tokens; cheap to clone.
    type Predicted: Clone;

    /// What it makes of no tokens.
    ///
    /// # Errors
    /// When the net fails.
    fn begin(&mut self) -> Result<Self::Predicted>;

    /// What it makes of the tokens of `before` and one more.
    ///
    /// # Errors
    /// When the net fails.
    fn extend(&mut self, before: &Self::Predicted, token: u32) -> Result<Self::Predicted>;

    /// What the joiner says of an encoder frame after each of `predicted`: natural log probabilities,
    /// (predicted, tokens) row by row.
    ///
    /// # Errors
    /// When the net fails.
    fn log_probs(&mut self, frame: &[f32], predicted: &[&Self::Predicted]) -> Result<Vec<f32>>;
}

/// A decoder, immutable and shared; each stream of frames has its own [`TransducerSearch`].
///
/// With a beam of 1, and neither language model nor hotwords, the best token is taken until the blank is the best.
/// Else the best `beam` hypotheses are followed frame by frame, those of the same tokens as one, with shallow fusion as
/// [`CtcDecoder`](crate::decode::ctc::CtcDecoder) has it: with `max_symbols = 1` that is the modified beam search of
/// k2 and sherpa-onnx.
#[derive(Clone, Debug)]
pub struct TransducerDecoder {
    config: CtcConfig,
    max_symbols: usize,
    scorer: Scorer,
}

impl TransducerDecoder {
    /// A decoder of the tokenizer's pieces that takes at most `max_symbols` of a frame.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the config is out of range.
    pub fn new(config: CtcConfig, max_symbols: usize, tokenizer: Arc<Tokenizer>) -> Result<Self> {
        config.check(tokenizer.len())?;
        if !(1..=100).contains(&max_symbols) {
            return Err(Error::invalid("max_symbols", "1 to 100", max_symbols));
        }
        let scorer = Scorer::new(&config, tokenizer);
        Ok(Self { config, max_symbols, scorer })
    }

    /// The same decoder with a language model.
    pub fn with_lm(mut self, model: Arc<Ngram>, unit: LmUnit) -> Self {
        self.scorer.set_model(model, unit);
        self
    }

    /// The same decoder with words to be preferred.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a hotword is empty or its boost is not a finite number.
    pub fn with_hotwords(mut self, hotwords: &[Hotword]) -> Result<Self> {
        self.scorer.hotwords = Hotwords::new(hotwords)?;
        Ok(self)
    }

    /// The language model, where it is one of words.
    pub fn word_model(&self) -> Option<&Ngram> {
        self.scorer.word_model()
    }

    /// The most hypotheses that the joiner is asked about at a time.
    pub fn beam(&self) -> usize {
        self.config.beam
    }

    /// The search of a stream that has heard nothing.
    ///
    /// # Errors
    /// When the prediction net fails.
    pub fn search<N: TransducerNets>(&self, nets: &mut N) -> Result<TransducerSearch<N::Predicted>> {
        let predicted = nets.begin()?;
        let way = if self.config.beam == 1 && self.scorer.is_plain() {
            Way::Greedy(Greedy::new(predicted))
        } else {
            Way::Beam(Beam::new(predicted, &self.scorer))
        };
        Ok(TransducerSearch { frame: 0, way })
    }

    fn check(&self, row: &[f32], frame: usize) -> Result<()> {
        let expected = self.scorer.tokenizer.len();
        if row.len() != expected || row.iter().any(|value| value.is_nan()) {
            let found = format!("{} values, NaN among them: {}", row.len(), row.iter().any(|value| value.is_nan()));
            return Err(Error::invalid(format!("frame {frame}"), format!("{expected} log probabilities"), found));
        }
        Ok(())
    }
}

/// The decoder's state for one stream. Any chunking of the frames gives the same hypotheses.
#[derive(Clone, Debug)]
pub struct TransducerSearch<P> {
    frame: usize,
    way: Way<P>,
}

#[derive(Clone, Debug)]
enum Way<P> {
    Greedy(Greedy<P>),
    Beam(Beam<P>),
}

impl<P: Clone> TransducerSearch<P> {
    /// Takes the next encoder frame. Returns whether the best hypothesis has changed.
    ///
    /// # Errors
    /// When a net fails or gives what is no log probability.
    pub fn push<N>(&mut self, frame: &[f32], decoder: &TransducerDecoder, nets: &mut N) -> Result<bool>
    where
        N: TransducerNets<Predicted = P>,
    {
        let at = self.frame;
        self.frame += 1;
        match &mut self.way {
            Way::Greedy(greedy) => greedy.step(frame, at, decoder, nets),
            Way::Beam(beam) => beam.step(frame, at, decoder, nets),
        }
    }

    /// The best hypothesis so far. Its last word may be open.
    pub fn partial(&self) -> Hypothesis {
        match &self.way {
            Way::Greedy(greedy) => greedy.hypothesis(),
            Way::Beam(beam) => beam.partial(),
        }
    }

    /// The best hypothesis of frames that end here.
    pub fn finish(&self, decoder: &TransducerDecoder) -> Hypothesis {
        match &self.way {
            Way::Greedy(greedy) => greedy.hypothesis(),
            Way::Beam(beam) => beam.finish(&decoder.scorer),
        }
    }
}

fn token(id: u32, frame: usize, log_prob: f32) -> CtcToken {
    CtcToken { id, start: frame, end: frame + 1, log_prob }
}
