//! Words that a model has never seen are copied from what was said.
//!
//! A reply's next token is drawn from a mixture of the model's distribution and the same restricted to tokens that go on
//! with a copy: `p(t) = (1 - c) q(t) + c q(t) [t in C] / q(C)`. That is the pointer-generator network of See et al.
//! ("Get To The Point", 2017, section 2.2) with a constant in place of its gate, and with the model's own scores in place
//! of attention to tell which of several continuations is meant. Where the model is sure, nothing changes.

use llama_cpp_2::token::data::LlamaTokenData;

use crate::llm::grammar::CallForm;
use crate::llm::{ChatMessage, Role};

/// Less than this much probability of all that goes on with a copy is none.
const LEAST: f32 = 1e-9;
/// Words of a reply that are looked for in what was said.
const MATCHED_WORDS: usize = 12;

/// What may be copied, and how far the reply is.
pub(super) struct Copying<'a> {
    form: &'a CallForm,
    /// The text of each token.
    pieces: &'a [Vec<u8>],
    share: f32,
    /// What people said in the dialogue, a line for each message: the arguments of calls.
    said: Vec<u8>,
    /// The message that is answered: the reply's words.
    answered: Vec<u8>,
    /// Whether that is what a tool gave, with which a reply may begin.
    is_result: bool,
    reply: Vec<u8>,
}

impl<'a> Copying<'a> {
    /// None where nothing is to be copied.
    pub(super) fn new(messages: &[ChatMessage], form: &'a CallForm, pieces: &'a [Vec<u8>], share: f32) -> Option<Self> {
        let last = messages.last().filter(|_| share > 0.0)?;
        let said: Vec<&str> =
            messages.iter().filter(|message| message.role == Role::User).map(|message| &*message.content).collect();
        Some(Self {
            form,
            pieces,
            share,
            said: said.join("\n").into_bytes(),
            answered: last.content.clone().into_bytes(),
            is_result: last.role == Role::Tool,
            reply: Vec::new(),
        })
    }

    /// The reply goes on.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.reply.extend_from_slice(piece);
    }

    /// Adds the logarithm of what the mixture makes of each token's probability to its score.
    pub(super) fn mix(&self, candidates: &mut [LlamaTokenData]) {
        let Some(copy) = self.copy() else { return };
        let most = candidates.iter().map(LlamaTokenData::logit).fold(f32::NEG_INFINITY, f32::max);
        let (mut all, mut copied) = (0.0, 0.0);
        let goes_on: Vec<bool> = candidates
            .iter()
            .map(|candidate| {
                let weight = (candidate.logit() - most).exp();
                all += weight;
                let piece = usize::try_from(candidate.id().0).ok().and_then(|id| self.pieces.get(id));
                let goes_on = piece.is_some_and(|piece| copy.takes(piece));
                copied += if goes_on { weight } else { 0.0 };
                goes_on
            })
            .collect();
        let mass: f32 = copied / all;
        if mass.is_nan() || mass < LEAST {
            return;
        }
        for (candidate, goes_on) in candidates.iter_mut().zip(goes_on) {
            let factor = 1.0 - self.share + if goes_on { self.share / mass } else { 0.0 };
            candidate.set_logit(candidate.logit() + factor.ln());
        }
    }

    /// Where a copy goes on, if the reply is in one or may begin one.
    fn copy(&self) -> Option<Copy<'_>> {
        let text = std::str::from_utf8(&self.reply).unwrap_or_default();
        if let Some(at) = self.form.begins_call(text).call() {
            let value = open_value(&self.reply[at..])?;
            let starts = word_starts(&self.said).filter(|at| self.said[*at..].starts_with(value));
            return Some(Copy { rests: starts.map(|at| &self.said[at + value.len()..]).collect(), quoted: true });
        }
        let starts: Vec<usize> = word_starts(&self.reply).collect();
        let longest = starts.len().saturating_sub(MATCHED_WORDS);
        let rests = |from: &usize| {
            let words = &self.reply[*from..];
            let found = word_starts(&self.answered).filter(|at| self.answered[*at..].starts_with(words));
            let rests: Vec<&[u8]> =
                found.map(|at| &self.answered[at + words.len()..]).filter(|rest| !rest.is_empty()).collect();
            (!rests.is_empty()).then_some(rests)
        };
        let begun = || self.is_result.then(|| vec![self.answered.as_slice()]);
        let rests = starts[longest..].iter().find_map(rests).or_else(begun)?;
        Some(Copy { rests, quoted: false })
    }
}

/// What may follow.
struct Copy<'a> {
    rests: Vec<&'a [u8]>,
    /// Whether a quotation mark may end the copy behind any of its words.
    quoted: bool,
}

impl Copy<'_> {
    fn takes(&self, piece: &[u8]) -> bool {
        if piece.is_empty() {
            return false;
        }
        let end = piece.iter().position(|byte| *byte == b'"').filter(|_| self.quoted);
        let copied = &piece[..end.unwrap_or(piece.len())];
        self.rests.iter().any(|rest| {
            // A word may follow another with or without the space that stands between them.
            let goes_on = |rest: &[u8]| {
                rest.starts_with(copied)
                    && (end.is_none() || rest[copied.len()..].first().is_none_or(|b| b" \n".contains(b)))
            };
            goes_on(rest) || (!self.quoted && copied.strip_prefix(b" ").is_some_and(|word| rest.starts_with(word)))
        })
    }
}

