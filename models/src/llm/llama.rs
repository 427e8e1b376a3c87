//! Any GGUF model in process, through llama.cpp. Nothing outside of this module names `llama_cpp_2`.

mod copying;
mod dialogue;
mod picker;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use dialogue::LlamaDialogue;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use serde::{Deserialize, Serialize};

use super::grammar::CallForm;
use super::prompt::{CHATML, PromptTemplate};
use super::template::renewed;
use super::tools::Moment;
use super::{Dialogue, Responder};
use crate::{Error, Result};

const ENGINE: &str = "llama.cpp";

/// The shortest context that may be asked for, in tokens: llama.cpp ends the process where it has less than its outputs.
const LEAST_CONTEXT: u32 = 64;
/// The longest one.
const LARGEST_CONTEXT: u32 = 1 << 22;
/// The longest that is taken unasked.
const USUAL_CONTEXT: u32 = 4096;

/// How a model answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlamaOptions {
    /// Tokens of context, 64 or more, or 0 for what the model was trained with, 4096 at the most. Default: 0.
    pub context: u32,
    /// Threads of one reply. Default: 1.
    pub threads: u32,
    /// Tokens of a reply at the most. Default: 256.
    pub max_tokens: usize,
    /// Tokens read between two looks at the [`Cancel`](super::Cancel). Default: 32.
    pub prefill_slice: usize,
    /// Sampling temperature, 0 for the best token always. Default: 0.
    pub temperature: f32,
    /// Nucleus sampling: the smallest set of tokens with this much probability. Default: 0.95.
    pub top_p: f32,
    /// Tokens with less than this share of the best token's probability are out. Default: 0.05.
    pub min_p: f32,
    /// The seed of sampling. Default: 0.
    pub seed: u32,
    /// How much of each token's probability goes to copying what was said into the arguments of a call, and a tool's result
    /// or the words to be repeated into a reply, where the model is in the middle of that: for small models, which have not
    /// seen all words. Default: 0.
    pub copy: f32,
}

impl Default for LlamaOptions {
    fn default() -> Self {
        Self {
            context: 0,
            threads: 1,
            max_tokens: 256,
            prefill_slice: 32,
            temperature: 0.0,
            top_p: 0.95,
            min_p: 0.05,
            seed: 0,
            copy: 0.0,
        }
    }
}

impl LlamaOptions {
    /// Checks that the options make sense, whatever the model.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option, what is allowed and what was found.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("threads", self.threads as usize, 256),
            ("max_tokens", self.max_tokens, 1 << 20),
            ("prefill_slice", self.prefill_slice, 1 << 20),
        ];
        if self.context != 0 && !(LEAST_CONTEXT..=LARGEST_CONTEXT).contains(&self.context) {
            let expected = format!("0, or {LEAST_CONTEXT} to {LARGEST_CONTEXT}");
            return Err(Error::invalid("context", expected, self.context));
        }
        for (what, value, most) in counts {
            if !(1..=most).contains(&value) {
                return Err(Error::invalid(what, format!("1 to {most}"), value));
            }
        }
        let shares = [
            ("temperature", self.temperature, 100.0),
            ("top_p", self.top_p, 1.0),
            ("min_p", self.min_p, 1.0),
            ("copy", self.copy, 0.99),
        ];
        for (what, value, most) in shares {
            if !(0.0..=most).contains(&value) {
                return Err(Error::invalid(what, format!("0 to {most}"), value));
            }
        }
        Ok(())
    }
}

/// A GGUF model: weights, chat template and options, shared by all dialogues.
pub struct LlamaResponder {
    shared: Arc<Shared>,
}

struct Shared {
    model: LlamaModel,
    name: String,
    template: PromptTemplate,
    form: CallForm,
    /// Whether the template tells the model of its tools; else they are told in words.
    template_knows_tools: bool,
    /// Texts of control tokens, which people and tools may not say.
    controls: Vec<String>,
    /// The text of each token, where words are copied.
    pieces: Vec<Vec<u8>>,
    options: LlamaOptions,
    context: u32,
}

