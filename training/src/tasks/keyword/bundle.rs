use burn::tensor::{Device, Tensor, TensorData, activation};
use rejoinder_models::card::{Chunking, MODEL_ROLE, ModelCard, StateTensor, Task as CardTask};
use rejoinder_models::keyword::convolutional::{FAMILY, INPUT, OUTPUT, Params};
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo;

use super::corpus::Part;
use super::listen::overhear;
use super::recipe::KeywordRecipe;
use crate::export::{Axis, Case, Element, OnnxExport, OnnxModel, Package, Recorder};
use crate::nets::keyword::{KeywordNet, KeywordNetConfig};
use crate::{Error, Result};

/// How far a probability of the exported net may be from the net's own.
const ALLOWED: f64 = 1e-3;
/// Output frames of a run: 40 ms.
const CHUNK: usize = 2;
/// Runs of one example that an export is checked on.
const CHECKED: usize = 12;
/// What the past of a stream goes by, in and out.
const PAST: (&str, &str) = ("past", "past_out");

/// Writes the bundle: the net in 32-bit floats and the card. Thresholds are set by what the net, as exported, says of the
/// validation speech that holds no keyword.
pub(super) fn export(recipe: &KeywordRecipe) -> Result<()> {
    recipe.export.refuse_int8()?;
    let device = Device::flex();
    let net = recipe.trained(&device)?;
    let frames = CHUNK * KeywordNetConfig::SUBSAMPLING;
    let past = net.past(&device).dims();
    let declaration = OnnxExport::new(FAMILY)
        .input(INPUT, Element::Float, [1, frames, recipe.net.bins].map(Axis::from))
        .input(PAST.0, Element::Float, past.map(Axis::from));
    let model = declaration.record(&net, forward)?;
    let cases = cases(recipe, &net, &declaration, frames)?;
    let package = |thresholds, model: OnnxModel, cases: Vec<Case>| -> Result<Package> {
        Ok(Package::new(card(recipe, thresholds, past)?).model(MODEL_ROLE, "model.onnx", model, cases, ALLOWED))
    };
    let untuned = recipe.run.join("untuned");
    package(vec![0.5; recipe.keywords.len()], model.clone(), cases.clone())?.write(&untuned)?;
    let spotter = zoo::open_keyword_spotter(&untuned, &RuntimeConfig::default())?;
    let others = overhear(spotter.as_ref(), &recipe.corpus(Part::Valid)?)?;
    let threshold = |keyword| others.threshold(keyword, recipe.alarms_per_hour);
    let thresholds = (0..recipe.keywords.len()).map(threshold).collect();
    let bundle = package(thresholds, model, cases)?.write(&recipe.export.bundle)?;
    tracing::info!("{}: {} bytes, {:?}", bundle.root().display(), bundle.bytes(), bundle.card().parity);
    Ok(())
}

fn forward(net: &KeywordNet, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let (log_odds, past) = net.step(recorder.float::<3>(INPUT)?, recorder.float::<3>(PAST.0)?);
    recorder.output(OUTPUT, activation::sigmoid(log_odds))?;
    recorder.output(PAST.1, past)
}

/// The first runs of a validation example, with what the net itself makes of each.
fn cases(recipe: &KeywordRecipe, net: &KeywordNet, declaration: &OnnxExport, frames: usize) -> Result<Vec<Case>> {
    let (device, bins) = (Device::flex(), recipe.net.bins);
    let mut past = net.past(&device);
    let mut cases = Vec::new();
    for chunk in recipe.task()?.examples()?.features.chunks_exact(frames * bins).take(CHECKED) {
        let x = TensorData::new(chunk.to_vec(), [1, frames, bins]);
        cases.push(declaration.case(net, &[(INPUT, x.clone()), (PAST.0, past.clone().into_data())], forward)?);
        past = net.step(Tensor::from_data(x, &device), past).1;
    }
    Ok(cases)
}

fn card(recipe: &KeywordRecipe, thresholds: Vec<f32>, past: [usize; 3]) -> Result<ModelCard> {
    let mut card = recipe.export.card(CardTask::Keyword, FAMILY);
    card.language.get_or_insert_with(|| "en".into());
    card.sample_rate = Some(SampleRate::INTERNAL);
    card.features = Some(recipe.features.clone());
    card.chunking = Some(Chunking {
        left_frames: 0,
        chunk_frames: CHUNK * KeywordNetConfig::SUBSAMPLING,
        right_frames: 0,
        subsampling: KeywordNetConfig::SUBSAMPLING,
        pad_value: 0.0,
        valid: None,
        latencies: Vec::new(),
    });
    card.states = vec![StateTensor::fixed(MODEL_ROLE, PAST.into(), &past)];
    let params = Params { keywords: recipe.keywords.clone(), thresholds };
    card.params.extend(toml::Table::try_from(params).map_err(|e| Error::config("export", e))?);
    Ok(card)
}
