use std::path::Path;
use std::sync::Arc;

use crate::card::{Chunking, StateTensor, ValidCount};
use crate::runtime::{ElementType, Model, Tensor};
use crate::{Error, Result};

/// The names, shapes and counts of what a streaming net carries from run to run, as its card gives them.
pub(crate) struct Contract {
    states: Vec<StateTensor>,
    valid: Option<ValidCount>,
    outputs_per_run: usize,
}

impl Contract {
    /// Takes the contract from the card, and checks that the model keeps it.
    pub(crate) fn of(states: &[StateTensor], chunking: &Chunking, model: &dyn Model, path: &Path) -> Result<Arc<Self>> {
        for state in states {
            check_state(state, model, path)?;
        }
        if let Some(valid) = &chunking.valid {
            let port = model.input(&valid.input).ok_or_else(|| missing(path, "input", &valid.input))?;
            if port.element != ElementType::F32 || port.shape.len() != 1 {
                let reason = format!(
                    "input `{}`: expected f32 of shape [1], found {} of rank {}",
                    valid.input,
                    port.element,
                    port.shape.len()
                );
                return Err(Error::model(path, reason));
            }
        }
        let outputs_per_run = chunking.chunk_frames / chunking.subsampling;
        Ok(Arc::new(Self { states: states.to_vec(), valid: chunking.valid.clone(), outputs_per_run }))
    }

    /// The names of the outputs that are carried.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &str> {
        self.states.iter().map(|state| state.output.as_str())
    }
}

fn check_state(state: &StateTensor, model: &dyn Model, path: &Path) -> Result<()> {
    let input = model.input(&state.input).ok_or_else(|| missing(path, "input", &state.input))?;
    let output = model.output(&state.output).ok_or_else(|| missing(path, "output", &state.output))?;
    for (kind, port) in [("input", input), ("output", output)] {
        let fits = port.shape.len() == state.shape.len()
            && port.shape.iter().zip(&state.shape).all(|(have, want)| have.is_none_or(|have| have == *want));
        if !fits || port.element != state.element {
            let reason = format!(
                "{kind} `{}`: the card says {} of shape {:?}, the file has {} of shape {:?}",
                port.name,
                state.element,
                state.shape,
                port.element,
                port.shape.iter().map(|axis| axis.map_or(-1, |n| n as i64)).collect::<Vec<_>>()
            );
            return Err(Error::model(path, reason));
        }
    }
    Ok(())
}

/// The error for a tensor that the card names and the file lacks.
pub(crate) fn missing(path: &Path, kind: &str, name: &str) -> Error {
    Error::model(path, format!("the card names the {kind} `{name}`, which the file lacks"))
}

/// What one stream carries from run to run.
#[derive(Clone)]
pub(crate) struct Carry {
    contract: Arc<Contract>,
    values: Vec<Tensor>,
    valid: usize,
}

impl Carry {
    pub(crate) fn new(contract: Arc<Contract>) -> Self {
        let mut carry = Self { contract, values: Vec::new(), valid: 0 };
        carry.reset();
        carry
    }

    pub(crate) fn reset(&mut self) {
        self.values = self.contract.states.iter().map(|state| Tensor::zeros(state.element, &state.shape)).collect();
        self.valid = 0;
    }

    /// Hands the carried tensors to `run` as inputs, and takes the outputs of [`Contract::outputs`] from what it
    /// gives: they must come last. Returns the outputs before them. After an error the stream begins anew.
    pub(crate) fn step(&mut self, run: impl FnOnce(Vec<(&str, Tensor)>) -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        let contract = self.contract.clone();
        let values = std::mem::take(&mut self.values);
        let mut inputs: Vec<(&str, Tensor)> =
            contract.states.iter().map(|state| state.input.as_str()).zip(values).collect();
        if let Some(valid) = &contract.valid {
            inputs.push((&valid.input, Tensor::f32(&[1], vec![self.valid as f32])?));
            self.valid = (self.valid + contract.outputs_per_run).min(valid.limit);
        }
        let mut outputs = run(inputs).inspect_err(|_| self.reset())?;
        let own = outputs.len().saturating_sub(contract.states.len());
        self.values = outputs.split_off(own);
        Ok(outputs)
    }
}
