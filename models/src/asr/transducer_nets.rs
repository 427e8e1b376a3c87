//! The prediction net and the joiner of a transducer's bundle.

use std::path::Path;
use std::sync::Arc;

use super::carry::missing;
use super::conformer_transducer::TransducerParams;
use super::encoder::check_port;
use crate::card::{Bundle, DECODER_ROLE, JOINER_ROLE, StateTensor};
use crate::decode::transducer::TransducerNets;
use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::{Error, Result};

const TOKENS_INPUT: &str = "y";
const ENCODER_INPUT: &str = "encoder_out";
const PREDICTED: &str = "decoder_out";
const LOGITS_OUTPUT: &str = "logit";
/// Who tells the shapes.
const ASKS: &str = "card and tokens ask";

/// Both nets: immutable and shared.
pub(super) struct Parts {
    decoder: Arc<dyn Model>,
    joiner: Arc<dyn Model>,
    /// What the prediction net carries from token to token.
    states: Vec<StateTensor>,
    blank: u32,
    context: usize,
    joint: usize,
    vocabulary: usize,
}

impl Parts {
    pub(super) fn open(
        bundle: &Bundle,
        runtime: &dyn Runtime,
        params: &TransducerParams,
        vocabulary: usize,
    ) -> Result<Arc<Self>> {
        if params.context == 0 {
            return Err(Error::model(bundle.root(), "[params] context: expected at least 1, found 0"));
        }
        let (decoder_path, joiner_path) = (bundle.path(DECODER_ROLE)?, bundle.path(JOINER_ROLE)?);
        let (decoder, joiner) = (runtime.open(&decoder_path)?, runtime.open(&joiner_path)?);
        let own = |state: &&StateTensor| state.file == DECODER_ROLE;
        let states: Vec<_> = bundle.card().states.iter().filter(own).cloned().collect();
        let joint = joint(joiner.as_ref(), &joiner_path)?;
        check_joiner(joiner.as_ref(), joint, vocabulary, &joiner_path)?;
        check_decoder(decoder.as_ref(), &states, joint, &decoder_path)?;
        let (blank, context) = (params.blank, params.context);
        Ok(Arc::new(Self { decoder, joiner, states, blank, context, joint, vocabulary }))
    }

    /// The width of what the joiner joins.
    pub(super) fn joint(&self) -> usize {
        self.joint
    }

    /// Lets the engine plan for one token, and for one frame after one hypothesis and after `beam` of them.
    pub(super) fn warm_up(&self, beam: usize) -> Result<()> {
        self.decoder.warm_up(self.decoder_inputs(&self.first(), self.blank)?)?;
        for rows in [1, beam] {
            let rows = || Tensor::f32(&[rows, self.joint], vec![0.0; rows * self.joint]);
            self.joiner.warm_up(vec![(ENCODER_INPUT, rows()?), (PREDICTED, rows()?)])?;
        }
        Ok(())
    }

    pub(super) fn nets(self: &Arc<Self>) -> Result<Nets> {
        Ok(Nets { decoder: self.decoder.session()?, joiner: self.joiner.session()?, parts: self.clone() })
    }

    /// What stands before the first run of the prediction net.
    fn first(&self) -> Said {
        let states = self.states.iter().map(|state| Tensor::zeros(state.element, &state.shape)).collect();
        Said { tokens: vec![self.blank; self.context], output: Vec::new(), states }
    }

    fn decoder_inputs(&self, before: &Said, token: u32) -> Result<Vec<(&str, Tensor)>> {
        let tokens = before.tokens[1..].iter().chain([&token]).map(|token| i64::from(*token)).collect();
        let states = self.states.iter().map(|state| state.input.as_str()).zip(before.states.iter().cloned());
        Ok(states.chain([(TOKENS_INPUT, Tensor::i64(&[1, self.context], tokens)?)]).collect())
    }
}

