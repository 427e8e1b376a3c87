use burn::tensor::{Device, TensorData};
use rejoinder_models::card::{ModelCard, NewFile, Task as CardTask};
use rejoinder_models::tts::frontend::{G2P_FILE, LEXICON_FILE, PLACES};
use rejoinder_models::tts::phones;
use rejoinder_models::tts::rejoinder::{FAMILY, POSITION_WIDTH, VoiceSettings};
use rejoinder_models::units::SampleRate;

use super::measures::Measures;
use super::recipe::TtsRecipe;
use crate::export::{Axis, Case, Element, ExportError, OnnxExport, OnnxModel, Package, Recorder, store_half};
use crate::nets::tts::Acoustic;
use crate::{Error, Result};

/// How far an output may be from the net's when weights are stored in half precision; log durations, normalised frames
/// and cepstra are of the order of 1.
const HALF_PRECISION: f64 = 0.05;

/// An ONNX file with what it must compute.
struct Exported {
    role: &'static str,
    model: OnnxModel,
    case: Case,
}

pub(super) fn export(recipe: &TtsRecipe) -> Result<()> {
    recipe.export.refuse_int8()?;
    let device = Device::flex();
    let acoustic = recipe.trained_acoustic(&device)?;
    let card = card(recipe, &settings(recipe)?)?;
    let mut package = Package::new(card);
    for exported in [encoder(&acoustic)?, decoder(recipe, &acoustic)?, vocoder(recipe, &device)?] {
        let path = format!("{}.onnx", exported.role);
        package = package.model(exported.role, &path, exported.model, vec![exported.case], HALF_PRECISION);
    }
    for (role, name) in [("lexicon", LEXICON_FILE), ("g2p", G2P_FILE)] {
        let path = recipe.g2p.join(name);
        package = package.file(NewFile::new(role, name, std::fs::read(&path).map_err(|e| Error::io(&path, e))?));
    }
    let bundle = package.write(&recipe.export.bundle).map_err(failed)?;
    tracing::info!("{}: {} bytes, parity {:?}", bundle.root().display(), bundle.bytes(), bundle.card().parity);
    Ok(())
}

fn failed(error: ExportError) -> Error {
    Error::Training(format!("export: {error}"))
}

fn card(recipe: &TtsRecipe, settings: &VoiceSettings) -> Result<ModelCard> {
    let mut card = recipe.export.card(CardTask::Tts, FAMILY);
    card.language = Some("en-US".to_owned());
    card.sample_rate = Some(SampleRate::hz(recipe.voice.geometry.rate_hz));
    card.params.extend(toml::Table::try_from(settings).map_err(|e| Error::config("params", e))?);
    Ok(card)
}

fn settings(recipe: &TtsRecipe) -> Result<VoiceSettings> {
    let measures = Measures::read(&recipe.run)?;
    Ok(VoiceSettings {
        geometry: recipe.voice.geometry.clone(),
        mels: recipe.voice.mels,
        decoder_context: recipe.acoustic_net().decoder_context(),
        vocoder_context: recipe.vocoder_net().context(),
        pitch_mean: measures.statistics.pitch_mean,
        pitch_scale: measures.statistics.pitch_scale,
        gain: measures.gain(),
        stretch: measures.stretch,
        pace: 1.0,
    })
}

/// Sizes at which the forwards are recorded: no simple ratio lies between them.
const SIZES: [usize; 3] = [23, 41, 67];

fn finish<M: burn::module::Module>(
    role: &'static str,
    export: &OnnxExport,
    net: &M,
    inputs: &[(&str, TensorData)],
    forward: impl Fn(&M, &mut Recorder<'_>) -> crate::export::Result<()>,
) -> Result<Exported> {
    let model = store_half(&export.record(net, &forward).map_err(failed)?, 1024);
    Ok(Exported { role, model, case: export.case(net, inputs, &forward).map_err(failed)? })
}

fn encoder(net: &Acoustic) -> Result<Exported> {
    let axes = || [Axis::from(1), Axis::symbol("tokens", &SIZES)];
    let export = OnnxExport::new("encoder").input("tokens", Element::Int, axes()).input("places", Element::Int, axes());
    let count = 31;
    let ids = |modulus: usize| TensorData::new((0..count).map(|i| (i * 7 % modulus) as i64).collect(), [1, count]);
    let inputs = [("tokens", ids(phones::TOKENS)), ("places", ids(PLACES))];
    finish("encoder", &export, &net.encoder, &inputs, |net, recorder| {
        let (tokens, places) = (recorder.int::<2>("tokens")?, recorder.int::<2>("places")?);
        let encoded = net.forward(tokens, places, None, None);
        recorder.output("hidden", encoded.hidden)?;
        recorder.output("duration", encoded.duration)
    })
}

fn decoder(recipe: &TtsRecipe, net: &Acoustic) -> Result<Exported> {
    let width = recipe.acoustic.width;
    let axes = |last: usize| [Axis::from(1), Axis::symbol("frames", &SIZES), Axis::from(last)];
    let export = OnnxExport::new("decoder").input("hidden", Element::Float, axes(width)).input(
        "positions",
        Element::Float,
        axes(POSITION_WIDTH),
    );
    let inputs = [("hidden", waves(31, width)), ("positions", waves(31, POSITION_WIDTH))];
    finish("decoder", &export, &net.decoder, &inputs, |net, recorder| {
        let (hidden, positions) = (recorder.float::<3>("hidden")?, recorder.float::<3>("positions")?);
        recorder.output("frames", net.forward(hidden, positions, None))
    })
}

fn vocoder(recipe: &TtsRecipe, device: &Device) -> Result<Exported> {
    let net = recipe.trained_vocoder(device)?;
    let width = recipe.voice.mels + 2;
    let axes = [Axis::from(1), Axis::symbol("frames", &SIZES), Axis::from(width)];
    let export = OnnxExport::new("vocoder").input("frames", Element::Float, axes);
    finish("vocoder", &export, &net, &[("frames", waves(31, width))], |net, recorder| {
        let frames = recorder.float::<3>("frames")?;
        recorder.output("cepstra", net.forward(frames))
    })
}

/// Numbers between -1 and 1 without a pattern that a net could be blind to.
fn waves(rows: usize, columns: usize) -> TensorData {
    let values: Vec<f32> = (0..rows * columns).map(|i| (i as f32 * 0.7).sin()).collect();
    TensorData::new(values, [1, rows, columns])
}
