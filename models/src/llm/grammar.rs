//! A grammar in GBNF that holds a reply to text, or to one well-formed call of a tool.

mod range;

use std::fmt::Write as _;

use serde_json::Value;

use super::{ToolCall, ToolSpec};
use crate::{Error, Result};

/// How a model writes a call, by the convention of its chat template.
#[derive(Clone, Debug, PartialEq)]
pub struct CallForm {
    /// What stands before the object: nothing, or `<tool_call>`.
    pub open: &'static str,
    /// What may stand after it.
    pub close: &'static str,
    /// The key of the arguments: `arguments`, or Llama 3's `parameters`.
    pub key: &'static str,
    /// Whether calls stand in a list.
    pub list: bool,
}

/// Where in a text a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPlace {
    /// Here.
    At(usize),
    /// Here, if what follows makes it one.
    Perhaps(usize),
    /// Nowhere so far.
    Nowhere,
}

impl CallPlace {
    /// Where a call begins.
    pub fn call(self) -> Option<usize> {
        if let Self::At(at) = self { Some(at) } else { None }
    }

    /// From where on text may be a call.
    pub fn held(self) -> Option<usize> {
        if let Self::At(at) | Self::Perhaps(at) = self { Some(at) } else { None }
    }
}

impl CallForm {
    /// The bare object, as our own models write it.
    pub const BARE: Self = Self { open: "", close: "", key: "arguments", list: false };

    /// The convention that a chat template teaches: Hermes and Qwen wrap calls in `<tool_call>`, Mistral writes a list after
    /// `[TOOL_CALLS]`, Phi 4 and Granite one after `<|tool_call|>`, Llama 3 names the arguments `parameters`, and ours is the
    /// bare object with `arguments`.
    pub fn of_template(template: &str) -> Self {
        if template.contains("<tool_call>") {
            Self { open: "<tool_call>", close: "</tool_call>", ..Self::BARE }
        } else if template.contains("[TOOL_CALLS]") {
            Self { open: "[TOOL_CALLS]", list: true, ..Self::BARE }
        } else if template.contains("<|tool_call|>") {
            Self { open: "<|tool_call|>", close: "<|/tool_call|>", list: true, ..Self::BARE }
        } else if template.contains("\"parameters\": ") || template.contains("parameters\\\"") {
            Self { key: "parameters", ..Self::BARE }
        } else {
            Self::BARE
        }
    }

    /// Where a reply begins to call: at the mark, or, where there is none, at an object at the beginning of a line.
    pub fn begins_call(&self, text: &str) -> CallPlace {
        if self.open.is_empty() {
            let (mut line_start, mut found) = (0, None);
            for line in text.split_inclusive('\n') {
                let indent = line.len() - line.trim_start().len();
                if line[indent..].starts_with('{') {
                    found = found.or(Some(line_start + indent));
                }
                line_start += line.len();
            }
            return found.map_or(CallPlace::Nowhere, CallPlace::At);
        }
        if let Some(at) = text.find(self.open) {
            return CallPlace::At(at);
        }
        let begun = (1..self.open.len()).rev().find(|length| text.ends_with(&self.open[..*length]));
        begun.map_or(CallPlace::Nowhere, |length| CallPlace::Perhaps(text.len() - length))
    }

    /// The call that a reply makes which begins with one: the first, where there are several.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is none.
    pub fn parse(&self, reply: &str) -> Result<ToolCall> {
        let inner = reply.trim().strip_prefix(self.open).unwrap_or(reply);
        let first = serde_json::Deserializer::from_str(inner).into_iter::<Value>().next();
        let first = first.and_then(std::result::Result::ok).and_then(|value| match value {
            Value::Array(calls) => calls.into_iter().next(),
            other => Some(other),
        });
        let call = first.and_then(|call| {
            let Value::Object(mut object) = call else { return None };
            let name = object.get("name")?.as_str()?.to_owned();
            let arguments = object.remove(self.key).or_else(|| object.remove("arguments"))?;
            arguments.is_object().then_some(ToolCall { name, arguments })
        });
        let shown: String = reply.trim().chars().take(200).collect();
        call.ok_or_else(|| {
            Error::invalid("what the model wrote", "a call of a tool", format!("{shown}, which is no call"))
        })
    }

