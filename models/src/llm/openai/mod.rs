//! Models behind an OpenAI-compatible chat completions endpoint: llama.cpp's server, vLLM, and others.
//!
//! Plain `http://` only; for an endpoint with TLS, put a local proxy before it.

mod chunked;
mod http;
mod sse;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use http::{Endpoint, Exchange};
use sse::SseParser;

use super::prompt::{self, by_turns};
use super::thoughts::Thoughts;
use super::tools::Moment;
use super::{Cancel, ChatMessage, Dialogue, Finish, Responder, Role, ToolCall, ToolSpec};
use crate::{Error, Result};

const ENGINE: &str = "openai";

/// Where the endpoint is and how it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table with `url`")]
pub struct OpenAiOptions {
    /// The base of the API, such as `http://localhost:8080/v1`.
    pub url: String,
    /// The model's name at the endpoint. Default: `default`.
    #[serde(default = "default_model")]
    pub model: String,
    /// Sent as a bearer token when set; never written out. Default: none.
    #[serde(default, skip_serializing)]
    pub api_key: Option<ApiKey>,
    /// Sampling temperature. Default: 0.
    #[serde(default)]
    pub temperature: f32,
    /// Tokens of a reply at the most. Default: 256.
    #[serde(default = "default_tokens")]
    pub max_tokens: usize,
    /// Further fields of the request, sent as they are, such as `tool_choice`, or
    /// `chat_template_kwargs = { enable_thinking = false }` for a model that thinks too long. Default: none.
    #[serde(default)]
    pub extra: serde_json::Map<String, Value>,
    /// How long to wait for a connection, and for the next event of a reply. Default: 30,000.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
}

/// A key that no log and no file is to show.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ApiKey(String);

