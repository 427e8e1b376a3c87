//! From messages to a prompt: renders the chat template that a model carries, whatever Jinja it uses.

use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{Environment, Error as JinjaError, ErrorKind, State, context};
use serde_json::json;

use super::{ChatMessage, Role, ToolSpec};
use crate::{Error, Result};

/// A chat template with the tokens that it may name.
#[derive(Debug)]
pub struct PromptTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
}

/// The form of models without a template of their own (ChatML).
pub const CHATML: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n\
                          {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

const NAME: &str = "chat";

impl PromptTemplate {
    /// A template from its Jinja source; `bos` and `eos` are the texts of those tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the source is not Jinja.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |why: String| -> Result<Value, JinjaError> {
            Err(JinjaError::new(ErrorKind::InvalidOperation, why))
        });
        environment.add_function("strftime_now", |_format: String| String::new());
        environment.set_unknown_method_callback(python_method);
        let parsed = environment.add_template_owned(NAME, source.to_owned());
        parsed.map_err(|e| Error::invalid("chat template", "Jinja", one_line(&e)))?;
        Ok(Self { environment, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    /// The prompt for a reply to `messages`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the template refuses the messages.
    pub fn render(&self, messages: &[ChatMessage], tools: &[ToolSpec]) -> Result<String> {
        let refuse = |e: JinjaError| Error::invalid("chat template", "to take these messages", one_line(&e));
        let template = self.environment.get_template(NAME).map_err(refuse)?;
        let messages: Vec<serde_json::Value> = messages.iter().map(message).collect();
        let tools: Vec<serde_json::Value> = tools.iter().map(tool).collect();
        let tools = if tools.is_empty() { Value::from(()) } else { Value::from_serialize(&tools) };
        let prompt = template.render(context! {
            messages => Value::from_serialize(&messages),
            tools => tools,
            bos_token => &self.bos,
            eos_token => &self.eos,
            add_generation_prompt => true,
            enable_thinking => false,
        });
        prompt.map_err(refuse)
    }
}

fn one_line(error: &JinjaError) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A tool as OpenAI's API and published templates name it.
pub(super) fn tool(spec: &ToolSpec) -> serde_json::Value {
    let ToolSpec { name, description, parameters } = spec;
    json!({"type": "function", "function": {"name": name, "description": description, "parameters": parameters}})
}

/// A message as published templates expect it; a call's arguments are an object.
fn message(message: &ChatMessage) -> serde_json::Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    match &message.tool_call {
        Some(call) => {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"role": role, "content": message.content, "tool_calls": [{"type": "function", "function": function}]})
        }
        None => json!({"role": role, "content": message.content}),
    }
}

/// `tojson` as Hugging Face's templates use it: plain JSON, without the escapes for HTML.
fn to_json(value: &Value, options: Kwargs) -> Result<String, JinjaError> {
    let indent: Option<usize> = options.get("indent").ok().flatten();
    let broken = |e: serde_json::Error| JinjaError::new(ErrorKind::BadSerialization, e.to_string());
    match indent {
        Some(_) => serde_json::to_string_pretty(value).map_err(broken),
        None => serde_json::to_string(value).map_err(broken),
    }
}

