use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
pub(super) use rejoinder_models::asr::conformer_ctc::FAMILY;
use rejoinder_models::asr::finality::STATES as STATES_OUTPUT;
use rejoinder_models::card::{
    Chunking, Latency, MODEL_ROLE, ModelCard, NewFile, StateTensor, TOKENS_ROLE, Task, ValidCount,
};
use rejoinder_models::features::Fbank;
use rejoinder_models::runtime::ElementType;

use super::language;
use super::recipe::AsrRecipe;
use crate::export::{Axis, Case, Element, Int8, OnnxExport, OnnxModel, Package, Recorder, quantize_matmul};
use crate::nets::conformer::{Caches, Chunks, Conformer, Stepped};
use crate::{Error, Result};

/// How far 32-bit floats may be from the net.
pub(in crate::tasks) const ALLOWED_FLOAT: f64 = 2e-3;
/// How far log-probabilities of 8-bit weights may be from the net: a tenth of the largest that were seen.
const ALLOWED_INT8: f64 = 12.0;
/// Chunks of a real clip that an export is checked on, at each latency.
const CHECKED_CHUNKS: usize = 4;

/// Encoder frames of chunks, and of left contexts, at which a net is recorded whose bundle leaves them open.
const RECORDED_CHUNKS: [usize; 3] = [3, 5, 11];
const RECORDED_LEFTS: [usize; 3] = [7, 17, 29];

/// Inputs and outputs that carry the stream, as (input, output).
pub(super) const STATES: [(&str, &str); 3] =
    [("cache_k", "cache_k_out"), ("cache_v", "cache_v_out"), ("cache_conv", "cache_conv_out")];
const VALID: &str = "left_valid";
/// The axis of keys and values that is the left context; the inputs of convolutions have none.
const LEFT_AXES: [Option<usize>; 3] = [Some(2), Some(2), None];

/// Writes the bundle: the net, tokens, the language model, and the card.
pub(super) fn export(recipe: &AsrRecipe) -> Result<()> {
    let device = Device::flex();
    recipe.check_latencies()?;
    let net = recipe.trained(&device)?;
    let declaration = declare(FAMILY, &net, &device, !recipe.latencies.is_empty());
    let float = declaration.record(&net, forward)?;
    let cases = cases(recipe, &net, &net, &declaration, forward)?;
    let mut card = card(FAMILY, recipe, &net, &device);
    if recipe.phones.is_some() && !recipe.latencies.is_empty() {
        card.params.insert("phone_frames".into(), toml::Value::Integer(recipe.net.phone_frames() as i64));
    }
    let tokens = recipe.read_tokenizer()?.to_text();
    let checked = Package::new(card.clone())
        .model(MODEL_ROLE, "model.onnx", float.clone(), cases.clone(), ALLOWED_FLOAT)
        .file(NewFile::new(TOKENS_ROLE, "tokens.txt", tokens.clone()))
        .write(&recipe.float_bundle())?;
    tracing::info!("32-bit: largest difference to the net {:?}", checked.card().parity);
    let package = Package::new(card);
    let mut package = match recipe.export.int8 {
        true => {
            let int8 = quantize_matmul(&float, Int8::default());
            package.model(MODEL_ROLE, "model.int8.onnx", int8, cases, ALLOWED_INT8)
        }
        false => package.model(MODEL_ROLE, "model.onnx", float, cases, ALLOWED_FLOAT),
    }
    .file(NewFile::new(TOKENS_ROLE, "tokens.txt", tokens));
    for file in language::files(recipe, recipe.phones.is_some())? {
        package = package.file(file);
    }
    let bundle = package.write(&recipe.export.bundle)?;
    tracing::info!("{}: {} bytes", bundle.root().display(), bundle.bytes());
    Ok(())
}

/// The file of one chunk of a recogniser that has no other file: features and what the stream carries in, log-probabilities
/// and what it carries on out.
///
/// # Errors
/// When the net has an operation that cannot be exported.
pub fn record(net: &Conformer) -> crate::export::Result<OnnxModel> {
    declare(FAMILY, net, &Device::flex(), false).record(net, forward)
}

