use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayD, IxDyn};

use crate::runtime::{Model, Runtime, Session, Tensor};
use crate::units::SampleRate;
use crate::vad::{Vad, VadStream, check_frame};
use crate::{Error, Result};

/// 32 ms, what all versions take at 16 kHz.
const FRAME_SAMPLES: usize = 512;

/// What the network looks back on from version 5 on (`OnnxWrapper` of silero-vad's `utils_vad.py`).
const CONTEXT_SAMPLES: usize = 64;

/// A published file of Silero VAD, versions 4 to 6, at 16 kHz.
///
/// The version is told by the names of the inputs: `state` is version 5 or 6, whose input begins with the last 64
/// samples of the frame before; `h` and `c` are version 4, in Silero's own export (`input`) or k2-fsa's (`x`).
#[derive(Clone)]
pub struct Silero {
    model: Arc<dyn Model>,
    contract: Contract,
    path: PathBuf,
}

#[derive(Clone)]
struct Contract {
    audio: &'static str,
    has_rate: bool,
    context: usize,
    /// The name of each state, going in and coming out, and its shape.
    states: Vec<(&'static str, &'static str, Vec<usize>)>,
    probability: &'static str,
}

impl Silero {
    /// Opens an ONNX file.
    ///
    /// # Errors
    /// [`Error::Model`] when the runtime cannot open it, or it lacks an input or output of the known versions.
    pub fn open(runtime: &dyn Runtime, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let model = runtime.open(path)?;
        let contract = Contract::of(model.as_ref(), path)?;
        Ok(Self { model, contract, path: path.to_owned() })
    }
}

impl Contract {
    fn of(model: &dyn Model, path: &Path) -> Result<Self> {
        let has = |name: &str| model.inputs().iter().any(|port| port.name == name);
        let cell = vec![2, 1, 64];
        let contract = match (has("state"), has("x")) {
            (true, _) => Self {
                audio: "input",
                has_rate: has("sr"),
                context: CONTEXT_SAMPLES,
                states: vec![("state", "stateN", vec![2, 1, 128])],
                probability: "output",
            },
            (_, false) => Self {
                audio: "input",
                has_rate: has("sr"),
                context: 0,
                states: vec![("h", "hn", cell.clone()), ("c", "cn", cell)],
                probability: "output",
            },
            (_, true) => Self {
                audio: "x",
                has_rate: false,
                context: 0,
                states: vec![("h", "new_h", cell.clone()), ("c", "new_c", cell)],
                probability: "prob",
            },
        };
        contract.check(model, path)?;
        Ok(contract)
    }

    fn check(&self, model: &dyn Model, path: &Path) -> Result<()> {
        let inputs = self.states.iter().map(|state| state.0).chain([self.audio]);
        let outputs = self.states.iter().map(|state| state.1).chain([self.probability]);
        for (kind, ports, names) in
            [("input", model.inputs(), inputs.collect::<Vec<_>>()), ("output", model.outputs(), outputs.collect())]
        {
            if let Some(missing) = names.iter().find(|name| !ports.iter().any(|port| port.name == **name)) {
                let found = ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>().join(", ");
                let reason = format!("not a Silero VAD of version 4 to 6: no {kind} `{missing}`, only {found}");
                return Err(Error::model(path, reason));
            }
        }
        Ok(())
    }

    fn zeros(&self) -> Vec<Tensor> {
        self.states.iter().map(|state| Tensor::F32(ArrayD::zeros(IxDyn(&state.2)))).collect()
    }
}

impl Vad for Silero {
    fn name(&self) -> &'static str {
        "silero"
    }

    fn stream(&self) -> Result<Box<dyn VadStream>> {
        Ok(Box::new(SileroStream {
            session: self.model.session()?,
            states: self.contract.zeros(),
            window: vec![0.0; self.contract.context + FRAME_SAMPLES],
            contract: self.contract.clone(),
            path: self.path.clone(),
        }))
    }
}

struct SileroStream {
    session: Box<dyn Session>,
    contract: Contract,
    states: Vec<Tensor>,
    /// The context, then the frame.
    window: Vec<f32>,
    path: PathBuf,
}

impl VadStream for SileroStream {
    fn frame_samples(&self) -> usize {
        FRAME_SAMPLES
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        check_frame(frame, FRAME_SAMPLES, "silero")?;
        self.window.drain(..FRAME_SAMPLES);
        self.window.extend_from_slice(frame);
        let audio = Array2::from_shape_vec((1, self.window.len()), self.window.clone());
        let audio = audio.map_err(|error| Error::model(&self.path, error.to_string()))?.into_dyn();
        let mut inputs = vec![(self.contract.audio, Tensor::F32(audio))];
        if self.contract.has_rate {
            let rate = i64::from(SampleRate::INTERNAL.get());
            inputs.push(("sr", Tensor::I64(ArrayD::from_elem(IxDyn(&[]), rate))));
        }
        let states = std::mem::replace(&mut self.states, self.contract.zeros());
        inputs.extend(self.contract.states.iter().zip(states).map(|(state, value)| (state.0, value)));
        let wanted: Vec<&str> =
            [self.contract.probability].into_iter().chain(self.contract.states.iter().map(|state| state.1)).collect();
        let mut outputs = self.session.run(inputs, &wanted)?.into_iter();
        let probability = match outputs.next() {
            Some(Tensor::F32(values)) => values.first().copied(),
            _ => None,
        };
        self.states = outputs.collect();
        let reason = || format!("output `{}` holds no 32-bit float", self.contract.probability);
        probability.ok_or_else(|| Error::model(&self.path, reason()))
    }

    fn reset(&mut self) {
        self.states = self.contract.zeros();
        self.window.fill(0.0);
    }
}
