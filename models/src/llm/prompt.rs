//! From messages to a prompt: renders the chat template that a model carries, whatever Jinja it uses.

mod python;

use std::fmt::Write as _;

use minijinja::value::Value;
use minijinja::{Environment, Error as JinjaError, ErrorKind, context};
use minijinja_contrib::pycompat;
use serde::Serialize;

use super::tools::Moment;
use super::{ChatMessage, Role, ToolCall, ToolSpec};
use crate::{Error, Result, in_one_line};

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

/// Steps of one prompt at the most: a hundred times what the longest published templates take for a conversation that
/// fills its context, and a second of work.
const LARGEST_WORK: u64 = 10_000_000;

impl PromptTemplate {
    /// A template from its Jinja source; `bos` and `eos` are the texts of those tokens.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the source is not Jinja.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.add_filter("tojson", python::to_json);
        environment.add_function("raise_exception", |why: String| -> Result<Value, JinjaError> {
            Err(JinjaError::new(ErrorKind::InvalidOperation, why))
        });
        environment.set_unknown_method_callback(pycompat::unknown_method_callback);
        environment.add_filter("string", python::string);
        environment.add_test("iterable", python::is_iterable);
        environment.set_debug(false); // or an error would hold all of the dialogue
        environment.set_formatter(python::write_value);
        environment.set_fuel(Some(LARGEST_WORK));
        let parsed = environment.add_template_owned(NAME, without_training_marks(source));
        parsed.map_err(|e| Error::invalid("chat template", "Jinja", whole(&e)))?;
        Ok(Self { environment, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    /// The prompt for a reply to `messages`. A template that names the date gets that of `now`. One that refuses them gets
    /// them by turns, and then with the instructions as the beginning of what the person says first.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the template refuses the messages, or takes longer over them than any should.
    pub fn render(&self, messages: &[ChatMessage], tools: &[ToolSpec], now: Moment) -> Result<String> {
        let written = self.write(messages, tools, now);
        written.or_else(|refused| {
            let turns = by_turns(messages);
            let written = self.write(&turns, tools, now);
            written.or_else(|_| self.write(&without_system(turns), tools, now)).map_err(|_| refused)
        })
    }

    /// Whether the model is told of its tools: not by templates that leave them out.
    pub fn knows_tools(&self) -> bool {
        let asked = [ChatMessage { role: Role::User, content: "hello".to_owned(), tool_call: None }];
        let parameters = serde_json::json!({"type": "object", "properties": {}});
        let tool = ToolSpec { name: "probe".to_owned(), description: "Probes".to_owned(), parameters };
        let prompt = |tools: &[ToolSpec]| self.render(&asked, tools, Moment::from_local_ms(0)).ok();
        prompt(&[tool]).is_some_and(|told| Some(told) != prompt(&[]))
    }

    fn write(&self, messages: &[ChatMessage], tools: &[ToolSpec], now: Moment) -> Result<String> {
        let template = self.environment.get_template(NAME).map_err(refused)?;
        let tools: Vec<_> = tools.iter().map(tool).collect();
        let prompt = template.render(context! {
            messages => Value::from_serialize(wire_messages(messages)),
            tools => if tools.is_empty() { Value::from(()) } else { Value::from_serialize(&tools) },
            documents => (),
            bos_token => &self.bos,
            eos_token => &self.eos,
            add_generation_prompt => true,
            enable_thinking => false,
            strftime_now => Value::from_function(move |format: &str| date(now, format)),
        });
        prompt.map_err(refused)
    }
}

/// Messages in which person and assistant take turns, as the templates of Gemma and Mistral ask for: what the assistant said
/// on end is one message; where one of them said nothing between two of the other's, an empty message stands for it.
pub(super) fn by_turns(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    let silent = |role| ChatMessage { role, content: String::new(), tool_call: None };
    let mut turns: Vec<ChatMessage> = Vec::with_capacity(messages.len());
    for message in messages {
        let last = turns.last().map_or(Role::System, |last| last.role);
        match (last, message.role, turns.last_mut()) {
            (Role::Assistant, Role::Assistant, Some(said)) if said.tool_call.is_none() => {
                let parts = [said.content.trim(), message.content.trim()];
                said.content = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
                said.tool_call.clone_from(&message.tool_call);
                continue;
            }
            (Role::System, Role::Assistant, _) => turns.push(silent(Role::User)),
            (Role::Tool, Role::User, _) => turns.push(silent(Role::Assistant)),
            _ => {}
        }
        turns.push(message.clone());
    }
    turns
}

/// The instructions as the beginning of what the person says first, for templates such as Gemma's, which have no system.
fn without_system(messages: Vec<ChatMessage>) -> Vec<ChatMessage> {
    let (mut instructions, mut rest) = (Vec::new(), Vec::with_capacity(messages.len()));
    for mut message in messages {
        if message.role == Role::System {
            instructions.push(message.content);
            continue;
        }
        if message.role == Role::User && !instructions.is_empty() {
            instructions.push(message.content);
            message.content = instructions.drain(..).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
        }
        rest.push(message);
    }
    rest
}

/// A dialogue with tools for a template that knows none: the instructions tell of them, calls are what the assistant says,
/// and results what it is told.
#[cfg(any(feature = "llama", test))]
pub(super) fn in_words(messages: &[ChatMessage], tools: &[ToolSpec]) -> Vec<ChatMessage> {
    let says = |role, content: String| ChatMessage { role, content, tool_call: None };
    let instructions = messages.iter().take_while(|message| message.role == Role::System);
    let mut told: Vec<String> = instructions.map(|message| message.content.clone()).collect();
    let start = told.len();
    told.push(
        "You may call one of these tools: then reply with nothing but {\"name\": its name, \"arguments\": an object that keeps \
         its parameters}, and you will be told the result."
            .to_owned(),
    );
    told.extend(tools.iter().filter_map(|tool| serde_json::to_string(tool).ok()));
    let mut out = vec![says(Role::System, told.join("\n"))];
    for message in &messages[start..] {
        let (role, content) = match (message.role, &message.tool_call) {
            (Role::Assistant, Some(call)) => {
                let call = serde_json::to_string(call).unwrap_or_default();
                (Role::Assistant, format!("{}\n{call}", message.content).trim().to_owned())
            }
            (Role::Tool, _) => (Role::User, format!("Result: {}", message.content)),
            (role, _) => (role, message.content.clone()),
        };
        match out.last_mut().filter(|last| last.role == role && role == Role::User) {
            Some(last) => last.content.extend(["\n", &content]),
            None => out.push(says(role, content)),
        }
    }
    out
}

/// `{% generation %}` marks what a model is trained to say (transformers' extension); a prompt is the same without.
fn without_training_marks(source: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(source.len()), source);
    while let Some((before, after)) = rest.split_once("{%") {
        let Some((tag, after)) = after.split_once("%}") else { break };
        let tag = match tag.trim_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '+')) {
            "generation" => tag.replace("generation", "if true"),
            "endgeneration" => tag.replace("endgeneration", "endif"),
            _ => tag.to_owned(),
        };
        out.extend([before, "{%", &tag, "%}"]);
        rest = after;
    }
    out + rest
}

