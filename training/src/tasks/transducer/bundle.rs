use burn::tensor::{Device, TensorData};
pub(super) use rejoinder_models::asr::conformer_transducer::FAMILY;
use rejoinder_models::card::{DECODER_ROLE, JOINER_ROLE, StateTensor};

use super::recipe::TransducerRecipe;
use crate::Result;
use crate::export::{self, Axis, Case, Element, OnnxExport, Package, Recorder};
use crate::nets::conformer::Stepped;
use crate::nets::transducer::Transducer;
use crate::tasks::asr::bundle::{self, ALLOWED_FLOAT};

/// Inputs and outputs of a recurrent prediction net, as (input, output).
const STATES: [(&str, &str); 2] = [("hidden", "hidden_out"), ("memory", "memory_out")];

/// Rows at which the prediction net and the joiner are recorded, and checked.
const RECORDED: [usize; 3] = [2, 3, 5];
const CHECKED: [usize; 3] = [1, 4, 7];

/// Writes the bundle: encoder, prediction net and joiner in files of their own, as sherpa-onnx has them; tokens, the
/// language model, and the card.
pub(super) fn export(recipe: &TransducerRecipe) -> Result<()> {
    let device = Device::flex();
    let net = recipe.trained(&device)?;
    let vocabulary = recipe.asr.read_tokenizer()?.len();
    let with_rest =
        |package: Package| -> Result<Package> {
            let (decoder, joiner) = (declare_decoder(&net, vocabulary), declare_joiner(recipe));
            let (predicted, joined) =
                (decoder_cases(&decoder, &net, vocabulary)?, joiner_cases(&joiner, &net, recipe)?);
            Ok(package
                .model(DECODER_ROLE, "decoder.onnx", decoder.record(&net, predict)?, predicted, ALLOWED_FLOAT)
                .model(JOINER_ROLE, "joiner.onnx", joiner.record(&net, join)?, joined, ALLOWED_FLOAT))
        };
    let card = card(recipe, &net, &device);
    bundle::write_with(&recipe.asr, card, (&net, net.encoder(), encode), with_rest)
}

fn encode(net: &Transducer, recorder: &mut Recorder<'_>) -> export::Result<()> {
    let Stepped { heads, caches: next, .. } = bundle::step(net.encoder(), recorder)?;
    recorder.output("encoder_out", net.encoder_out(heads.frames))?;
    bundle::carry(next, recorder)
}

fn predict(net: &Transducer, recorder: &mut Recorder<'_>) -> export::Result<()> {
    let names = &STATES[..net.states().len()];
    let states = names.iter().map(|(input, _)| recorder.float::<2>(input)).collect::<export::Result<_>>()?;
    let (predicted, next) = net.predict(recorder.int::<2>("y")?, states);
    recorder.output("decoder_out", predicted)?;
    names.iter().zip(next).try_for_each(|((_, output), state)| recorder.output(output, state))
}

fn join(net: &Transducer, recorder: &mut Recorder<'_>) -> export::Result<()> {
    let (encoded, predicted) = (recorder.float::<2>("encoder_out")?, recorder.float::<2>("decoder_out")?);
    recorder.output("logit", net.join(encoded, predicted))
}

fn rows(width: usize) -> [Axis; 2] {
    [Axis::symbol("N", &RECORDED), Axis::from(width)]
}

fn declare_decoder(net: &Transducer, vocabulary: usize) -> OnnxExport {
    let declaration = OnnxExport::new("decoder")
        .metadata("context_size", net.context().to_string())
        .metadata("vocab_size", vocabulary.to_string())
        .input("y", Element::Int, rows(net.context()));
    let states = STATES.iter().zip(net.states());
    states.fold(declaration, |all, ((input, _), [_, width])| all.input(input, Element::Float, rows(width)))
}

fn declare_joiner(recipe: &TransducerRecipe) -> OnnxExport {
    let width = recipe.transducer.joint.dim;
    let joiner = OnnxExport::new("joiner").metadata("joiner_dim", width.to_string());
    joiner.input("encoder_out", Element::Float, rows(width)).input("decoder_out", Element::Float, rows(width))
}

/// Numbers in [-1, 1] of no particular pattern.
fn wave(rows: usize, width: usize, step: f32) -> TensorData {
    TensorData::new((0..rows * width).map(|at| (at as f32 * step).sin()).collect(), [rows, width])
}

fn decoder_cases(declaration: &OnnxExport, net: &Transducer, vocabulary: usize) -> Result<Vec<Case>> {
    let case = |rows: usize| {
        let tokens = (0..rows * net.context()).map(|at| (7 * at * at % vocabulary) as i64).collect();
        let mut inputs = vec![("y", TensorData::new(tokens, [rows, net.context()]))];
        let states = STATES.iter().zip(net.states());
        inputs.extend(states.map(|((input, _), [_, width])| (*input, wave(rows, width, 0.7))));
        Ok(declaration.case(net, &inputs, predict)?)
    };
    CHECKED.into_iter().map(case).collect()
}

fn joiner_cases(declaration: &OnnxExport, net: &Transducer, recipe: &TransducerRecipe) -> Result<Vec<Case>> {
    let width = recipe.transducer.joint.dim;
    let inputs = |rows| [("encoder_out", wave(rows, width, 1.3)), ("decoder_out", wave(rows, width, 0.9))];
    CHECKED.into_iter().map(|rows| Ok(declaration.case(net, &inputs(rows), join)?)).collect()
}

fn card(recipe: &TransducerRecipe, net: &Transducer, device: &Device) -> rejoinder_models::card::ModelCard {
    let mut card = bundle::card(FAMILY, &recipe.asr, net.encoder(), device);
    let states = STATES.into_iter().zip(net.states());
    card.states.extend(states.map(|(names, shape)| StateTensor::fixed(DECODER_ROLE, names.into(), &shape)));
    for (key, value) in [("context", net.context()), ("max_symbols", recipe.transducer.max_symbols)] {
        card.params.insert(key.to_owned(), toml::Value::Integer(value as i64));
    }
    card
}
