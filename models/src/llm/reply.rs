//! A reply while it is generated.

use std::ops::ControlFlow;

use super::Finish;
use super::grammar::CallForm;
use super::utf8::Utf8Stream;

pub(super) type OnText<'a> = &'a mut dyn FnMut(&str) -> ControlFlow<()>;

/// What was said so far: text goes out as it comes, a call is kept together.
pub(super) struct Reply<'a> {
    form: &'a CallForm,
    may_call: bool,
    utf8: Utf8Stream,
    /// Text that is not told from a call yet, or the call so far.
    held: String,
    is_text: bool,
}

impl<'a> Reply<'a> {
    pub(super) fn new(form: &'a CallForm, may_call: bool) -> Self {
        Self { form, may_call, utf8: Utf8Stream::default(), held: String::new(), is_text: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8], on_text: OnText<'_>) -> ControlFlow<()> {
        let mut text = String::new();
        self.utf8.push(bytes, &mut text);
        self.take(&text, on_text)
    }

    fn take(&mut self, text: &str, on_text: OnText<'_>) -> ControlFlow<()> {
        if self.is_text {
            return if text.is_empty() { ControlFlow::Continue(()) } else { on_text(text) };
        }
        self.held.push_str(text);
        let begun = !self.held.trim_start().is_empty();
        let is_text = if self.may_call { self.form.begins_call(&self.held) == Some(false) } else { begun };
        if !(is_text && begun) {
            return ControlFlow::Continue(());
        }
        self.is_text = true;
        let held = std::mem::take(&mut self.held);
        on_text(held.trim_start())
    }

    pub(super) fn finish(mut self, on_text: OnText<'_>) -> Finish {
        let mut rest = String::new();
        self.utf8.flush(&mut rest);
        let _ = self.take(&rest, on_text);
        if self.is_text {
            return Finish::Stop;
        }
        match self.form.parse(&self.held) {
            Some(call) if self.may_call => Finish::Tool(call),
            _ => Finish::Stop,
        }
    }
}