fn refused(error: JinjaError) -> Error {
    if error.kind() == ErrorKind::OutOfFuel {
        return Error::invalid("chat template", format!("to write a prompt in {LARGEST_WORK} steps"), "more");
    }
    Error::invalid("chat template", "to take these messages", whole(&error))
}

/// `now` in a format of C's `strftime`, as far as chrono knows it.
fn date(now: Moment, format: &str) -> Result<String, JinjaError> {
    let wrong = || JinjaError::new(ErrorKind::InvalidOperation, format!("no date in the format {format:?}"));
    let time = chrono::DateTime::from_timestamp_millis(now.local_ms()).ok_or_else(wrong)?;
    let mut text = String::new();
    write!(text, "{}", time.format(format)).map_err(|_| wrong())?;
    Ok(text)
}

/// With its causes.
fn whole(error: &JinjaError) -> String {
    in_one_line(format_args!("{error:#}"))
}

// Published templates write tools and calls as they get them, in the order of keys in which their models saw them:
// structs keep it, where a map sorts them.

/// A tool as OpenAI's API and published templates name it.
#[derive(Serialize)]
pub(super) struct WireTool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: &'a ToolSpec,
}

pub(super) fn tool(spec: &ToolSpec) -> WireTool<'_> {
    WireTool { kind: "function", function: spec }
}