impl From<String> for ApiKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl From<&str> for ApiKey {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl OpenAiOptions {
    /// Refuses what no request can have.
    fn check(&self) -> Result<()> {
        let wrong = |key: &'static str, expected: &str, found: String| Err(Error::invalid(key, expected, found));
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return wrong("temperature", "0 or more", self.temperature.to_string());
        }
        if self.max_tokens == 0 {
            return wrong("max_tokens", "1 or more", "0".to_owned());
        }
        if self.timeout_ms == 0 {
            return wrong("timeout_ms", "1 or more", "0".to_owned());
        }
        match &self.api_key {
            Some(ApiKey(key)) if !key.chars().all(|c| c.is_ascii_graphic()) => {
                wrong("api_key", "printable ASCII without spaces", "other characters".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn default_model() -> String {
    "default".into()
}

fn default_tokens() -> usize {
    256
}

fn default_timeout() -> u64 {
    30_000
}

/// An OpenAI-compatible endpoint.
pub struct OpenAiResponder {
    shared: Arc<Shared>,
}

struct Shared {
    options: OpenAiOptions,
    endpoint: Endpoint,
}

impl OpenAiResponder {
    /// A responder for an endpoint. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the URL is not `http://host[:port][/path]`, or an option is out of its bounds.
    pub fn new(options: OpenAiOptions) -> Result<Self> {
        options.check()?;
        let endpoint = Endpoint::parse(&options.url)?;
        Ok(Self { shared: Arc::new(Shared { options, endpoint }) })
    }
}

impl Responder for OpenAiResponder {
    fn name(&self) -> &str {
        &self.shared.options.model
    }

    fn dialogue(&self, _now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(OpenAiDialogue { shared: self.shared.clone() }))
    }
}

struct OpenAiDialogue {
    shared: Arc<Shared>,
}

impl Dialogue for OpenAiDialogue {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let options = &self.shared.options;
        let body = request(options, messages, tools).to_string();
        let timeout = Duration::from_millis(options.timeout_ms);
        let (endpoint, cancelled) = (&self.shared.endpoint, || cancel.is_cancelled());
        let key = options.api_key.as_ref().map(|ApiKey(key)| key.as_str());
        let sent = Exchange::post(endpoint, key, &body, timeout, &cancelled)?;
        let Some(mut exchange) = sent else { return Ok(Finish::Cancelled) };
        let (mut parser, mut reply) = (SseParser::default(), StreamedReply::default());
        let (mut events, mut unread, mut told) = (Vec::new(), Some(Vec::new()), Instant::now());
        loop {
            // Dropping the exchange closes the socket, by which the server learns that nobody listens any more.
            let piece = match exchange.next(&cancelled)? {
                http::Piece::Cancelled => return Ok(Finish::Cancelled),
                http::Piece::End => {
                    return unread.map_or_else(|| reply.finish(false, on_text), |body| Err(no_events(&body)));
                }
                http::Piece::Bytes(bytes) => bytes,
            };
            parser.push(&piece, &mut events)?;
            if !events.is_empty() {
                told = Instant::now();
            } else if told.elapsed() > timeout {
                // A server may keep a connection alive with comments.
                return Err(Error::engine(ENGINE, format!("nothing came of a reply for {} ms", options.timeout_ms)));
            }
            unread = unread.filter(|_| events.is_empty());
            if let Some(unread) = unread.as_mut().filter(|unread| unread.len() < http::LARGEST_HEAD) {
                unread.extend(piece);
            }
            for event in events.drain(..) {
                match reply.event(&event, on_text)? {
                    Step::More => {}
                    Step::Broken => return Ok(Finish::Cancelled),
                    Step::Done => return reply.finish(true, on_text),
                }
            }
        }
    }
}

/// An answer that ends without an event: another server's page, or an error that came with a status of success.
fn no_events(body: &[u8]) -> Error {
    let said = match serde_json::from_slice::<Value>(body).ok().as_ref().and_then(|body| body.get("error")) {
        Some(error) => reason(error),
        None if body.is_empty() => "the endpoint's answer is empty".to_owned(),
        None => format!("the endpoint's answer is no stream of events: {}", http::shown(body)),
    };
    Error::engine(ENGINE, said)
}

/// What an error object says.
fn reason(error: &Value) -> String {
    error.get("message").and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned)
}

/// The body of a request (API reference, "Create chat completion").
fn request(options: &OpenAiOptions, messages: &[ChatMessage], tools: &[ToolSpec]) -> Value {
    let mut body = json!({
        "model": options.model,
        "messages": wire_messages(&by_turns(messages)),
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        "stream": true,
    });
    if !tools.is_empty() {
        body["tools"] = json!(tools.iter().map(prompt::tool).collect::<Vec<_>>());
    }
    for (name, value) in &options.extra {
        body[name] = value.clone();
    }
    body
}

/// Calls have ids on the wire; ours are numbered in the order of the history, and a result answers the call before it.
fn wire_messages(messages: &[ChatMessage]) -> Vec<Value> {
    let mut calls = 0;
    let wire = |message: &ChatMessage| match (message.role, &message.tool_call) {
        (Role::Assistant, Some(call)) => {
            calls += 1;
            let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
            let call = json!({"id": format!("call_{calls}"), "type": "function", "function": function});
            json!({"role": "assistant", "content": message.content, "tool_calls": [call]})
        }
        (Role::Tool, _) => json!({"role": "tool", "tool_call_id": format!("call_{calls}"), "content": message.content}),
        (role, _) => json!({"role": role, "content": message.content}),
    };
    messages.iter().map(wire).collect()
}

#[derive(Debug, Default)]
struct PartialCall {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

/// What came of a streamed reply so far.
#[derive(Debug)]
struct StreamedReply {
    thoughts: Thoughts,
    /// The first call where there are several: a spoken turn takes one step at a time.
    call: Option<PartialCall>,
    reason: Option<String>,
    begun: bool,
}

#[derive(Debug, PartialEq)]
enum Step {
    More,
    Done,
    Broken,
}

impl Default for StreamedReply {
    fn default() -> Self {
        Self { thoughts: Thoughts::after(""), call: None, reason: None, begun: false }
    }
}

impl StreamedReply {
    fn event(&mut self, data: &str, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Step> {
        if data.trim() == "[DONE]" {
            return Ok(Step::Done);
        }
        let chunk: Value =
            serde_json::from_str(data).map_err(|e| Error::engine(ENGINE, format!("an event that is not JSON: {e}")))?;
        if let Some(error) = chunk.get("error").filter(|error| !error.is_null()) {
            return Err(Error::engine(ENGINE, reason(error)));
        }
        let Some(choice) = chunk.pointer("/choices/0") else { return Ok(Step::More) };
        for call in choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let text = |path| call.pointer(path).and_then(Value::as_str).unwrap_or_default();
            let (index, id) = (call.get("index").and_then(Value::as_u64).unwrap_or(0), text("/id"));
            let first =
                self.call.get_or_insert_with(|| PartialCall { index, id: id.to_owned(), ..PartialCall::default() });
            // Ollama gives all calls of a reply one index.
            if first.index == index && (id.is_empty() || id == first.id) {
                first.name.push_str(text("/function/name"));
                first.arguments.push_str(text("/function/arguments"));
                if first.arguments.len() > sse::LARGEST {
                    return Err(Error::engine(ENGINE, format!("a call of {} whose arguments do not end", first.name)));
                }
            }
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.reason = Some(reason.to_owned());
        }
        let text = choice.pointer("/delta/content").and_then(Value::as_str).unwrap_or_default();
        let mut said = String::new();
        self.thoughts.push(text, &mut said);
        Ok(if self.say(&said, on_text).is_break() { Step::Broken } else { Step::More })
    }

    fn say(&mut self, text: &str, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> ControlFlow<()> {
        // Many models begin a reply with a space, which belongs to the template, not to what is said.
        let text = if self.begun { text } else { text.trim_start() };
        self.begun |= !text.is_empty();
        if text.is_empty() { ControlFlow::Continue(()) } else { on_text(text) }
    }

    /// `done` where the server has said that it has nothing to add, which stands for a reason as well.
    fn finish(mut self, done: bool, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Result<Finish> {
        let mut rest = String::new();
        self.thoughts.flush(&mut rest);
        if self.say(&rest, on_text).is_break() {
            return Ok(Finish::Cancelled);
        }
        if self.reason.is_none() && !done {
            return Err(Error::engine(ENGINE, "the endpoint closed the connection in the middle of a reply"));
        }
        let cut = self.reason.as_deref() == Some("length");
        if let Some(PartialCall { name, arguments, .. }) = self.call {
            let arguments = if arguments.trim().is_empty() { "{}" } else { arguments.as_str() };
            match serde_json::from_str(arguments) {
                Ok(arguments) => return Ok(Finish::Tool(ToolCall { name, arguments })),
                Err(_) if cut => {}
                // Whoever runs the call tells the model what is wrong with it.
                Err(_) => return Ok(Finish::Tool(ToolCall { name, arguments: Value::from(arguments) })),
            }
        }
        Ok(if cut { Finish::Length } else { Finish::Stop })
    }
}

#[cfg(test)]
mod tests;
