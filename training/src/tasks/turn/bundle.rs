use burn::tensor::{Device, TensorData, activation};
use rejoinder_models::asr::finality::{LOG_ODDS, STATES};
use rejoinder_models::card::{Bundle, FINALITY_ROLE, MODEL_ROLE, ModelCard, NewFile, Task as CardTask};
use rejoinder_models::turn::convolutional::{FAMILY, INPUT, OUTPUT, Params};
use rejoinder_models::units::SampleRate;

use super::hearing::StatesConfig;
use super::recipe::TurnRecipe;
use super::task::TurnTask;
use crate::export::{Axis, Case, Element, OnnxExport, OnnxModel, Package, Recorder};
use crate::nets::turn::TurnNet;
use crate::{Error, Result};

/// How far the exported net's answer may be from the net's own.
const ALLOWED: f64 = 1e-3;
/// Moments that an export is checked on.
const CHECKED: usize = 8;

/// Writes the bundle, the net in 32-bit floats and the card, or adds the net to the bundle of the recogniser whose states it
/// has learnt from.
pub(super) fn export(recipe: &TurnRecipe) -> Result<()> {
    recipe.export.refuse_int8()?;
    let bundle = match &recipe.states {
        Some(states) => {
            let (card, files) = recogniser(recipe, states)?;
            let (model, cases) = record(recipe, STATES, log_odds)?;
            let package = Package::new(card).model(FINALITY_ROLE, "finality.onnx", model, cases, ALLOWED);
            files.into_iter().fold(package, Package::file).write(&recipe.export.bundle)?
        }
        None => {
            let (model, cases) = record(recipe, INPUT, probability)?;
            let package = Package::new(card(recipe)?).model(MODEL_ROLE, "model.onnx", model, cases, ALLOWED);
            package.write(&recipe.export.bundle)?
        }
    };
    tracing::info!("{}: {} bytes, {:?}", bundle.root().display(), bundle.bytes(), bundle.card().parity);
    Ok(())
}

type Forward = fn(&TurnNet, &mut Recorder<'_>) -> crate::export::Result<()>;

/// The net with one input, and what it answers to some moments.
fn record(recipe: &TurnRecipe, input: &str, forward: Forward) -> Result<(OnnxModel, Vec<Case>)> {
    let net = recipe.trained(&Device::flex())?;
    let shape = [1, recipe.net.frames, recipe.net.bins];
    let declaration = OnnxExport::new(FAMILY).input(input, Element::Float, shape.map(Axis::from));
    let model = declaration.record(&net, forward)?;
    let examples = TurnTask::examples(recipe)?;
    let cases = examples.features.chunks_exact(shape[1] * shape[2]).take(CHECKED).map(|features| {
        let x = TensorData::new(features.to_vec(), shape);
        declaration.case(&net, &[(input, x)], forward)
    });
    Ok((model, cases.collect::<std::result::Result<_, _>>()?))
}

fn probability(net: &TurnNet, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let log_odds = net.forward(recorder.float::<3>(INPUT)?);
    recorder.output(OUTPUT, activation::sigmoid(log_odds))
}

fn log_odds(net: &TurnNet, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let log_odds = net.forward(recorder.float::<3>(STATES)?);
    recorder.output(LOG_ODDS, log_odds)
}

/// The card, with how the net was made, and the files of the recogniser to whose bundle the net is added; where no bundle is
/// there yet, of the one whose states it has learnt from.
fn recogniser(recipe: &TurnRecipe, states: &StatesConfig) -> Result<(ModelCard, Vec<NewFile>)> {
    let heard = states.bundle()?;
    let opened;
    let target = if recipe.export.bundle.exists() {
        opened = Bundle::open(&recipe.export.bundle)?;
        &opened
    } else {
        &heard
    };
    let weights = |bundle: &Bundle| bundle.card().files.get(MODEL_ROLE).map(|file| file.sha256.clone());
    if weights(&heard) != weights(target) {
        let reason = format!(
            "expected the recogniser whose states the net has learnt from, {} in {}, found one of other weights in {}",
            heard.card().name,
            heard.root().display(),
            target.root().display()
        );
        return Err(Error::config("export.bundle", reason));
    }
    if recipe.export.name != target.card().name {
        let (expected, found) = (&target.card().name, &recipe.export.name);
        return Err(Error::config(
            "export.name",
            format!("expected that of the recogniser, {expected}, found {found}"),
        ));
    }
    let mut card = target.card().clone();
    let own = recipe.export.card(card.task, &card.family);
    let origin = toml::Value::try_from(own.origin).map_err(|e| Error::config("export", e))?;
    card.params.insert(FINALITY_ROLE.to_owned(), origin);
    let file = |(role, entry): (&String, &rejoinder_models::card::FileEntry)| {
        let path = target.root().join(&entry.path);
        let contents = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        Ok(NewFile::new(role, &entry.path, contents))
    };
    let files = card.files.iter().filter(|(role, _)| *role != FINALITY_ROLE).map(file).collect::<Result<_>>()?;
    Ok((card, files))
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