fn shapes(net: &Conformer, device: &Device) -> [Vec<usize>; 3] {
    let caches = net.caches(device);
    [caches.keys.dims().to_vec(), caches.values.dims().to_vec(), caches.convolution.dims().to_vec()]
}

/// The inputs of a streaming encoder: features and what it carries. Chunk and left context are those of the net, or left
/// `open` to whoever runs it.
fn declare(name: &str, net: &Conformer, device: &Device, open: bool) -> OnnxExport {
    let config = net.config();
    let frames = match open {
        true => Axis::symbol("T", &RECORDED_CHUNKS.map(|chunk| config.features_for(chunk))),
        false => Axis::from(config.features_for(config.chunk)),
    };
    let declaration = OnnxExport::new(name).input("x", Element::Float, [Axis::from(1), frames, config.bins.into()]);
    let states = STATES.iter().zip(shapes(net, device)).zip(LEFT_AXES);
    let declaration = states.fold(declaration, |declaration, (((input, _), shape), left)| {
        let mut axes: Vec<Axis> = shape.into_iter().map(Axis::from).collect();
        if let Some(left) = left.filter(|_| open) {
            axes[left] = Axis::symbol("L", &RECORDED_LEFTS);
        }
        declaration.input(input, Element::Float, axes)
    });
    declaration.input(VALID, Element::Float, [Axis::from(1)])
}

fn forward(net: &Conformer, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    let Stepped { heads, states, caches } = step(net, recorder)?;
    recorder.output("log_probs", heads.tokens)?;
    if let Some(phones) = heads.phones {
        recorder.output("phones", phones)?;
    }
    recorder.output(STATES_OUTPUT, states)?;
    carry(caches, recorder)
}

/// One chunk, from the inputs of [`declare`].
pub(in crate::tasks) fn step(net: &Conformer, recorder: &mut Recorder<'_>) -> crate::export::Result<Stepped> {
    let caches = Caches {
        keys: recorder.float::<4>(STATES[0].0)?,
        values: recorder.float::<4>(STATES[1].0)?,
        convolution: recorder.float::<3>(STATES[2].0)?,
        valid: recorder.float::<1>(VALID)?,
    };
    Ok(net.step(recorder.float::<3>("x")?, caches))
}

/// The outputs that are the next chunk's inputs.
pub(in crate::tasks) fn carry(next: Caches, recorder: &mut Recorder<'_>) -> crate::export::Result<()> {
    recorder.output(STATES[0].1, next.keys)?;
    recorder.output(STATES[1].1, next.values)?;
    recorder.output(STATES[2].1, next.convolution)
}

/// The first chunks of a validation clip at each latency, with what the net itself, whose encoder is given too, makes of
/// each.
fn cases<M: Module>(
    recipe: &AsrRecipe,
    net: &M,
    encoder: &Conformer,
    declaration: &OnnxExport,
    forward: Forward<M>,
) -> Result<Vec<Case>> {
    let (config, device) = (encoder.config(), &Device::flex());
    let bins = config.bins;
    let dataset = recipe.open_test(&recipe.data.valid, &recipe.read_tokenizer()?)?;
    let longest = (0..dataset.clips().len())
        .max_by(|a, b| dataset.clips()[*a].item.duration_s.total_cmp(&dataset.clips()[*b].item.duration_s))
        .ok_or_else(|| Error::data(recipe.data.valid.display().to_string(), "expected clips, found none"))?;
    let frames = Fbank::new(recipe.features.clone())?.compute(&dataset.samples(longest)?)?;
    let mut padded = vec![recipe.features.silence(); config.left_features() * bins];
    padded.extend(frames);
    let mut cases = Vec::new();
    for Chunks { chunk, left } in recipe.latencies() {
        let (piece, hop) = (config.features_for(chunk), chunk * config.subsampling);
        let mut caches = encoder.caches_in(left, device);
        for start in (0..CHECKED_CHUNKS).map(|chunk| chunk * hop) {
            // A clip may be shorter than one chunk of the largest.
            if start > 0 && (start + piece) * bins > padded.len() {
                break;
            }
            let mut values: Vec<f32> = padded.iter().skip(start * bins).take(piece * bins).copied().collect();
            values.resize(piece * bins, recipe.features.silence());
            let x = TensorData::new(values, [1, piece, bins]);
            let data = [
                caches.keys.clone().into_data(),
                caches.values.clone().into_data(),
                caches.convolution.clone().into_data(),
            ];
            let mut inputs = vec![("x", x.clone()), (VALID, caches.valid.clone().into_data())];
            inputs.extend(STATES.iter().map(|(input, _)| *input).zip(data));
            cases.push(declaration.case(net, &inputs, forward)?);
            caches = encoder.step(Tensor::from_data(x, device), caches).caches;
        }
    }
    Ok(cases)
}