    /// The grammar of replies that may call one of `tools`, or, without any, of those that begin with no call. Keys come in
    /// the order of the schema's map, optional ones may be left out. Integers keep their `minimum` and `maximum`; those of other numbers are left to who
    /// [checks](super::tools::check_arguments) the call.
    pub fn grammar(&self, tools: &[ToolSpec]) -> String {
        let mut rules = Rules::default();
        let all: Vec<String> = tools
            .iter()
            .map(|tool| {
                let arguments = rules.value(&tool.parameters);
                let name = literal(&Value::from(tool.name.as_str()).to_string());
                let (name_key, key) = (literal("\"name\":"), literal(&format!("\"{}\":", self.key)));
                format!("\"{{\" ws {name_key} ws {name} ws \",\" ws {key} ws {arguments} ws \"}}\"")
            })
            .collect();
        let open = if self.open.is_empty() { String::new() } else { format!("{} ws", literal(self.open)) };
        let close = if self.close.is_empty() { String::new() } else { format!("( ws {} )?", literal(self.close)) };
        let calls = match self.list {
            true => "\"[\" ws call ( ws \",\" ws call )* ws \"]\"",
            false => "call",
        };
        // A reply that is text may go on with a call all the same, which no grammar of this kind can tell from text.
        let first = match self.open.chars().next() {
            Some('[') => "[^{\\[ \\n]",
            Some(_) => "[^{< \\n]",
            None => "[^{ \\n]",
        };
        if tools.is_empty() {
            return format!("root ::= lead {first} any*\nlead ::= [ \\n]?\nany ::= [^\\x01]\n");
        }
        let mut text =
            format!("root ::= lead ( {open} {calls} {close} | {first} any* )\ncall ::= {}\n", all.join(" | "));
        text.push_str("lead ::= [ \\n]?\nws ::= [ \\n]?\nany ::= [^\\x01]\n");
        text.push_str("char ::= [^\"\\\\\\x00-\\x1f] | \"\\\\\" ( [\"\\\\/bfnrt] | \"u\" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] )\n");
        text.push_str("string ::= \"\\\"\" char* \"\\\"\"\ninteger ::= \"0\" | \"-\"? [1-9] [0-9]{0,17}\n");
        text.push_str(
            "number ::= \"-\"? ( \"0\" | [1-9] [0-9]* ) ( \".\" [0-9]+ )?\nboolean ::= \"true\" | \"false\"\n",
        );
        text.push_str("json ::= string | number | boolean | \"null\" | \"[\" ws ( json ( ws \",\" ws json )* )? ws \"]\" | \"{\" ws ( string \":\" ws json ( ws \",\" ws string \":\" ws json )* )? ws \"}\"\n");
        text.push_str(&rules.text);
        text
    }
}

/// A GBNF literal.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[derive(Default)]
struct Rules {
    text: String,
    count: usize,
}

impl Rules {
    fn add(&mut self, body: &str) -> String {
        let name = format!("r{}", self.count);
        self.count += 1;
        let _ = writeln!(self.text, "{name} ::= {body}");
        name
    }

