//! Dialogue: messages in, a streamed reply or a tool call out.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::Result;

mod grammar;
#[cfg(feature = "llama")]
pub mod llama;
pub mod openai;
mod prompt;
#[cfg(feature = "llama")]
mod reply;
pub mod template;
mod thoughts;
pub mod tools;
#[cfg(feature = "llama")]
mod utf8;
#[cfg(feature = "llama")]
mod window;

pub use grammar::{CallForm, CallPlace};
pub use prompt::{CHATML, PromptTemplate};

/// The instructions that our own model was trained with; a configuration may set others for other models.
pub const PERSONA: &str = "You are Rejoinder, a helpful voice assistant.";

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instructions that open a dialogue.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// A call of a tool that the model asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// Its arguments: an object that keeps the tool's schema.
    pub arguments: serde_json::Value,
}

/// One message of a dialogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// The text; empty in a message that only calls a tool.
    pub content: String,
    /// The tool call that an assistant's message makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<ToolCall>,
}

/// What the model is told about a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The name, as it stands in a call.
    pub name: String,
    /// What it does, in a sentence.
    pub description: String,
    /// JSON Schema of the arguments: an object.
    pub parameters: serde_json::Value,
}

/// A flag by which another thread ends a reply. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    own: Arc<AtomicBool>,
    /// That of the work which this is part of.
    whole: Option<Arc<AtomicBool>>,
}

impl Cancel {
    /// Asks for the work to stop.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Release);
    }

    /// Whether the work, or what it is part of, was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.own.load(Ordering::Acquire) || self.whole.as_ref().is_some_and(|whole| whole.load(Ordering::Acquire))
    }

    /// A flag for a part of the work, which ends with the whole as well.
    pub fn part(&self) -> Self {
        Self { own: Arc::default(), whole: Some(self.own.clone()) }
    }
}

/// How a reply ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    /// The model ended its message.
    Stop,
    /// The model calls a tool; the caller runs it, appends call and result, and asks again.
    Tool(ToolCall),
    /// The limit of tokens was reached.
    Length,
    /// The caller asked for the end.
    Cancelled,
}

/// How much work a dialogue has done since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of prompts that were read.
    pub read: usize,
    /// Tokens of prompts that were still in the cache.
    pub reused: usize,
    /// Tokens that were generated.
    pub generated: usize,
}

/// Something that answers: immutable and shared; each conversation has its own [`Dialogue`].
pub trait Responder: Send + Sync {
    /// The model's name.
    fn name(&self) -> &str;

    /// A dialogue for one conversation, which begins `now` on the caller's clock: models whose chat template asks for
    /// the date are told that of `now`.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) when the engine cannot make one.
    fn dialogue(&self, now: tools::Moment) -> Result<Box<dyn Dialogue>>;
}

/// The responder's state for one conversation: a cache of what it has read, keyed by the messages themselves, so that
/// a history that was cut needs no more work than its new end.
pub trait Dialogue: Send {
    /// Replies to `messages`, whose last is from [`Role::User`] or [`Role::Tool`]. `on_text` gets each piece of text
    /// as it comes, whole characters only, and may break off the reply.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) when the engine fails; the dialogue stays usable.
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish>;

    /// Reads `messages` ahead of a reply, so that the reply starts sooner. A hint: it may do nothing.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    fn prefill(&mut self, _messages: &[ChatMessage], _tools: &[ToolSpec], _cancel: &Cancel) -> Result<()> {
        Ok(())
    }

    /// Forks the cache: all that is read and generated from here on goes to a branch, and the trunk stays as it is.
    /// A branch that is still open is forgotten. The default does nothing, for a dialogue without a cache.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    fn fork(&mut self) -> Result<()> {
        Ok(())
    }

    /// Makes the branch the trunk.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    fn adopt(&mut self) -> Result<()> {
        Ok(())
    }

    /// Forgets the branch: the cache is as it was when it was forked.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    fn discard(&mut self) -> Result<()> {
        Ok(())
    }

    /// The work so far; zeros where nobody counts.
    fn usage(&self) -> Usage {
        Usage::default()
    }
}
