use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::card::{Chunking, MODEL_ROLE, ModelCard, StateTensor, Task as CardTask};
use rejoinder_models::enhance::conv_tasnet::{FAMILY, INPUT, LAG, OUTPUT};
use rejoinder_models::units::SampleRate;

use super::recipe::SeparationRecipe;
use crate::Result;
use crate::data::energy::FRAME;
use crate::export::{Axis, Case, Element, OnnxExport, Package, Recorder};
use crate::nets::conv_tasnet::{ConvTasNet, SeparatorState};

/// How far a sample of the exported net may be from the net's own.
const ALLOWED: f64 = 1e-3;
/// Runs that an export is checked on.
const CHECKED: usize = 24;
/// Inputs and outputs that carry the stream.
const STATES: [(&str, &str); 3] = [("samples", "samples_out"), ("past", "past_out"), ("overlap", "overlap_out")];

/// Writes the bundle: the net in 32-bit floats and the card.
pub(super) fn export(recipe: &SeparationRecipe) -> Result<()> {
    recipe.export.refuse_int8()?;
    recipe.check()?;
    let device = Device::flex();
    let net = recipe.trained(&device)?;
    let shapes = data(&net.state(&device)).map(|data| data.shape().iter().copied().collect::<Vec<usize>>());
    let chunk = chunk(recipe);
    let mut declaration = OnnxExport::new(FAMILY).input(INPUT, Element::Float, [1, chunk].map(Axis::from));
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

/// Samples of a run: the whole frames that make 10 ms or a little more.
fn chunk(recipe: &SeparationRecipe) -> usize {
    FRAME.next_multiple_of(recipe.net.hop())
}

fn data(state: &SeparatorState) -> [TensorData; 3] {
    [state.samples.to_data(), state.past.to_data(), state.overlap.to_data()]
}

fn forward(net: &ConvTasNet, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let state = SeparatorState {
        samples: recorder.float::<2>(STATES[0].0)?,
        past: recorder.float::<3>(STATES[1].0)?,
        overlap: recorder.float::<3>(STATES[2].0)?,
    };
    let (voices, next) = net.step(recorder.float::<2>(INPUT)?, state);
    recorder.output(OUTPUT, voices)?;
    recorder.output(STATES[0].1, next.samples)?;
    recorder.output(STATES[1].1, next.past)?;
    recorder.output(STATES[2].1, next.overlap)
}

/// The first runs of a validation mixture, with what the net itself makes of each.
fn cases(recipe: &SeparationRecipe, net: &ConvTasNet, declaration: &OnnxExport) -> Result<Vec<Case>> {
    let (device, chunk) = (Device::flex(), chunk(recipe));
    let (mut state, mut cases) = (net.state(&device), Vec::new());
    for samples in recipe.task()?.example()?.chunks_exact(chunk).take(CHECKED) {
        let mixture = TensorData::new(samples.to_vec(), [1, chunk]);
        let mut inputs = vec![(INPUT, mixture.clone())];
        inputs.extend(STATES.iter().map(|(input, _)| *input).zip(data(&state)));
        cases.push(declaration.case(net, &inputs, forward)?);
        state = net.step(Tensor::from_data(mixture, &device), state).1;
    }
    Ok(cases)
}

fn card(recipe: &SeparationRecipe, shapes: &[Vec<usize>; 3]) -> ModelCard {
    let mut card = recipe.export.card(CardTask::Enhance, FAMILY);
    card.sample_rate = Some(SampleRate::INTERNAL);
    card.params.insert(LAG.to_owned(), (recipe.net.hop() as i64).into());
    card.chunking = Some(Chunking {
        left_frames: 0,
        chunk_frames: chunk(recipe),
        right_frames: 0,
        subsampling: 1,
        pad_value: 0.0,
        valid: None,
        latencies: Vec::new(),
    });
    let states = STATES.into_iter().zip(shapes);
    card.states = states.map(|(names, shape)| StateTensor::fixed(MODEL_ROLE, names.into(), shape)).collect();
    card
}
