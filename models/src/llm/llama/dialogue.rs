use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use self_cell::self_cell;

use super::picker::Picker;
use super::{Shared, backend, failed, piece};
use crate::Result;
use crate::llm::prompt::in_words;
use crate::llm::reply::{OnText, Reply};
use crate::llm::tools::Moment;
use crate::llm::{Cancel, ChatMessage, Dialogue, Finish, Role, ToolSpec, Usage, window};

self_cell!(
    struct Session {
        owner: Arc<Shared>,
        #[not_covariant]
        dependent: LlamaContext,
    }
);

/// One conversation: a context whose cache holds two sequences, the trunk and a branch for a reply that may be dropped.
pub(super) struct LlamaDialogue {
    session: Session,
    shared: Arc<Shared>,
    /// When the conversation began, for templates that name the date: it may not change, or the cache would be lost.
    began: Moment,
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
    pub(super) fn new(shared: Arc<Shared>, began: Moment) -> Result<Self> {
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
            began,
            cached: Default::default(),
            sequence: 0,
            forked: false,
            scored: 0,
            usage: Usage::default(),
        })
    }

    /// The prompt for a reply, or up to what the caller will say next, as text and as tokens. Old turns are left out where
    /// the context is too short for all of them, and the oldest words of a turn that is too long by itself.
    fn prompt(&self, messages: &[ChatMessage], tools: &[ToolSpec]) -> Result<(String, Vec<LlamaToken>)> {
        let shared = &self.shared;
        let room = shared.context as usize - shared.options.max_tokens.min(shared.context as usize / 3);
        let mut messages: Vec<ChatMessage> = messages.iter().map(|message| self.without_controls(message)).collect();
        let length = |text: &str| shared.model.vocab().tokenize(text.as_bytes(), false, false).len();
        let instructions = messages.iter().take_while(|message| message.role == Role::System).count();
        // Many templates refuse messages among which there is none of a person.
        let opening = [&messages[..instructions], &[silence()]].concat();
        let head = self.tokens(&self.text(&opening, tools)?).len();
        window::shorten(&mut messages, room.saturating_sub(head), length);
        loop {
            let text = self.text(&messages, tools)?;
            let tokens = self.tokens(&text);
            if tokens.len() <= room {
                return Ok((text, tokens));
            }
            let excess = tokens.len() - room;
            if !window::drop_oldest_turn(&mut messages) && !window::drop_oldest_words(&mut messages, excess, length) {
                let reason = format!("a prompt of {} tokens; the context has room for {room}", tokens.len());
                return Err(failed(reason));
            }
        }
    }

    fn text(&self, messages: &[ChatMessage], tools: &[ToolSpec]) -> Result<String> {
        let shared = &self.shared;
        if tools.is_empty() || shared.template_knows_tools {
            return shared.template.render(messages, tools, self.began);
        }
        shared.template.render(&in_words(messages, tools), &[], self.began)
    }

    fn tokens(&self, text: &str) -> Vec<LlamaToken> {
        let shared = &self.shared;
        let bos = piece(&shared.model, shared.model.vocab().bos());
        let add_bos = shared.model.vocab().should_add_bos() && !(bos.is_empty() || text.starts_with(&bos));
        shared.model.vocab().tokenize(text.as_bytes(), add_bos, true)
    }

    /// The text of a token that was generated. Of control tokens, only those that mark calls have one.
    fn said(&self, token: LlamaToken) -> Vec<u8> {
        let (vocab, form) = (self.shared.model.vocab(), &self.shared.form);
        if !vocab.is_control(token) {
            return vocab.token_to_piece(token, false, None);
        }
        let mark = piece(&self.shared.model, token);
        if [form.open, form.close].contains(&mark.as_str()) { mark.into_bytes() } else { Vec::new() }
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

    /// The scores of every token after `tokens`.
    pub(super) fn logits(mut self, tokens: &[LlamaToken]) -> Result<Vec<f32>> {
        self.read(tokens, &Cancel::default())?;
        let at = self.scored;
        Ok(self.session.with_dependent(|_, context| context.get_logits_ith(at).to_vec()))
    }

    /// Brings the cache to `tokens` and has the scores after the last of them. Only what differs from the cache on
    /// is read, in slices.
    fn read(&mut self, tokens: &[LlamaToken], cancel: &Cancel) -> Result<Reading> {
        if tokens.is_empty() || tokens.len() > self.shared.context as usize {
            return Err(failed(format!("{} tokens to read; the context holds {}", tokens.len(), self.shared.context)));
        }
        let common = self.cached().iter().zip(tokens).take_while(|(a, b)| a == b).count().min(tokens.len() - 1);
        self.cut(common)?;
        let common = self.cached().len();
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

    /// Forgets the cache from `keep` on, or all of it: the state of a recurrent model cannot be taken back.
    fn cut(&mut self, keep: usize) -> Result<()> {
        self.cut_sequence(self.sequence, keep)
    }

    fn cut_sequence(&mut self, sequence: usize, keep: usize) -> Result<()> {
        if keep == self.cached[sequence].len() {
            return Ok(());
        }
        let mut clear = |from| {
            self.session.with_dependent_mut(|_, context| {
                context.clear_kv_cache_seq(Some(sequence as u32), from, None).map_err(failed)
            })
        };
        if clear(Some(keep as u32))? {
            self.cached[sequence].truncate(keep);
        } else if clear(None)? {
            self.cached[sequence].clear();
        } else {
            return Err(failed("the model's memory cannot be cleared"));
        }
        Ok(())
    }

    fn generate(
        &mut self,
        prompt: &str,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        cancel: &Cancel,
        on_text: OnText<'_>,
    ) -> Result<Finish> {
        let shared = self.shared.clone();
        let mut picker = Picker::new(&shared, messages, tools)?;
        let mut reply = Reply::new(prompt, &shared.form);
        let room = (shared.context as usize).saturating_sub(self.cached().len());
        for _ in 0..shared.options.max_tokens.min(room) {
            if cancel.is_cancelled() {
                return Ok(Finish::Cancelled);
            }
            let at = self.scored;
            let token = self.session.with_dependent(|_, context| picker.pick(context, at));
            if shared.model.vocab().is_eog(token) {
                return reply.finish(on_text);
            }
            let bytes = self.said(token);
            picker.picked(&bytes);
            self.usage.generated += 1;
            if reply.push(&bytes, on_text).is_break() {
                return Ok(Finish::Cancelled);
            }
            self.append(token)?;
        }
        // A call may be complete all the same; one that is not is none.
        match reply.finish(on_text) {
            Ok(Finish::Tool(call)) => Ok(Finish::Tool(call)),
            _ => Ok(Finish::Length),
        }
    }
}

/// A person who says nothing.
fn silence() -> ChatMessage {
    ChatMessage { role: Role::User, content: String::new(), tool_call: None }
}

impl Dialogue for LlamaDialogue {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let (text, tokens) = self.prompt(messages, tools)?;
        match self.read(&tokens, cancel)? {
            Reading::Cancelled => Ok(Finish::Cancelled),
            Reading::Done => self.generate(&text, messages, tools, cancel, on_text),
        }
    }

    fn prefill(&mut self, messages: &[ChatMessage], tools: &[ToolSpec], cancel: &Cancel) -> Result<()> {
        // A template that refuses a dialogue which is not the caller's turn is asked for one in which they said nothing: most
        // of that prompt is also the next one's.
        let (_, tokens) =
            self.prompt(messages, tools).or_else(|_| self.prompt(&[messages, &[silence()]].concat(), tools))?;
        self.read(&tokens, cancel).map(drop)
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