fn failed(reason: impl ToString) -> Error {
    Error::engine(ENGINE, reason)
}

/// llama.cpp is started once in a program; its log goes to `tracing`.
fn backend() -> Result<&'static LlamaBackend> {
    static BACKEND: OnceLock<std::result::Result<LlamaBackend, String>> = OnceLock::new();
    let started = BACKEND.get_or_init(|| {
        send_logs_to_tracing(LogOptions::default());
        LlamaBackend::init().map_err(|e| e.to_string())
    });
    started.as_ref().map_err(failed)
}

impl LlamaResponder {
    /// Opens a GGUF file.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such file; [`Error::Model`] when llama.cpp cannot read it, or its chat template
    /// is not Jinja; [`Error::Invalid`] for an impossible option.
    pub fn open(path: impl AsRef<Path>, options: LlamaOptions) -> Result<Self> {
        let path = path.as_ref();
        options.check()?;
        let backend = backend()?;
        std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let model = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default()).map_err(|_| {
            Error::model(
                path,
                "not a GGUF file that llama.cpp can read; its log (RUST_LOG=llama-cpp-2=error) says more",
            )
        })?;
        let source = model.meta_val_str("tokenizer.chat_template").unwrap_or_else(|_| CHATML.to_owned());
        let source = renewed(source);
        let text = |token: LlamaToken| piece(&model, token);
        let (bos, eos) = (text(model.vocab().bos()), text(model.vocab().eos()));
        let template = PromptTemplate::new(&source, &bos, &eos).map_err(|e| Error::model(path, e.to_string()))?;
        let vocab = model.vocab();
        let controls =
            vocab.tokens().filter(|token| vocab.is_control(*token)).map(text).filter(|c| !c.is_empty()).collect();
        let context = match options.context {
            0 => model.n_ctx_train().clamp(LEAST_CONTEXT, USUAL_CONTEXT),
            tokens => tokens,
        };
        let name = model.meta_val_str("general.name").unwrap_or_else(|_| path.display().to_string());
        let template_knows_tools = template.knows_tools();
        let form = if template_knows_tools { CallForm::of_template(&source) } else { CallForm::BARE };
        let bytes = |token| if vocab.is_control(token) { Vec::new() } else { vocab.token_to_piece(token, false, None) };
        let pieces = if options.copy > 0.0 { vocab.tokens().map(bytes).collect() } else { Vec::new() };
        Ok(Self {
            shared: Arc::new(Shared {
                model,
                name,
                template,
                form,
                template_knows_tools,
                controls,
                pieces,
                options,
                context,
            }),
        })
    }

    /// The token numbers of `text`; control tokens that it spells out count as such.
    pub fn tokenize(&self, text: &str) -> Vec<i32> {
        self.shared.model.vocab().tokenize(text.as_bytes(), false, true).into_iter().map(|token| token.0).collect()
    }

    /// The scores of every token after `tokens`, for comparison with the net that was exported.
    ///
    /// # Errors
    /// [`Error::Engine`] when llama.cpp fails, or when there are more tokens than the context holds.
    pub fn logits(&self, tokens: &[i32]) -> Result<Vec<f32>> {
        let tokens: Vec<LlamaToken> = tokens.iter().map(|id| LlamaToken(*id)).collect();
        LlamaDialogue::new(self.shared.clone(), Moment::from_local_ms(0))?.logits(&tokens)
    }
}

fn piece(model: &LlamaModel, token: LlamaToken) -> String {
    if token.0 < 0 {
        return String::new();
    }
    String::from_utf8_lossy(&model.vocab().token_to_piece(token, true, None)).into_owned()
}

impl Responder for LlamaResponder {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn dialogue(&self, now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(LlamaDialogue::new(self.shared.clone(), now)?))
    }
}
