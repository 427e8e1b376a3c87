//! The graph of one step of a Transformer, as a decoder and a language model over tokens have it in their bundles.

use burn::tensor::{Tensor, TensorData};

use crate::Result;
use crate::export::{self, Axis, Case, Element, OnnxExport, OnnxModel, Recorder};
use crate::nets::transformer::Transformer;

/// Hypotheses, places of the cache, and frames at which a step is recorded.
const RECORDED: [[usize; 3]; 3] = [[2, 3, 5], [3, 7, 11], [6, 13, 17]];
/// Those at which it is checked, the first step among them.
const CHECKED: [[usize; 3]; 3] = [[1, 1, 9], [4, 5, 9], [7, 2, 30]];

/// The file of one step of a decoder or, where it `looks` at no frames, of a language model, and what the net itself makes of
/// some inputs.
///
/// # Errors
/// When the net has an operation that cannot be exported.
pub fn record(net: &Transformer, looks: bool) -> Result<(OnnxModel, Vec<Case>)> {
    let [hypotheses, places, frames] =
        [("N", 0), ("P", 1), ("T", 2)].map(|(name, at)| Axis::symbol(name, &RECORDED[at]));
    let (entries, dim) = (2 * net.layers(), net.dim());
    let mut declaration = OnnxExport::new(if looks { "decoder" } else { "token_lm" })
        .metadata("vocab_size", net.vocabulary().to_string())
        .input("tokens", Element::Int, [hypotheses.clone(), Axis::from(1)])
        .input("position", Element::Float, [Axis::from(1)])
        .input("cache", Element::Float, [hypotheses, Axis::from(entries), places, Axis::from(dim)]);
    if looks {
        declaration = declaration.input("memory", Element::Float, [Axis::from(1), frames, Axis::from(entries * dim)]);
    }
    let forward = if looks { decoder } else { token_lm };
    let case = |[hypotheses, places, frames]: [usize; 3]| {
        let tokens = (0..hypotheses).map(|at| ((7 * at + 3) % net.vocabulary()) as i64).collect();
        let position = vec![(places - 1) as f32];
        let mut inputs = vec![
            ("tokens", TensorData::new(tokens, [hypotheses, 1])),
            ("position", TensorData::new(position, [1])),
            ("cache", wave([hypotheses, entries, places, dim])),
        ];
        if looks {
            inputs.push(("memory", wave([1, frames, entries * dim])));
        }
        Ok(declaration.case(net, &inputs, forward)?)
    };
    let cases = CHECKED.into_iter().map(case).collect::<Result<_>>()?;
    Ok((declaration.record(net, forward)?, cases))
}

/// Numbers in [-1, 1] of no particular pattern.
fn wave<const D: usize>(shape: [usize; D]) -> TensorData {
    TensorData::new((0..shape.iter().product()).map(|at| (at as f32 * 0.7).sin()).collect(), shape)
}

fn decoder(net: &Transformer, recorder: &mut Recorder<'_>) -> export::Result<()> {
    let memory = recorder.float::<3>("memory")?;
    step(net, Some(memory), recorder)
}

fn token_lm(net: &Transformer, recorder: &mut Recorder<'_>) -> export::Result<()> {
    step(net, None, recorder)
}

fn step(net: &Transformer, memory: Option<Tensor<3>>, recorder: &mut Recorder<'_>) -> export::Result<()> {
    let (tokens, position) = (recorder.int::<2>("tokens")?, recorder.float::<1>("position")?);
    let stepped = net.step(tokens, position, recorder.float::<4>("cache")?, memory);
    recorder.output("log_probs", stepped.log_probs)?;
    if let Some(attention) = stepped.attention {
        recorder.output("attention", attention)?;
    }
    recorder.output("cache_out", stepped.cache)
}
