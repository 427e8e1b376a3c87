use std::path::Path;

use burn::tensor::Device;
use rejoinder_models::asr::conformer_attention::FAMILY;
use rejoinder_models::card::{Bundle, DECODER_ROLE, MODEL_ROLE, NewFile, TOKEN_LM_ROLE, TOKENS_ROLE};

use super::graph;
use super::recipe::AttentionRecipe;
use crate::export::{self, Package, Recorder};
use crate::nets::conformer::Stepped;
use crate::nets::encoder_decoder::EncoderDecoder;
use crate::tasks::asr::bundle::{self, ALLOWED_FLOAT};
use crate::{Error, Result};

/// Writes the bundle: the encoder with what the decoder's layers make of its frames, the decoder, tokens, language models,
/// and the card.
pub(super) fn export(recipe: &AttentionRecipe) -> Result<()> {
    let device = Device::flex();
    let net = recipe.trained(&device)?;
    recipe.params()?.attention.check()?;
    let tokens = recipe.asr.read_tokenizer()?.to_text();
    let token_lm = recipe.decoder.token_lm.as_deref().map(|path| token_lm(path, &tokens)).transpose()?;
    let (decoder, cases) = graph::record(net.decoder(), true)?;
    let rest = |package: Package| {
        let package = package.model(DECODER_ROLE, "decoder.onnx", decoder.clone(), cases.clone(), ALLOWED_FLOAT);
        Ok(match &token_lm {
            Some(bytes) => package.file(NewFile::new(TOKEN_LM_ROLE, "token_lm.onnx", bytes.clone())),
            None => package,
        })
    };
    let card = bundle::card(FAMILY, &recipe.asr, net.encoder(), &device);
    bundle::write_with(&recipe.asr, card, (&net, net.encoder(), encode), rest)
}

fn encode(net: &EncoderDecoder, recorder: &mut Recorder<'_>) -> export::Result<()> {
    let Stepped { heads, caches: next, .. } = bundle::step(net.encoder(), recorder)?;
    recorder.output("log_probs", heads.tokens)?;
    recorder.output("memory", net.decoder().memory(heads.frames))?;
    bundle::carry(next, recorder)
}

/// The net of a language model's bundle, whose tokens must be those of the recogniser.
fn token_lm(path: &Path, tokens: &str) -> Result<Vec<u8>> {
    let bundle = Bundle::open(path)?;
    if bundle.text(TOKENS_ROLE)? != tokens {
        let reason = "its tokens are not those of this run: train it with `tokens` set to this run's tokens.txt";
        return Err(Error::config(path.display().to_string(), reason));
    }
    let file = bundle.path(MODEL_ROLE)?;
    std::fs::read(&file).map_err(|e| Error::io(&file, e))
}
