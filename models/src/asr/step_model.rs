//! A Transformer in an ONNX file that says one token after another: a decoder, or a language model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{ArrayD, Axis};

use super::carry::missing;
use super::encoder::check_port;
use crate::decode::attention::{BOUNDARY, Said, Step, StepNet};
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::{Error, Result};

const TOKENS_INPUT: &str = "tokens";
const POSITION_INPUT: &str = "position";
const CACHE_INPUT: &str = "cache";
const MEMORY_INPUT: &str = "memory";
const LOG_PROBS_OUTPUT: &str = "log_probs";
const CACHE_OUTPUT: &str = "cache_out";
const ATTENTION_OUTPUT: &str = "attention";
/// Who tells the shapes.
const ASKS: &str = "the tokens ask";

/// The file takes `tokens` (N, 1), the last of each hypothesis, `position` (1), the number of tokens before, and `cache`
/// (N, entries, places, width), zeros with one place before the first token, and gives `log_probs` (N, vocabulary) and
/// `cache_out`, with a place more. A decoder takes also `memory` (1, frames, width), what its layers make of an encoder's
/// frames, and gives `attention` (N, frames).
pub(super) struct StepModel {
    model: Arc<dyn Model>,
    /// Entries and width of the cache.
    cache: [usize; 2],
    /// The width of the memory.
    memory: Option<usize>,
    vocabulary: usize,
    path: PathBuf,
}

impl StepModel {
    pub(super) fn open(runtime: &dyn Runtime, path: &Path, vocabulary: usize) -> Result<Arc<Self>> {
        let model = runtime.open(path)?;
        let log_probs = model.output(LOG_PROBS_OUTPUT).ok_or_else(|| missing(path, "output", LOG_PROBS_OUTPUT))?;
        check_port(log_probs, &[1, vocabulary], ASKS, path)?;
        let cache = model.input(CACHE_INPUT).ok_or_else(|| missing(path, "input", CACHE_INPUT))?;
        let cache = match cache.shape.as_slice() {
            [_, Some(entries), _, Some(width)] => [*entries, *width],
            other => {
                let reason = format!("input `{CACHE_INPUT}`: expected (N, entries, places, width), found {other:?}");
                return Err(Error::model(path, reason));
            }
        };
        let memory = model.input(MEMORY_INPUT).and_then(|port| port.shape.last().copied().flatten());
        if memory == Some(0) {
            return Err(Error::model(path, format!("input `{MEMORY_INPUT}`: expected a width above 0")));
        }
        let model = Self { model, cache, memory, vocabulary, path: path.to_owned() };
        // Once, so that the first utterance is as fast as the others.
        let mut net = Arc::new(model).net()?;
        net.listen(&vec![0.0; memory.unwrap_or_default()])?;
        net.begin()?;
        net.say()?;
        Ok(net.model)
    }

    /// The width of what it looks at; none for a language model.
    pub(super) fn memory(&self) -> Result<usize> {
        self.memory.ok_or_else(|| missing(&self.path, "input", MEMORY_INPUT))
    }

    /// The net of one stream.
    pub(super) fn net(self: &Arc<Self>) -> Result<EngineNet> {
        let cache = ArrayD::zeros(vec![1, self.cache[0], 1, self.cache[1]]);
        let session = self.model.session()?;
        Ok(EngineNet { model: self.clone(), session, memory: None, cache, tokens: vec![BOUNDARY], position: 0 })
    }
}

/// A model at work for one stream.
pub(super) struct EngineNet {
    model: Arc<StepModel>,
    session: Box<dyn Session>,
    memory: Option<Tensor>,
    /// Of all tokens that were said, (hypotheses, entries, places, width).
    cache: ArrayD<f32>,
    /// The last of each hypothesis.
    tokens: Vec<u32>,
    position: usize,
}

impl EngineNet {
    /// What a decoder is to look at: (frames, width) row by row.
    pub(super) fn listen(&mut self, memory: &[f32]) -> Result<()> {
        if let Some(width) = self.model.memory {
            self.memory = Some(Tensor::f32(&[1, memory.len() / width, width], memory.to_vec())?);
        }
        Ok(())
    }
}

impl StepNet for EngineNet {
    fn begin(&mut self) -> Result<()> {
        let [entries, width] = self.model.cache;
        self.cache = ArrayD::zeros(vec![1, entries, 1, width]);
        (self.tokens, self.position) = (vec![BOUNDARY], 0);
        Ok(())
    }

    fn say(&mut self) -> Result<Said> {
        let tokens = self.tokens.iter().map(|token| i64::from(*token)).collect();
        let mut inputs = vec![
            (TOKENS_INPUT, Tensor::i64(&[self.tokens.len(), 1], tokens)?),
            (POSITION_INPUT, Tensor::f32(&[1], vec![self.position as f32])?),
            (CACHE_INPUT, Tensor::F32(std::mem::take(&mut self.cache))),
        ];
        inputs.extend(self.memory.clone().map(|memory| (MEMORY_INPUT, memory)));
        let looks = self.model.memory.map(|_| ATTENTION_OUTPUT);
        let wanted: Vec<&str> = [LOG_PROBS_OUTPUT, CACHE_OUTPUT].into_iter().chain(looks).collect();
        let mut outputs = self.session.run(inputs, &wanted)?.into_iter();
        let mut next = |name| outputs.next().ok_or_else(|| missing(&self.model.path, "output", name))?.into_f32(name);
        let log_probs: Vec<f32> = next(LOG_PROBS_OUTPUT)?.into_iter().collect();
        let (hypotheses, vocabulary) = (self.tokens.len(), self.model.vocabulary);
        if log_probs.len() != hypotheses * vocabulary {
            let reason = format!(
                "output `{LOG_PROBS_OUTPUT}`: expected ({hypotheses}, {vocabulary}), found {} values",
                log_probs.len()
            );
            return Err(Error::model(&self.model.path, reason));
        }
        self.cache = next(CACHE_OUTPUT)?;
        let attention = looks.map(next).transpose()?.into_iter().flatten().collect();
        Ok(Said { log_probs, attention })
    }

    fn advance(&mut self, steps: &[Step]) -> Result<()> {
        let from: Vec<usize> = steps.iter().map(|step| step.from).collect();
        self.cache = self.cache.select(Axis(0), &from);
        self.tokens = steps.iter().map(|step| step.token).collect();
        self.position += 1;
        Ok(())
    }
}
