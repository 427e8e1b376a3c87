//! A reply while it is generated.

use std::ops::ControlFlow;

use super::Finish;
use super::grammar::CallForm;
use super::thoughts::Thoughts;
use super::utf8::Utf8Stream;
use crate::Result;

pub(super) type OnText<'a> = &'a mut dyn FnMut(&str) -> ControlFlow<()>;

/// What was said so far: text goes out as it comes, a call is kept together, thoughts are dropped.
pub(super) struct Reply<'a> {
    form: &'a CallForm,
    utf8: Utf8Stream,
    thoughts: Thoughts,
    text: String,
    /// How much of the text has gone out, or was white space in front of it.
    out: usize,
}

impl<'a> Reply<'a> {
    /// A reply to a prompt.
    pub(super) fn new(prompt: &str, form: &'a CallForm) -> Self {
        let thoughts = Thoughts::after(prompt);
        Self { form, utf8: Utf8Stream::default(), thoughts, text: String::new(), out: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8], on_text: OnText<'_>) -> ControlFlow<()> {
        let mut text = String::new();
        self.utf8.push(bytes, &mut text);
        self.thoughts.push(&text, &mut self.text);
        self.send(on_text)
    }

    /// Lets go what is no call.
    fn send(&mut self, on_text: OnText<'_>) -> ControlFlow<()> {
        if self.out == 0 {
            self.out = self.text.len() - self.text.trim_start().len();
        }
        let end = self.form.begins_call(&self.text).held();
        let end = end.unwrap_or(self.text.len()).max(self.out);
        let fresh = &self.text[self.out..end];
        self.out = end;
        if fresh.is_empty() { ControlFlow::Continue(()) } else { on_text(fresh) }
    }

    /// The reply is over.
    ///
    /// # Errors
    /// A call that is none.
    pub(super) fn finish(mut self, on_text: OnText<'_>) -> Result<Finish> {
        let mut rest = String::new();
        self.utf8.flush(&mut rest);
        self.thoughts.push(&rest, &mut self.text);
        self.thoughts.flush(&mut self.text);
        let _ = self.send(on_text);
        match self.form.begins_call(&self.text).call() {
            Some(at) => Ok(Finish::Tool(self.form.parse(&self.text[at..])?)),
            // What might have become a call.
            None if self.out < self.text.len() => {
                let _ = on_text(&self.text[self.out..]);
                Ok(Finish::Stop)
            }
            None => Ok(Finish::Stop),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::llm::ToolCall;

    fn reply(form: &CallForm, text: &str, piece: usize) -> (String, Result<Finish>) {
        let (mut reply, mut said) = (Reply::new("", form), String::new());
        let mut on_text = |text: &str| {
            said.push_str(text);
            ControlFlow::Continue(())
        };
        for bytes in text.as_bytes().chunks(piece) {
            assert!(reply.push(bytes, &mut on_text).is_continue());
        }
        let finish = reply.finish(&mut on_text);
        (said, finish)
    }

    #[test]
    fn calls_after_text_are_made_and_not_said() {
        let clock = || Finish::Tool(ToolCall { name: "clock".into(), arguments: json!({"what": "time"}) });
        let call = r#"{"name":"clock","arguments":{"what":"time"}}"#;
        let (qwen, bare) = (CallForm::of_template("<tool_call>"), CallForm::of_template(""));
        let (mistral, phi) = (CallForm::of_template("[TOOL_CALLS]"), CallForm::of_template("<|tool_call|>"));
        for piece in [1, 3, 7, 200] {
            for (form, text, expected) in [
                (&qwen, format!(" Let me check.\n<tool_call>\n{call}\n</tool_call>"), "Let me check.\n"),
                (&qwen, format!("<tool_call>{call}</tool_call>\n<tool_call>{call}</tool_call>"), ""),
                (&bare, format!("Let me check.\n{call}"), "Let me check.\n"),
                (&bare, format!("\n{call}; {call}"), ""),
                (&mistral, format!("One moment. [TOOL_CALLS][{call}, {call}]"), "One moment. "),
                (&phi, format!("<|tool_call|>[{call}]<|/tool_call|>"), ""),
            ] {
                let (said, finish) = reply(form, &text, piece);
                assert_eq!((said.as_str(), finish.unwrap()), (expected, clock()), "{text}");
            }
            for text in ["1 < 2 and <tool", "It is {so}."] {
                let (said, finish) = reply(&qwen, text, piece);
                assert_eq!((said.as_str(), finish.unwrap()), (text, Finish::Stop));
            }
            let (said, finish) = reply(&qwen, "So: <tool_call>{\"name\":", piece);
            assert!(said == "So: " && finish.unwrap_err().to_string().contains("is no call"), "{said}");
        }
    }
}
