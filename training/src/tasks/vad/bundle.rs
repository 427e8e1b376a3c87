use burn::tensor::{Device, Tensor, TensorData, activation};
use rejoinder_models::card::{Chunking, MODEL_ROLE, ModelCard, StateTensor, Task as CardTask};
use rejoinder_models::units::SampleRate;
use rejoinder_models::vad::crdnn::{FAMILY, INPUT, OUTPUT};

use super::recipe::VadRecipe;
use crate::Result;
use crate::export::{Axis, Case, Element, OnnxExport, Package, Recorder};
use crate::nets::vad::{VadNet, VadNetConfig, VadState};

/// How far a probability of the exported net may be from the net's own.
const ALLOWED: f64 = 1e-3;
/// Feature frames of a run: one frame of the output.
const FRAMES: usize = VadNetConfig::SUBSAMPLING;
/// Runs that an export is checked on.
const CHECKED: usize = 24;
/// Inputs and outputs that carry the stream.
const STATES: [(&str, &str); 3] =
    [("features", "features_out"), ("convolved", "convolved_out"), ("hidden", "hidden_out")];

/// Writes the bundle: the net in 32-bit floats and the card.
pub(super) fn export(recipe: &VadRecipe) -> Result<()> {
    recipe.export.refuse_int8()?;
    let device = Device::flex();
    let net = recipe.trained(&device)?;
    let shapes = data(&net.state(1, &device)).map(|data| data.shape().iter().copied().collect::<Vec<usize>>());
    let mut declaration =
        OnnxExport::new(FAMILY).input(INPUT, Element::Float, [1, FRAMES, recipe.net.bins].map(Axis::from));
    for ((input, _), shape) in STATES.iter().zip(&shapes) {
        declaration = declaration.input(input, Element::Float, shape.iter().copied().map(Axis::from));
    }
    let model = declaration.record(&net, forward)?;
    let cases = cases(recipe, &net, &declaration)?;
    let bundle = Package::new(card(recipe, &shapes))
        .model(MODEL_ROLE, "model.onnx", model, cases, ALLOWED)
        .write(&recipe.export.bundle)?;
    tracing::info!("{}: {} bytes, {:?}", bundle.root().display(), bundle.bytes(), bundle.card().parity);
    Ok(())
}

fn data(state: &VadState) -> [TensorData; 3] {
    [state.features.to_data(), state.convolved.to_data(), state.hidden.to_data()]
}

fn forward(net: &VadNet, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let state = VadState {
        features: recorder.float::<4>(STATES[0].0)?,
        convolved: recorder.float::<4>(STATES[1].0)?,
        hidden: recorder.float::<2>(STATES[2].0)?,
    };
    let (log_odds, next) = net.forward(recorder.float::<3>(INPUT)?, state);
    let [batch, frames] = log_odds.dims();
    recorder.output(OUTPUT, activation::sigmoid(log_odds).reshape([batch, frames, 1]))?;
    recorder.output(STATES[0].1, next.features)?;
    recorder.output(STATES[1].1, next.convolved)?;
    recorder.output(STATES[2].1, next.hidden)
}

/// The first runs of a validation mixture, with what the net itself makes of each.
fn cases(recipe: &VadRecipe, net: &VadNet, declaration: &OnnxExport) -> Result<Vec<Case>> {
    let (device, bins) = (Device::flex(), recipe.net.bins);
    let (mut state, mut cases) = (net.state(1, &device), Vec::new());
    for chunk in recipe.task()?.examples()?.features.chunks_exact(FRAMES * bins).take(CHECKED) {
        let x = TensorData::new(chunk.to_vec(), [1, FRAMES, bins]);
        let mut inputs = vec![(INPUT, x.clone())];
        inputs.extend(STATES.iter().map(|(input, _)| *input).zip(data(&state)));
        cases.push(declaration.case(net, &inputs, forward)?);
        state = net.forward(Tensor::from_data(x, &device), state).1;
    }
    Ok(cases)
}

fn card(recipe: &VadRecipe, shapes: &[Vec<usize>; 3]) -> ModelCard {
    let mut card = recipe.export.card(CardTask::Vad, FAMILY);
    card.sample_rate = Some(SampleRate::INTERNAL);
    card.features = Some(recipe.features.clone());
    card.chunking = Some(Chunking {
        left_frames: 0,
        chunk_frames: FRAMES,
        right_frames: 0,
        subsampling: VadNetConfig::SUBSAMPLING,
        pad_value: 0.0,
        valid: None,
        latencies: Vec::new(),
    });
    let states = STATES.into_iter().zip(shapes);
    card.states = states.map(|(names, shape)| StateTensor::fixed(MODEL_ROLE, names.into(), shape)).collect();
    card
}