    /// An expression for values that keep `schema`.
    fn value(&mut self, schema: &Value) -> String {
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
            let allowed: Vec<String> = allowed.iter().map(|value| literal(&value.to_string())).collect();
            return self.add(&allowed.join(" | "));
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") => "string".into(),
            Some("integer") => range::integers(schema).map_or("integer".into(), |body| self.add(&body)),
            Some("number") => "number".into(),
            Some("boolean") => "boolean".into(),
            Some("array") => {
                let item = schema.get("items").map_or("json".into(), |items| self.value(items));
                self.add(&format!("\"[\" ws ( {item} ( ws \",\" ws {item} )* )? ws \"]\""))
            }
            Some("object") if schema.get("properties").is_some() => self.object(schema),
            Some("object") => {
                self.add("\"{\" ws ( string \":\" ws json ( ws \",\" ws string \":\" ws json )* )? ws \"}\"")
            }
            _ => "json".into(),
        }
    }

    /// From the last property to the first, two rules each: what may follow when nothing was written yet, and when
    /// something was.
    fn object(&mut self, schema: &Value) -> String {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let properties = schema.get("properties").and_then(Value::as_object);
        let (mut first, mut later) = (self.add("\"\""), self.add("\"\""));
        for (name, schema) in properties.into_iter().flatten().rev() {
            let value = self.value(schema);
            let member = format!("{} ws {value}", literal(&format!("{}:", Value::from(name.as_str()))));
            let optional = !required.contains(&name.as_str());
            let skip = |rule: &str| if optional { format!(" | {rule}") } else { String::new() };
            let next_first = format!("{member} {later}{}", skip(&first));
            let next_later = format!("ws \",\" ws {member} {later}{}", skip(&later));
            (first, later) = (self.add(&next_first), self.add(&next_later));
        }
        self.add(&format!("\"{{\" ws {first} ws \"}}\""))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OURS: CallForm = CallForm::BARE;

    #[test]
    fn calls_are_told_from_text_as_soon_as_possible() {
        assert_eq!(OURS.begins_call(" "), CallPlace::Nowhere);
        assert_eq!(OURS.begins_call(" {"), CallPlace::At(1));
        assert_eq!(OURS.begins_call(" I {"), CallPlace::Nowhere);
        assert_eq!(OURS.begins_call("So:\n {"), CallPlace::At(5));
        let qwen = CallForm::of_template("… <tool_call>\n{\"name\": …");
        assert_eq!(qwen.begins_call("a <tool"), CallPlace::Perhaps(2));
        assert_eq!(qwen.begins_call("a <tool_call>{"), CallPlace::At(2));
        assert_eq!(qwen.begins_call("<b>"), CallPlace::Nowhere);
        let reply = "<tool_call>\n{\"name\": \"clock\", \"arguments\": {\"what\": \"time\"}}\n</tool_call>";
        let call = ToolCall { name: "clock".into(), arguments: json!({"what": "time"}) };
        assert_eq!(qwen.parse(reply).unwrap(), call);
        let llama = CallForm::of_template("{\"name\": function name, \"parameters\": dictionary}");
        assert_eq!(llama.parse("{\"name\": \"clock\", \"parameters\": {\"what\": \"time\"}}").unwrap(), call);
        let mistral = CallForm::of_template("[TOOL_CALLS]");
        assert_eq!(
            mistral.parse("[TOOL_CALLS] [{\"name\": \"clock\", \"arguments\": {\"what\": \"time\"}}]").unwrap(),
            call
        );
        assert!(OURS.parse("{\"name\":\"clock\"}").unwrap_err().to_string().contains("no call"));
    }

    #[test]
    fn every_rule_that_is_used_is_defined() {
        let grammar = OURS.grammar(&crate::llm::tools::Tools::default().specs());
        let defined: Vec<&str> =
            grammar.lines().filter_map(|line| line.split_once(" ::= ")).map(|(name, _)| name).collect();
        for word in grammar
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| w.starts_with('r') && w[1..].parse::<usize>().is_ok())
        {
            assert!(defined.contains(&word), "{word}");
        }
        assert!(grammar.contains(r#""\"order_coffee\"""#), "{grammar}");
        assert!(grammar.contains(r#"::= "-" ( "#) && !grammar.contains(" ws integer"), "{grammar}");
    }
}
