use burn::tensor::{Device, TensorData};
use rejoinder_models::card::{MODEL_ROLE, ModelCard, Task};
use rejoinder_models::speaker::equal_error_rate;

use super::recipe::SpeakerRecipe;
use super::task::{SpeakerTask, pair_scores};
use crate::data::speakers::SpeakerClip;
use crate::export::{Axis, Case, Element, Int8, OnnxExport, Package, Recorder, quantize_matmul};
use crate::nets::speaker::SpeakerNet;
use crate::trainer::Task as _;
use crate::{Error, Result};

pub(super) const FAMILY: &str = "speaker-embedding";

/// How far an element of an embedding, whose length is 1, may be from the net's.
const ALLOWED_FLOAT: f64 = 1e-4;
/// The same for 8-bit products: a cosine of about 0.99 at dimension 192.
const ALLOWED_INT8: f64 = 0.05;
/// Clips that an export is checked on.
const CHECKED: usize = 4;
/// Lengths in frames at which the net is recorded.
const FRAMES: [usize; 3] = [64, 101, 150];

/// Writes the bundle: the net from features to embedding, and the card with the threshold of the validation speakers.
pub(super) fn export(recipe: &SpeakerRecipe) -> Result<()> {
    let device = Device::flex();
    let (net, task) = (recipe.trained(&device)?, recipe.task()?);
    let declaration = declare(task.net.bins());
    let float = declaration.record(&net, forward)?;
    let cases = cases(&task, &net, &declaration)?;
    let mut batches = task.valid_batches()?;
    let batch = batches.next().ok_or_else(|| Error::data("validation speakers", "expected some, found none"))??;
    let [same, different] = pair_scores(&SpeakerTask::embed(&net, &batch, &device), &batch.speakers);
    let rate = equal_error_rate(&same, &different)
        .ok_or_else(|| Error::data("validation speakers", "expected at least two, and two clips of one of them"))?;
    let card = card(recipe, &task, rate.threshold);
    let bundle = if recipe.export.int8 {
        let int8 = quantize_matmul(&float, Int8::default());
        let checked = Package::new(card.clone()).model(MODEL_ROLE, "model.onnx", float, cases.clone(), ALLOWED_FLOAT);
        checked.write(&recipe.run.join("float"))?;
        Package::new(card).model(MODEL_ROLE, "model.int8.onnx", int8, cases, ALLOWED_INT8)
    } else {
        Package::new(card).model(MODEL_ROLE, "model.onnx", float, cases, ALLOWED_FLOAT)
    };
    let bundle = bundle.write(&recipe.export.bundle)?;
    let (root, parity) = (bundle.root().display(), &bundle.card().parity);
    tracing::info!("{root}: {} bytes, largest difference to the net {parity:?}", bundle.bytes());
    Ok(())
}

fn declare(bins: usize) -> OnnxExport {
    let axes = [Axis::from(1), Axis::symbol("T", &FRAMES), Axis::from(bins)];
    OnnxExport::new(FAMILY).input("features", Element::Float, axes)
}

fn forward(net: &SpeakerNet, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let features = recorder.float::<3>("features")?;
    recorder.output("embedding", net.direction(features))
}

/// Validation clips, with what the net itself makes of each.
fn cases(task: &SpeakerTask, net: &SpeakerNet, declaration: &OnnxExport) -> Result<Vec<Case>> {
    let loader = &task.valid;
    let (mut reader, clips) = (loader.dataset.reader()?, loader.dataset.clips());
    let chosen = clips.iter().step_by(clips.len().div_ceil(CHECKED).max(1));
    let case = |clip: &SpeakerClip| {
        let features = loader.fbank.compute(&reader.read(&clip.sound)?)?;
        let frames = features.len() / loader.fbank.bins();
        let data = TensorData::new(features, [1, frames, loader.fbank.bins()]);
        Ok(declaration.case(net, &[("features", data)], forward)?)
    };
    chosen.map(case).collect()
}

fn card(recipe: &SpeakerRecipe, task: &SpeakerTask, threshold: f32) -> ModelCard {
    let mut card = recipe.export.card(Task::Speaker, FAMILY);
    card.sample_rate = Some(task.train.fbank.rate());
    card.features = Some(recipe.features.clone());
    let threshold = (f64::from(threshold) * 1e4).round() / 1e4;
    card.params.insert("threshold".to_owned(), threshold.into());
    card
}
