use burn::tensor::{Device, TensorData, activation};
use rejoinder_models::card::{MODEL_ROLE, ModelCard, Task as CardTask};
use rejoinder_models::turn::convolutional::{FAMILY, INPUT, OUTPUT, Params};
use rejoinder_models::units::SampleRate;

use super::recipe::TurnRecipe;
use crate::export::{Axis, Case, Element, OnnxExport, Package, Recorder};
use crate::nets::turn::TurnNet;
use crate::{Error, Result};

/// How far the exported net's probability may be from the net's own.
const ALLOWED: f64 = 1e-3;
/// Moments that an export is checked on.
const CHECKED: usize = 8;

/// Writes the bundle: the net in 32-bit floats and the card.
pub(super) fn export(recipe: &TurnRecipe) -> Result<()> {
    recipe.export.refuse_int8()?;
    let device = Device::flex();
    let net = recipe.trained(&device)?;
    let shape = [1, recipe.net.frames, recipe.net.bins];
    let declaration = OnnxExport::new(FAMILY).input(INPUT, Element::Float, shape.map(Axis::from));
    let model = declaration.record(&net, forward)?;
    let examples = recipe.task()?.examples()?;
    let cases = examples.features.chunks_exact(shape[1] * shape[2]).take(CHECKED).map(|features| {
        let x = TensorData::new(features.to_vec(), shape);
        declaration.case(&net, &[(INPUT, x)], forward)
    });
    let cases: Vec<Case> = cases.collect::<std::result::Result<_, _>>()?;
    let bundle = Package::new(card(recipe)?)
        .model(MODEL_ROLE, "model.onnx", model, cases, ALLOWED)
        .write(&recipe.export.bundle)?;
    tracing::info!("{}: {} bytes, {:?}", bundle.root().display(), bundle.bytes(), bundle.card().parity);
    Ok(())
}

fn forward(net: &TurnNet, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let log_odds = net.forward(recorder.float::<3>(INPUT)?);
    recorder.output(OUTPUT, activation::sigmoid(log_odds))
}

fn card(recipe: &TurnRecipe) -> Result<ModelCard> {
    let mut card = recipe.export.card(CardTask::Turn, FAMILY);
    card.language.get_or_insert_with(|| "en".into());
    card.sample_rate = Some(SampleRate::INTERNAL);
    card.features = Some(recipe.features.clone());
    let params = Params { frames: recipe.net.frames };
    card.params.extend(toml::Table::try_from(params).map_err(|e| Error::config("export", e))?);
    Ok(card)
}
