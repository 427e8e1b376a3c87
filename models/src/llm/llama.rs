//! Any GGUF model in process, through llama.cpp. The only file that names `llama_cpp_2`.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};
use self_cell::self_cell;
use serde::{Deserialize, Serialize};

use super::grammar::CallForm;
use super::prompt::{CHATML, PromptTemplate};
use super::reply::{OnText, Reply};
use super::{Cancel, ChatMessage, Dialogue, Finish, Responder, Role, ToolSpec, Usage};
use crate::{Error, Result};

const ENGINE: &str = "llama.cpp";

/// How a model answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlamaOptions {
    /// Tokens of context, 0 for what the model was trained with, 4096 at the most. Default: 0.
    pub context: u32,
    /// Threads of one reply. Default: 1.
    pub threads: u32,
    /// Tokens of a reply at the most. Default: 256.
    pub max_tokens: usize,
    /// Tokens read between two looks at the [`Cancel`]. Default: 32.
    pub prefill_slice: usize,
    /// Sampling temperature, 0 for the best token always. Default: 0.
    pub temperature: f32,
    /// Nucleus sampling: the smallest set of tokens with this much probability. Default: 0.95.
    pub top_p: f32,
    /// Tokens with less than this share of the best token's probability are out. Default: 0.05.
    pub min_p: f32,
    /// The seed of sampling. Default: 0.
    pub seed: u32,
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
        }
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
    /// Texts of control tokens, which people and tools may not say.
    controls: Vec<String>,
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
        const LARGEST_CONTEXT: u32 = 4096;
        let path = path.as_ref();
        if options.threads == 0 || options.prefill_slice == 0 || options.max_tokens == 0 {
            return Err(Error::invalid("llama options", "threads, prefill_slice and max_tokens of 1 or more", "0"));
        }
        let backend = backend()?;
        std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let model = LlamaModel::load_from_file(backend, path, &LlamaModelParams::default()).map_err(|_| {
            Error::model(path, "not a GGUF file that llama.cpp can read; its log (RUST_LOG=llama_cpp=warn) says more")
        })?;
        let source = model.meta_val_str("tokenizer.chat_template").unwrap_or_else(|_| CHATML.to_owned());
        let text = |token: LlamaToken| piece(&model, token);
        let (bos, eos) = (text(model.vocab().bos()), text(model.vocab().eos()));
        let template = PromptTemplate::new(&source, &bos, &eos).map_err(|e| Error::model(path, e.to_string()))?;
        let vocab = model.vocab();
        let controls =
            vocab.tokens().filter(|token| vocab.is_control(*token)).map(text).filter(|c| !c.is_empty()).collect();
        let context = match options.context {
            0 => model.n_ctx_train().clamp(1, LARGEST_CONTEXT),
            tokens => tokens,
        };
        let name = model.meta_val_str("general.name").unwrap_or_else(|_| path.display().to_string());
        let form = CallForm::of_template(&source);
        Ok(Self { shared: Arc::new(Shared { model, name, template, form, controls, options, context }) })
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
        let mut dialogue = LlamaDialogue::new(self.shared.clone())?;
        let tokens: Vec<LlamaToken> = tokens.iter().map(|id| LlamaToken(*id)).collect();
        dialogue.read(&tokens, &Cancel::default())?;
        let at = dialogue.scored;
        Ok(dialogue.session.with_dependent(|_, context| context.get_logits_ith(at).to_vec()))
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

    fn dialogue(&self) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(LlamaDialogue::new(self.shared.clone())?))
    }
}

self_cell!(
    struct Session {
        owner: Arc<Shared>,
        #[not_covariant]
        dependent: LlamaContext,
    }
);

/// One conversation: a context whose cache holds two sequences, the trunk and a branch for a reply that may be dropped.
struct LlamaDialogue {
    session: Session,
    shared: Arc<Shared>,
    /// What each sequence holds.
    cached: [Vec<LlamaToken>; 2],
    /// The sequence that is read into.
    sequence: usize,
    /// Whether that is the branch.
    forked: bool,
    /// The row of the last batch whose scores are at hand.
    scored: i32,
    usage: Usage,
}

/// How reading a prompt ended.
#[derive(PartialEq)]
enum Reading {
    Done,
    Cancelled,
}

