//! What the shipped language model reads again: after an interruption, and after a reply that was begun ahead.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::ops::ControlFlow;
use std::path::Path;

use rejoinder_models::llm::llama::{LlamaOptions, LlamaResponder};
use rejoinder_models::llm::template::TEMPLATE;
use rejoinder_models::llm::tools::{Moment, Tools};
use rejoinder_models::llm::{Cancel, ChatMessage, Dialogue, PERSONA, Responder, Role, ToolSpec};

const NOW: Moment = Moment::from_local_ms(0);

fn responder() -> LlamaResponder {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/lm-en/model.gguf");
    LlamaResponder::open(path, LlamaOptions::default()).unwrap()
}

fn message(role: Role, content: &str) -> ChatMessage {
    ChatMessage { role, content: content.to_owned(), tool_call: None }
}

fn tools() -> Vec<ToolSpec> {
    Tools::default().specs()
}

/// A dialogue that has read the instructions and been greeted.
fn greeted(responder: &LlamaResponder) -> (Box<dyn Dialogue>, Vec<ChatMessage>) {
    let mut dialogue = responder.dialogue(NOW).unwrap();
    let mut messages = vec![message(Role::System, PERSONA), message(Role::User, "hello how are you")];
    let text = reply(&mut *dialogue, &messages);
    messages.push(message(Role::Assistant, &text));
    (dialogue, messages)
}

fn reply(dialogue: &mut dyn Dialogue, messages: &[ChatMessage]) -> String {
    let mut text = String::new();
    let mut on_text = |piece: &str| {
        text.push_str(piece);
        ControlFlow::Continue(())
    };
    dialogue.reply(messages, &tools(), &Cancel::default(), &mut on_text).unwrap();
    text
}

/// How many tokens a prompt makes the dialogue read.
fn reads(dialogue: &mut dyn Dialogue, messages: &[ChatMessage]) -> usize {
    let before = dialogue.usage().read;
    dialogue.prefill(messages, &tools(), &Cancel::default()).unwrap();
    dialogue.usage().read - before
}