/// The methods of Python's strings and dictionaries that published templates call.
fn python_method(_: &State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, JinjaError> {
    let unknown = || JinjaError::new(ErrorKind::UnknownMethod, format!("no method {method}"));
    if value.kind() == ValueKind::Map {
        return match method {
            "items" => {
                let pairs = value.try_iter()?.map(|key| Ok(Value::from(vec![key.clone(), value.get_item(&key)?])));
                Ok(Value::from(pairs.collect::<Result<Vec<_>, JinjaError>>()?))
            }
            "keys" => Ok(Value::from(value.try_iter()?.collect::<Vec<_>>())),
            "get" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let found = value.get_item(&key)?;
                Ok(if found.is_undefined() { default.unwrap_or_default() } else { found })
            }
            _ => Err(unknown()),
        };
    }
    let text = value.as_str().ok_or_else(unknown)?;
    let first = || from_args::<(&str,)>(args).map(|(first,)| first);
    Ok(match (method, args.len()) {
        ("strip", 0) => Value::from(text.trim()),
        ("lstrip", 0) => Value::from(text.trim_start()),
        ("rstrip", 0) => Value::from(text.trim_end()),
        ("strip", _) => Value::from(text.trim_matches(|c| first().is_ok_and(|set| set.contains(c)))),
        ("lstrip", _) => Value::from(text.trim_start_matches(|c| first().is_ok_and(|set| set.contains(c)))),
        ("rstrip", _) => Value::from(text.trim_end_matches(|c| first().is_ok_and(|set| set.contains(c)))),
        ("startswith", _) => Value::from(text.starts_with(first()?)),
        ("endswith", _) => Value::from(text.ends_with(first()?)),
        ("upper", _) => Value::from(text.to_uppercase()),
        ("lower", _) => Value::from(text.to_lowercase()),
        ("title" | "capitalize", _) => Value::from(text),
        ("split", 0) => Value::from(text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()),
        ("split", _) => {
            let by = first()?;
            Value::from(text.split(by).map(str::to_owned).collect::<Vec<_>>())
        }
        ("replace", _) => {
            let (from, to): (&str, &str) = from_args(args)?;
            Value::from(text.replace(from, to))
        }
        _ => return Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ToolCall;
    use crate::llm::template::TEMPLATE;

    fn says(role: Role, content: &str) -> ChatMessage {
        ChatMessage { role, content: content.into(), tool_call: None }
    }

    fn clock() -> ToolSpec {
        ToolSpec { name: "clock".into(), description: "Tells the time".into(), parameters: json!({"type": "object"}) }
    }

    #[test]
    fn our_template_writes_the_form_that_the_model_is_trained_on() {
        let template = PromptTemplate::new(TEMPLATE, "<s>", "<|end|>").unwrap();
        let call = ToolCall { name: "clock".into(), arguments: json!({"what": "time", "at": "it's <now>"}) };
        let messages = [
            says(Role::System, "You help."),
            says(Role::User, "what time is it"),
            ChatMessage { role: Role::Assistant, content: String::new(), tool_call: Some(call) },
            says(Role::Tool, "noon"),
            says(Role::Assistant, "It's noon."),
            says(Role::User, "thanks"),
        ];
        let expected = concat!(
            "<s><|system|> You help. clock<|end|><|user|> what time is it<|end|>",
            r#"<|assistant|> {"name":"clock","arguments":{"at":"it's <now>","what":"time"}}<|end|>"#,
            "<|tool|> noon<|end|><|assistant|> It's noon.<|end|><|user|> thanks<|end|><|assistant|>",
        );
        assert_eq!(template.render(&messages, &[clock()]).unwrap(), expected);
        let bare = template.render(&[says(Role::User, "hi")], &[]).unwrap();
        assert_eq!(bare, "<s><|system|><|end|><|user|> hi<|end|><|assistant|>");
    }

    #[test]
    fn templates_in_the_python_dialect_render() {
        let source = "{%- for m in messages %}\n    {%- if m['role'].strip().startswith('us') %}\n{{- m.content.split('x')[-1] | trim }}\n    {%- endif %}\n{%- endfor %}{% for t in tools %}{% for k, v in t.function.items() %}{{ k }};{% endfor %}{% endfor %}";
        let template = PromptTemplate::new(source, "", "").unwrap();
        let prompt = template.render(&[says(Role::User, "ax b ")], &[clock()]).unwrap();
        assert_eq!(prompt, "bdescription;name;parameters;");
    }

    #[test]
    fn a_template_that_refuses_says_why() {
        let template = PromptTemplate::new("{{ raise_exception('roles must alternate') }}", "", "").unwrap();
        let error = template.render(&[], &[]).unwrap_err().to_string();
        assert!(error.contains("roles must alternate") && !error.contains('\n'), "{error}");
        assert!(PromptTemplate::new("{% for %}", "", "").is_err());
    }
}