impl LlamaDialogue {
    fn new(shared: Arc<Shared>) -> Result<Self> {
        let threads = shared.options.threads as i32;
        let slice = shared.options.prefill_slice as u32;
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(shared.context))
            .with_n_batch(slice)
            .with_n_ubatch(slice)
            .with_n_seq_max(2)
            .with_kv_unified(true)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let backend = backend()?;
        let session = Session::try_new(shared.clone(), |shared| shared.model.new_context(backend, params))
            .map_err(|e| failed(format!("no context of {} tokens: {e}", shared.context)))?;
        Ok(Self {
            session,
            shared,
            cached: Default::default(),
            sequence: 0,
            forked: false,
            scored: 0,
            usage: Usage::default(),
        })
    }

    /// The prompt for a reply. Whole old turns are left out where the context is too short for all of them.
    fn prompt(&self, messages: &[ChatMessage], tools: &[ToolSpec]) -> Result<Vec<LlamaToken>> {
        let shared = &self.shared;
        let room = shared.context as usize - shared.options.max_tokens.min(shared.context as usize / 3);
        let mut messages: Vec<ChatMessage> = messages.iter().map(|message| self.without_controls(message)).collect();
        loop {
            let text = shared.template.render(&messages, tools)?;
            let bos = piece(&shared.model, shared.model.vocab().bos());
            let add_bos = shared.model.vocab().should_add_bos() && !(bos.is_empty() || text.starts_with(&bos));
            let tokens = shared.model.vocab().tokenize(text.as_bytes(), add_bos, true);
            if tokens.len() <= room {
                return Ok(tokens);
            }
            if !drop_oldest_turn(&mut messages) {
                let reason = format!("a prompt of {} tokens; the context has room for {room}", tokens.len());
                return Err(failed(reason));
            }
        }
    }

    /// Messages come from people and programs; none of them may end a turn or begin another.
    fn without_controls(&self, message: &ChatMessage) -> ChatMessage {
        let mut message = message.clone();
        for control in &self.shared.controls {
            if message.content.contains(control.as_str()) {
                message.content = message.content.replace(control.as_str(), " ");
            }
        }
        message
    }

    /// Brings the cache to `tokens` and has the scores after the last of them. Only what differs from the cache on
    /// is read, in slices.
    fn read(&mut self, tokens: &[LlamaToken], cancel: &Cancel) -> Result<Reading> {
        if tokens.is_empty() || tokens.len() > self.shared.context as usize {
            return Err(failed(format!("{} tokens to read; the context holds {}", tokens.len(), self.shared.context)));
        }
        let common = self.cached().iter().zip(tokens).take_while(|(a, b)| a == b).count().min(tokens.len() - 1);
        self.cut(common)?;
        self.make_room(tokens)?;
        self.usage.reused += common;
        let slice = self.shared.options.prefill_slice;
        let mut batch = LlamaBatch::new(slice, 1);
        for part in tokens[common..].chunks(slice) {
            if cancel.is_cancelled() {
                return Ok(Reading::Cancelled);
            }
            batch.clear();
            let before = self.cached().len();
            for (at, token) in part.iter().enumerate() {
                let last = before + at + 1 == tokens.len();
                batch.add(*token, (before + at) as i32, &[self.sequence as i32], last).map_err(failed)?;
            }
            self.session.with_dependent_mut(|_, context| context.decode(&mut batch)).map_err(failed)?;
            self.cached[self.sequence].extend_from_slice(part);
            self.scored = part.len() as i32 - 1;
            self.usage.read += part.len();
        }
        Ok(Reading::Done)
    }

    /// Both sequences share what they have in common. Where the context is too small for the rest of both, the trunk
    /// forgets its own, and reads it again when the branch is discarded.
    fn make_room(&mut self, tokens: &[LlamaToken]) -> Result<()> {
        let trunk = 1 - self.sequence;
        let shared = self.cached[trunk].iter().zip(tokens).take_while(|(a, b)| a == b).count();
        let needed = self.cached[trunk].len() - shared + tokens.len() + self.shared.options.max_tokens;
        let full = self.forked && needed > self.shared.context as usize;
        if full { self.cut_sequence(trunk, shared) } else { Ok(()) }
    }

    /// Reads one more token.
    fn append(&mut self, token: LlamaToken) -> Result<()> {
        let mut batch = LlamaBatch::new(1, 1);
        batch.add(token, self.cached().len() as i32, &[self.sequence as i32], true).map_err(failed)?;
        self.session.with_dependent_mut(|_, context| context.decode(&mut batch)).map_err(failed)?;
        self.cached[self.sequence].push(token);
        self.scored = 0;
        Ok(())
    }

    /// What the sequence that is read into holds.
    fn cached(&self) -> &[LlamaToken] {
        &self.cached[self.sequence]
    }

    /// Forgets the cache from `keep` on.
    fn cut(&mut self, keep: usize) -> Result<()> {
        self.cut_sequence(self.sequence, keep)
    }

    fn cut_sequence(&mut self, sequence: usize, keep: usize) -> Result<()> {
        if keep == self.cached[sequence].len() {
            return Ok(());
        }
        let cut = self.session.with_dependent_mut(|_, context| {
            context.clear_kv_cache_seq(Some(sequence as u32), Some(keep as u32), None).map_err(failed)
        })?;
        if !cut {
            return Err(failed("the model's memory cannot be cut"));
        }
        self.cached[sequence].truncate(keep);
        Ok(())
    }

    fn generate(&mut self, tools: &[ToolSpec], cancel: &Cancel, on_text: OnText<'_>) -> Result<Finish> {
        let shared = self.shared.clone();
        let mut picker = Picker::new(&shared, tools)?;
        let mut reply = Reply::new(&shared.form, !tools.is_empty());
        let room = (shared.context as usize).saturating_sub(self.cached().len());
        for _ in 0..shared.options.max_tokens.min(room) {
            if cancel.is_cancelled() {
                return Ok(Finish::Cancelled);
            }
            let at = self.scored;
            let token = self.session.with_dependent(|_, context| picker.pick(context, at));
            if shared.model.vocab().is_eog(token) {
                return Ok(reply.finish(on_text));
            }
            let bytes = shared.model.vocab().token_to_piece(token, false, None);
            self.usage.generated += 1;
            if reply.push(&bytes, on_text).is_break() {
                return Ok(Finish::Cancelled);
            }
            self.append(token)?;
        }
        let _ = reply.finish(on_text);
        Ok(Finish::Length)
    }
}