/// The shipped model with another template, of no system and without tools, as Gemma's.
#[test]
fn a_template_that_refuses_instructions_and_knows_no_tools_is_no_hindrance() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/lm-en/model.gguf");
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(TEMPLATE.len()).position(|text| text == TEMPLATE.as_bytes()).unwrap();
    let strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}<s>\
        {% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns') }}{% endif %}\
        <|{{ m['role'] }}|> {{ m['content'] }}<|end|>{% endfor %}<|assistant|>";
    let padded = format!("{strict}{{#{:1$}#}}", "", TEMPLATE.len() - strict.len() - 4);
    bytes[at..at + TEMPLATE.len()].copy_from_slice(padded.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strict.gguf");
    std::fs::write(&path, bytes).unwrap();
    let responder = LlamaResponder::open(path, LlamaOptions { context: 4096, ..LlamaOptions::default() }).unwrap();
    for system in [&[message(Role::System, PERSONA)][..], &[]] {
        let mut dialogue = responder.dialogue(NOW).unwrap();
        assert!(reads(&mut *dialogue, system) > 100, "the tools are told of");
        let asked = [system, &[message(Role::User, "hello")]].concat();
        let new = reads(&mut *dialogue, &asked);
        assert!(new < 12, "{new} tokens were read for a word");
        reply(&mut *dialogue, &asked);
    }
}

/// The marks of a turn's end and of the next one's beginning, and the token that a cut may have made different.
const MARKS: usize = 6;

#[test]
fn after_an_interruption_only_new_words_are_read() {
    let responder = responder();
    let (mut dialogue, mut messages) = greeted(&responder);
    let said = messages.last().unwrap().content.clone();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert!(words.len() > 4, "{said}");
    messages.last_mut().unwrap().content = words[..3].join(" ");
    let cut = reads(&mut *dialogue, &messages);
    assert!(cut <= MARKS, "{cut} tokens were read again after the cut");
    messages.push(message(Role::User, "what time is it"));
    let new = responder.tokenize("what time is it").len();
    let next = reads(&mut *dialogue, &messages);
    assert!(next <= new + MARKS, "{next} tokens were read for {new} new ones");
    let whole = dialogue.usage();
    assert!(whole.reused > whole.read, "{whole:?}");
}

#[test]
fn in_a_conversation_too_long_for_the_context_a_reply_still_reads_only_what_is_new() {
    let responder = responder();
    let (mut dialogue, mut messages) = greeted(&responder);
    let text = "can i get a large iced mocha with a lot of brown sugar and some almond milk please";
    let new = responder.tokenize(text).len();
    for turn in 0..20 {
        dialogue.prefill(&messages, &tools(), &Cancel::default()).unwrap();
        messages.push(message(Role::User, text));
        let read = reads(&mut *dialogue, &messages);
        assert!(read <= new + MARKS, "{read} tokens were read for {new} new ones in turn {turn}");
        messages
            .push(message(Role::Assistant, "a large iced mocha, a lot of brown sugar, some almond milk, coming up"));
    }
}

#[test]
fn a_branch_that_is_discarded_leaves_the_trunk_as_it_was() {
    let responder = responder();
    let (mut dialogue, messages) = greeted(&responder);
    let (mut plain, _) = greeted(&responder);
    for text in ["what time", "can i get a large latte", "set a timer"] {
        dialogue.fork().unwrap();
        let ahead = [messages.clone(), vec![message(Role::User, text)]].concat();
        reply(&mut *dialogue, &ahead);
        dialogue.discard().unwrap();
    }
    let next = [messages.clone(), vec![message(Role::User, "hello")]].concat();
    let new = responder.tokenize("hello").len();
    let read = reads(&mut *dialogue, &next);
    assert!(read <= new + MARKS, "{read} tokens were read for {new} new ones");
    assert_eq!(reply(&mut *dialogue, &next), reply(&mut *plain, &next));
}

#[test]
fn a_branch_that_is_adopted_is_the_dialogue() {
    let responder = responder();
    let (mut dialogue, messages) = greeted(&responder);
    let (mut plain, _) = greeted(&responder);
    let mut asked = [messages, vec![message(Role::User, "what is twelve plus thirty")]].concat();
    dialogue.fork().unwrap();
    let ahead = reply(&mut *dialogue, &asked);
    dialogue.adopt().unwrap();
    assert_eq!(ahead, reply(&mut *plain, &asked));
    asked.extend([message(Role::Assistant, &ahead), message(Role::User, "thank you")]);
    let read = reads(&mut *dialogue, &asked);
    let new = responder.tokenize("thank you").len();
    assert!(read <= new + MARKS, "{read} tokens were read for {new} new ones");
    assert_eq!(reply(&mut *dialogue, &asked), reply(&mut *plain, &asked));
}

#[test]
fn a_context_that_is_too_small_for_both_keeps_the_branch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/lm-en/model.gguf");
    let first = [message(Role::System, PERSONA), message(Role::User, "hello how are you")];
    let tokens = {
        let mut dialogue = responder().dialogue(NOW).unwrap();
        reads(&mut *dialogue, &first)
    };
    let options = LlamaOptions { context: tokens as u32 + 40, max_tokens: 24, ..LlamaOptions::default() };
    let responder = LlamaResponder::open(path, options).unwrap();
    let mut dialogue = responder.dialogue(NOW).unwrap();
    for _ in 0..4 {
        reply(&mut *dialogue, &first);
        dialogue.fork().unwrap();
        let other = [first[0].clone(), message(Role::User, "what is twelve plus thirty")];
        reply(&mut *dialogue, &other);
        dialogue.discard().unwrap();
    }
}

#[test]
fn a_cancelled_reply_ends_with_its_token_and_a_cancelled_prompt_with_its_slice() {
    let responder = responder();
    let (mut dialogue, mut messages) = greeted(&responder);
    messages.push(message(Role::User, "what is on my shopping list and what time is it"));
    let (cancel, before) = (Cancel::default(), dialogue.usage());
    let (mut pieces, flag) = (0, cancel.clone());
    let mut on_text = |_: &str| {
        pieces += 1;
        flag.cancel();
        ControlFlow::Continue(())
    };
    dialogue.reply(&messages, &[], &cancel, &mut on_text).unwrap();
    assert_eq!(pieces, 1);
    assert!(dialogue.usage().generated - before.generated <= 2, "{:?}", dialogue.usage());
    let mut other = responder.dialogue(NOW).unwrap();
    other.prefill(&messages, &tools(), &cancel).unwrap();
    assert_eq!(other.usage().read, 0);
}