/// The text so far of the string that is open at the end of a call, where it is a value and no key.
fn open_value(call: &[u8]) -> Option<&[u8]> {
    let (mut open, mut before, mut in_object) = (None, b' ', Vec::new());
    let mut bytes = call.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (open, byte) {
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(_), b'"') => (open, before) = (None, b'"'),
            (Some(_), _) => {}
            (None, b'"') => open = Some((at + 1, before == b':' || in_object.last() == Some(&false))),
            (None, b'{' | b'[') => {
                in_object.push(*byte == b'{');
                before = *byte;
            }
            (None, b'}' | b']') => {
                in_object.pop();
                before = *byte;
            }
            (None, byte) if byte.is_ascii_whitespace() => {}
            (None, byte) => before = *byte,
        }
    }
    open.filter(|(_, is_value)| *is_value).map(|(start, _)| &call[start..])
}

/// Where words begin.
fn word_starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let is_space = |at: usize| text[at].is_ascii_whitespace();
    (0..text.len()).filter(move |at| !is_space(*at) && (*at == 0 || is_space(*at - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::ToolCall;

    const FORM: CallForm = CallForm::BARE;

    fn message(role: Role, content: &str) -> ChatMessage {
        ChatMessage { role, content: content.to_owned(), tool_call: None::<ToolCall> }
    }

    /// Which of `pieces` may follow `reply`.
    fn allowed<'p>(messages: &[ChatMessage], reply: &str, pieces: &[&'p str]) -> Vec<&'p str> {
        let mut copying = Copying::new(messages, &FORM, &[], 0.5).unwrap();
        copying.push(reply.as_bytes());
        let copy = copying.copy();
        pieces.iter().copied().filter(|piece| copy.as_ref().is_some_and(|c| c.takes(piece.as_bytes()))).collect()
    }

    #[test]
    fn values_of_calls_copy_what_was_said() {
        let dialogue = [message(Role::User, "remind me to call the bank"), message(Role::User, "in ten minutes")];
        let pieces = ["ca", "call", " call", "F", " bank", " ban", " ten", "\"", "\",", " bank\"", " ban\""];
        let after = |reply: &str| allowed(&dialogue, reply, &pieces);
        assert_eq!(after("{\"name\":\"timer\",\"arguments\":{\"label\":\""), ["ca", "call"]);
        assert_eq!(
            after("{\"name\":\"timer\",\"arguments\":{\"label\":\"call the"),
            [" bank", " ban", "\"", "\",", " bank\""]
        );
        assert_eq!(after("{\"name\":\"timer\",\"arguments\":{\"label\":\"call the bank"), ["\"", "\","]);
        assert_eq!(after("{\"name\":\"timer\",\"arguments\":{\"items\":[\"in"), [" ten", "\"", "\","]);
        assert_eq!(after("{\"name\":\"timer\",\"arguments\":{\"la"), [""; 0]);
        assert_eq!(after("{\"name\":\"timer\",\"arguments\":{\"a\":\"x\",\"la"), [""; 0]);
    }

    #[test]
    fn replies_copy_what_is_answered() {
        let dialogue = [message(Role::User, "add hummus"), message(Role::Tool, "hummus and oil added")];
        let pieces = [" hum", " hummus", "mus", " and", " added", "\""];
        let after = |reply: &str| allowed(&dialogue, reply, &pieces);
        assert_eq!(after("Okay,"), [" hum", " hummus"]);
        assert_eq!(after("Okay, hum"), ["mus"]);
        assert_eq!(after("Okay, hummus"), [" and"]);
        let echo = [message(Role::User, "repeat after me green hummus")];
        assert_eq!(allowed(&echo, "green", &pieces), [" hum", " hummus"]);
        assert_eq!(allowed(&echo, "", &pieces), [""; 0]);
    }

    #[test]
    fn the_mixture_gives_a_copy_its_share_and_leaves_what_is_sure() {
        let pieces: Vec<Vec<u8>> = [" bank", " F"].iter().map(|text| text.as_bytes().to_vec()).collect();
        let dialogue = [message(Role::User, "call the bank")];
        let shares = |probability: f32| {
            let mut copying = Copying::new(&dialogue, &FORM, &pieces, 0.4).unwrap();
            copying.push(b"{\"label\":\"call the");
            let token = |id, p: f32| LlamaTokenData::new(llama_cpp_2::token::LlamaToken(id), p.ln(), 0.0);
            let mut candidates = [token(0, probability), token(1, 1.0 - probability)];
            copying.mix(&mut candidates);
            candidates.map(|candidate| candidate.logit().exp())
        };
        let [bank, other] = shares(0.01);
        assert!((bank - 0.406).abs() < 1e-3 && (other - 0.594).abs() < 1e-3, "{bank} {other}");
        let [bank, other] = shares(0.4);
        assert!((bank - 0.64).abs() < 1e-3 && (other - 0.36).abs() < 1e-3, "{bank} {other}");
    }
}