/// The width of the joiner's inputs, which its file must fix.
fn joint(joiner: &dyn Model, path: &Path) -> Result<usize> {
    let input = joiner.input(ENCODER_INPUT).ok_or_else(|| missing(path, "input", ENCODER_INPUT))?;
    match input.shape.as_slice() {
        [_, Some(width)] => Ok(*width),
        other => Err(Error::model(path, format!("input `{ENCODER_INPUT}`: expected (N, width), found {other:?}"))),
    }
}

fn check_joiner(joiner: &dyn Model, joint: usize, vocabulary: usize, path: &Path) -> Result<()> {
    let predicted = joiner.input(PREDICTED).ok_or_else(|| missing(path, "input", PREDICTED))?;
    let logits = joiner.output(LOGITS_OUTPUT).ok_or_else(|| missing(path, "output", LOGITS_OUTPUT))?;
    check_port(predicted, &[1, joint], ASKS, path)?;
    check_port(logits, &[1, vocabulary], ASKS, path)
}

fn check_decoder(decoder: &dyn Model, states: &[StateTensor], joint: usize, path: &Path) -> Result<()> {
    decoder.input(TOKENS_INPUT).ok_or_else(|| missing(path, "input", TOKENS_INPUT))?;
    let predicted = decoder.output(PREDICTED).ok_or_else(|| missing(path, "output", PREDICTED))?;
    check_port(predicted, &[1, joint], ASKS, path)?;
    for StateTensor { input, output, shape, .. } in states {
        let found = decoder.input(input).ok_or_else(|| missing(path, "input", input))?;
        check_port(found, shape, ASKS, path)?;
        let found = decoder.output(output).ok_or_else(|| missing(path, "output", output))?;
        check_port(found, shape, ASKS, path)?;
    }
    Ok(())
}

/// What the prediction net has made of the tokens so far.
pub(super) type Predicted = Arc<Said>;

pub(super) struct Said {
    /// The last tokens, as many as the net takes.
    tokens: Vec<u32>,
    /// (joint)
    output: Vec<f32>,
    states: Vec<Tensor>,
}

/// The nets for one stream.
pub(super) struct Nets {
    parts: Arc<Parts>,
    decoder: Box<dyn Session>,
    joiner: Box<dyn Session>,
}

impl Nets {
    fn predict(&mut self, before: &Said, token: u32) -> Result<Predicted> {
        let parts = self.parts.clone();
        let states = parts.states.iter().map(|state| state.output.as_str());
        let wanted: Vec<&str> = std::iter::once(PREDICTED).chain(states).collect();
        let mut outputs = self.decoder.run(parts.decoder_inputs(before, token)?, &wanted)?;
        let states = outputs.split_off(1);
        let output = outputs.remove(0).into_f32(PREDICTED)?.into_iter().collect();
        let tokens = before.tokens[1..].iter().copied().chain([token]).collect();
        Ok(Arc::new(Said { tokens, output, states }))
    }
}

impl TransducerNets for Nets {
    type Predicted = Predicted;

    fn begin(&mut self) -> Result<Predicted> {
        let parts = self.parts.clone();
        self.predict(&parts.first(), parts.blank)
    }

    fn extend(&mut self, before: &Predicted, token: u32) -> Result<Predicted> {
        self.predict(before, token)
    }

    fn log_probs(&mut self, frame: &[f32], predicted: &[&Predicted]) -> Result<Vec<f32>> {
        let shape = [predicted.len(), self.parts.joint];
        let frames = frame.repeat(predicted.len());
        let rows = predicted.iter().flat_map(|said| said.output.iter().copied()).collect();
        let inputs = vec![(ENCODER_INPUT, Tensor::f32(&shape, frames)?), (PREDICTED, Tensor::f32(&shape, rows)?)];
        let logits = self.joiner.run(inputs, &[LOGITS_OUTPUT])?.remove(0).into_f32(LOGITS_OUTPUT)?;
        let mut values: Vec<f32> = logits.into_iter().collect();
        values.chunks_exact_mut(self.parts.vocabulary).for_each(log_softmax);
        Ok(values)
    }
}

fn log_softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let normaliser = most + row.iter().map(|logit| (logit - most).exp()).sum::<f32>().ln();
    row.iter_mut().for_each(|logit| *logit -= normaliser);
}
