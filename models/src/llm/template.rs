//! The chat template of our own language models.

/// The control pieces, in the order in which a vocabulary begins with them.
pub const CONTROLS: [&str; 7] = ["<unk>", "<s>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"];

/// The Jinja template that a GGUF file carries (`tokenizer.chat_template`).
///
/// The system turn ends with the names of the tools: the model knows their arguments from its training, and the
/// grammar holds it to the schemas. A call is `{"name":…,"arguments":{…}}`, keys in alphabetical order, no spaces.
pub const TEMPLATE: &str = concat!(
    "{{- bos_token -}}<|system|>",
    "{%- if messages and messages[0].role == 'system' and messages[0].content %} {{ messages[0].content }}{% endif -%}",
    "{%- for tool in tools %} {{ tool.function.name }}{% endfor -%}<|end|>",
    "{%- for message in messages -%}",
    "{%- if message.role == 'user' -%}<|user|> {{ message.content }}<|end|>",
    "{%- elif message.role == 'tool' -%}<|tool|> {{ message.content }}<|end|>",
    "{%- elif message.role == 'assistant' -%}<|assistant|>",
    "{% if message.tool_calls %}{% set call = message.tool_calls[0].function %}",
    " {\"name\":{{ call.name | tojson }},\"arguments\":{{ call.arguments | tojson(separators=(',', ':')) }}}",
    "{% else %} {{ message.content }}{% endif %}<|end|>",
    "{%- endif -%}",
    "{%- endfor -%}",
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}",
);

/// `source`, or [`TEMPLATE`] where it is the older text of it, which relied on a `tojson` that writes no spaces.
#[cfg(feature = "llama")]
pub(super) fn renewed(source: String) -> String {
    let older = source == TEMPLATE.replace("(separators=(',', ':'))", "");
    if older { TEMPLATE.to_owned() } else { source }
}