/// Drops the first turn after the system's message, if another turn follows it.
fn drop_oldest_turn(messages: &mut Vec<ChatMessage>) -> bool {
    let start = usize::from(messages.first().is_some_and(|message| message.role == Role::System));
    let next = messages.iter().skip(start + 1).position(|message| message.role == Role::User);
    match next {
        Some(at) => {
            messages.drain(start..start + 1 + at);
            true
        }
        None => false,
    }
}

/// Picks tokens: the sampler's choice, unless the grammar forbids it.
struct Picker {
    chain: LlamaSampler,
    grammar: Option<LlamaSampler>,
}

impl Picker {
    fn new(shared: &Shared, tools: &[ToolSpec]) -> Result<Self> {
        let options = &shared.options;
        let chain = if options.temperature > 0.0 {
            LlamaSampler::chain_simple([
                LlamaSampler::top_p(options.top_p, 1),
                LlamaSampler::min_p(options.min_p, 1),
                LlamaSampler::temp(options.temperature),
                LlamaSampler::dist(options.seed),
            ])
        } else {
            LlamaSampler::greedy()
        };
        let grammar = match tools {
            [] => None,
            tools => Some(LlamaSampler::grammar(&shared.model, &shared.form.grammar(tools), "root").map_err(failed)?),
        };
        Ok(Self { chain, grammar })
    }

    fn pick(&mut self, context: &LlamaContext<'_>, at: i32) -> LlamaToken {
        let mut candidates = context.token_data_array_ith(at);
        candidates.apply_sampler(&mut self.chain);
        let mut token = candidates.selected_token().unwrap_or(LlamaToken(0));
        if let Some(grammar) = &mut self.grammar {
            // The grammar looks at one token in most steps, and at the whole vocabulary only when that one is out.
            let mut one =
                LlamaTokenDataArray::new(vec![llama_cpp_2::token::data::LlamaTokenData::new(token, 0.0, 0.0)], false);
            one.apply_sampler(grammar);
            if one.data.first().is_none_or(|data| data.logit() == f32::NEG_INFINITY) {
                let mut candidates = context.token_data_array_ith(at);
                candidates.apply_sampler(grammar);
                candidates.apply_sampler(&mut self.chain);
                token = candidates.selected_token().unwrap_or(token);
            }
            grammar.accept(token);
        }
        self.chain.accept(token);
        token
    }
}

impl Dialogue for LlamaDialogue {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let prompt = self.prompt(messages, tools)?;
        match self.read(&prompt, cancel)? {
            Reading::Cancelled => Ok(Finish::Cancelled),
            Reading::Done => self.generate(tools, cancel, on_text),
        }
    }

    fn prefill(&mut self, messages: &[ChatMessage], tools: &[ToolSpec], cancel: &Cancel) -> Result<()> {
        let prompt = self.prompt(messages, tools)?;
        self.read(&prompt, cancel).map(drop)
    }

    fn fork(&mut self) -> Result<()> {
        self.discard()?;
        let (trunk, branch) = (self.sequence, 1 - self.sequence);
        self.session.with_dependent_mut(|_, context| {
            context.copy_kv_cache_seq(trunk as i32, branch as i32, None, None).map_err(failed)
        })?;
        self.cached[branch] = self.cached[trunk].clone();
        (self.sequence, self.forked) = (branch, true);
        Ok(())
    }

    fn adopt(&mut self) -> Result<()> {
        if std::mem::take(&mut self.forked) {
            self.cut_sequence(1 - self.sequence, 0)?;
        }
        Ok(())
    }

    fn discard(&mut self) -> Result<()> {
        if std::mem::take(&mut self.forked) {
            self.cut(0)?;
            self.sequence = 1 - self.sequence;
        }
        Ok(())
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}