/// The card of a recogniser of this family, whose main file is the encoder's.
pub(in crate::tasks) fn card(family: &str, recipe: &AsrRecipe, net: &Conformer, device: &Device) -> ModelCard {
    let config = net.config();
    let mut card = recipe.export.card(Task::Asr, family);
    card.language = Some(recipe.tokenizer.language.clone());
    card.sample_rate = Some(rejoinder_models::units::SampleRate::INTERNAL);
    card.features = Some(recipe.features.clone());
    let open = !recipe.latencies.is_empty();
    let chunk_frames = |chunk| chunk * config.subsampling;
    let latency = |Chunks { chunk, left }| Latency { chunk_frames: chunk_frames(chunk), left };
    card.chunking = Some(Chunking {
        left_frames: config.left_features(),
        chunk_frames: chunk_frames(config.chunk),
        right_frames: 0,
        subsampling: config.subsampling,
        pad_value: recipe.features.silence(),
        valid: Some(ValidCount { input: VALID.into(), limit: config.left }),
        latencies: if open { recipe.latencies().into_iter().map(latency).collect() } else { Vec::new() },
    });
    let states = STATES.iter().zip(shapes(net, device)).zip(LEFT_AXES);
    card.states = states
        .map(|(((input, output), shape), left)| StateTensor {
            file: MODEL_ROLE.into(),
            input: (*input).into(),
            output: (*output).into(),
            shape,
            left_axis: left.filter(|_| open),
            element: ElementType::F32,
        })
        .collect();
    card
}

/// How a forward is recorded.
pub(in crate::tasks) type Forward<M> = fn(&M, &mut Recorder<'_>) -> crate::export::Result<()>;

/// Writes a recogniser of several files whose main one is the encoder: in 32-bit floats to the run folder, and as the
/// recipe wants it. `rest` adds the other nets.
pub(in crate::tasks) fn write_with<M: Module>(
    recipe: &AsrRecipe,
    card: ModelCard,
    (net, encoder, encode): (&M, &Conformer, Forward<M>),
    rest: impl Fn(Package) -> Result<Package>,
) -> Result<()> {
    recipe.check_latencies()?;
    let declaration = declare("encoder", encoder, &Device::flex(), !recipe.latencies.is_empty());
    let float = declaration.record(net, encode)?;
    let cases = cases(recipe, net, encoder, &declaration, encode)?;
    let tokens = NewFile::new(TOKENS_ROLE, "tokens.txt", recipe.read_tokenizer()?.to_text());
    let whole =
        Package::new(card.clone()).model(MODEL_ROLE, "encoder.onnx", float.clone(), cases.clone(), ALLOWED_FLOAT);
    let checked = rest(whole)?.file(tokens.clone()).write(&recipe.float_bundle())?;
    tracing::info!("32-bit: largest difference to the net {:?}", checked.card().parity);
    let package = Package::new(card);
    let package = match recipe.export.int8 {
        true => {
            let int8 = quantize_matmul(&float, Int8::default());
            package.model(MODEL_ROLE, "encoder.int8.onnx", int8, cases, ALLOWED_INT8)
        }
        false => package.model(MODEL_ROLE, "encoder.onnx", float, cases, ALLOWED_FLOAT),
    };
    let mut package = rest(package)?.file(tokens);
    for file in language::files(recipe, false)? {
        package = package.file(file);
    }
    let written = package.write(&recipe.export.bundle)?;
    tracing::info!("{}: {} bytes", written.root().display(), written.bytes());
    Ok(())
}