/// A message as published templates expect it.
#[derive(Serialize)]
struct WireMessage<'a> {
    role: Role,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[WireCall<'a>; 1]>,
    /// Of a result: the tool's name and the call's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
}

/// A call, whose arguments are an object.
#[derive(Serialize)]
struct WireCall<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: &'a ToolCall,
}

/// Calls are numbered; Mistral's templates ask for ids of nine letters and digits. A result answers the call before it.
fn wire_messages(messages: &[ChatMessage]) -> Vec<WireMessage<'_>> {
    let (mut calls, mut called, mut wire) = (0, None, Vec::with_capacity(messages.len()));
    for message in messages {
        let call = message.tool_call.as_ref().filter(|_| message.role == Role::Assistant);
        calls += usize::from(call.is_some());
        let id = || format!("call{calls:05}");
        called = call.map(|call| call.name.as_str()).or(called);
        let result = called.filter(|_| message.role == Role::Tool);
        wire.push(WireMessage {
            role: message.role,
            content: &message.content,
            tool_calls: call.map(|call| [WireCall { id: id(), kind: "function", function: call }]),
            name: result,
            tool_call_id: result.map(|_| id()),
        });
    }
    wire
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::llm::template::TEMPLATE;

    /// 2026-11-23 17:42.
    const NOW: Moment = Moment::from_local_ms(1_795_455_720_000);

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
        assert_eq!(template.render(&messages, &[clock()], NOW).unwrap(), expected);
        let bare = template.render(&[says(Role::User, "hi")], &[], NOW).unwrap();
        assert_eq!(bare, "<s><|system|><|end|><|user|> hi<|end|><|assistant|>");
    }

    #[test]
    fn templates_in_the_python_dialect_render() {
        let source = "{%- for m in messages %}\n    {%- if m['role'].strip().startswith('us') %}\n{{- m.content.split('x')[-1] | trim }}\n    {%- endif %}\n{%- endfor %}{% for t in tools %}{% for k, v in t.function.items() %}{{ k }};{% endfor %}{% endfor %}";
        let template = PromptTemplate::new(source, "", "").unwrap();
        let prompt = template.render(&[says(Role::User, "ax b ")], &[clock()], NOW).unwrap();
        assert_eq!(prompt, "bname;description;parameters;");
    }

    #[test]
    fn a_template_that_refuses_says_why() {
        let template = PromptTemplate::new("{{ raise_exception('roles must alternate') }}", "", "").unwrap();
        let error = template.render(&[], &[], NOW).unwrap_err().to_string();
        assert!(error.contains("roles must alternate") && !error.contains('\n'), "{error}");
        assert!(PromptTemplate::new("{% for %}", "", "").is_err());
    }

    #[test]
    fn a_template_that_wants_turns_gets_turns() {
        let strict = "{% set n = namespace(at=0) %}{% for m in messages if m.role in ['user', 'assistant'] and not m.tool_calls %}\
                      {% if (m.role == 'user') != (n.at % 2 == 0) %}{{ raise_exception('turns') }}{% endif %}\
                      {% set n.at = n.at + 1 %}{{ m.role[0] }}:{{ m.content }};{% endfor %}";
        let template = PromptTemplate::new(strict, "", "").unwrap();
        let call = ChatMessage {
            tool_call: Some(ToolCall { name: "clock".into(), arguments: json!({}) }),
            ..says(Role::Assistant, "")
        };
        let messages = [
            says(Role::System, "You help."),
            says(Role::Assistant, "Your timer is done."),
            says(Role::User, "thanks"),
            says(Role::Assistant, "You're welcome."),
            says(Role::Assistant, "Your other timer is done."),
            says(Role::User, "what time is it"),
            call,
            says(Role::Tool, "noon"),
            says(Role::User, "well"),
        ];
        let expected = "u:;a:Your timer is done.;u:thanks;a:You're welcome. Your other timer is done.;u:what time is it;a:;u:well;";
        assert_eq!(template.render(&messages, &[], NOW).unwrap(), expected);
    }

    /// As Gemma 2's: no system, and turns.
    const NO_SYSTEM: &str = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
        {% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns') }}{% endif %}\
        <{{ m['role'] }}>{{ m['content'] }}{% endfor %}";

    #[test]
    fn a_template_without_system_has_the_instructions_in_what_is_said_first() {
        let template = PromptTemplate::new(NO_SYSTEM, "", "").unwrap();
        let messages = [
            says(Role::System, "You help."),
            says(Role::User, "hi"),
            says(Role::Assistant, "Hello."),
            says(Role::User, "so"),
        ];
        let expected = "<user>You help.\n\nhi<assistant>Hello.<user>so";
        assert_eq!(template.render(&messages, &[], NOW).unwrap(), expected);
        assert!(template.render(&messages[..1], &[], NOW).is_err());
    }

    #[test]
    fn a_template_without_tools_tells_of_them_in_words() {
        let ours = PromptTemplate::new(TEMPLATE, "<s>", "<|end|>").unwrap();
        let template = PromptTemplate::new(NO_SYSTEM, "", "").unwrap();
        assert!(ours.knows_tools() && !template.knows_tools());
        let call = ToolCall { name: "clock".into(), arguments: json!({}) };
        let messages = [
            says(Role::System, "You help."),
            says(Role::User, "what time is it"),
            ChatMessage { tool_call: Some(call), ..says(Role::Assistant, "") },
            says(Role::Tool, "noon"),
        ];
        let prompt = template.render(&in_words(&messages, &[clock()]), &[], NOW).unwrap();
        assert!(prompt.starts_with("<user>You help.\nYou may call"), "{prompt}");
        assert!(prompt.contains("{\"name\":\"clock\",\"description\":\"Tells the time\""), "{prompt}");
        let end = "\n\nwhat time is it<assistant>{\"name\":\"clock\",\"arguments\":{}}<user>Result: noon";
        assert!(prompt.ends_with(end), "{prompt}");
    }

    fn alone(source: &str) -> Result<String> {
        PromptTemplate::new(source, "", "").unwrap().render(&[says(Role::User, "naïve \"it's\" <x>")], &[clock()], NOW)
    }

    #[test]
    fn a_template_without_end_is_given_up() {
        let nested = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}\
                      {% endfor %}{% endfor %}";
        let error = alone(nested).unwrap_err().to_string();
        assert!(error.contains("to write a prompt in 10000000 steps"), "{error}");
        assert_eq!(
            alone("{% for a in range(9) %}{% if a == 2 %}{% break %}{% endif %}{{ a }}{% endfor %}").unwrap(),
            "01"
        );
    }

    #[test]
    fn a_date_is_the_callers() {
        let asks = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}26 Jul 2024{% endif %}";
        assert_eq!(alone(asks).unwrap(), "23 Nov 2026");
        assert_eq!(alone("on {{ strftime_now('%Y-%m-%d') }}").unwrap(), "on 2026-11-23");
        assert!(alone("{{ strftime_now('%!') }}").is_err());
    }

    /// `json.dumps` and `str` of Python 3.11 for the same values.
    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = "{% set v = {'b': [1, 2.5, 'é\\'\\n', {}], 'a': none} %}";
        for (expression, expected) in [
            ("v | tojson", "{\"b\": [1, 2.5, \"é'\\n\", {}], \"a\": null}"),
            ("v | tojson(ensure_ascii=true, separators=(',', ':'))", "{\"b\":[1,2.5,\"\\u00e9'\\n\",{}],\"a\":null}"),
            (
                "v | tojson(indent=1, sort_keys=true)",
                "{\n \"a\": null,\n \"b\": [\n  1,\n  2.5,\n  \"é'\\n\",\n  {}\n ]\n}",
            ),
            ("v", "{'b': [1, 2.5, \"é'\\n\", {}], 'a': None}"),
            ("[true, none]", "[True, None]"),
            ("true", "True"),
        ] {
            assert_eq!(alone(&format!("{value}{{{{ {expression} }}}}")).unwrap(), expected, "{expression}");
        }
    }
}
