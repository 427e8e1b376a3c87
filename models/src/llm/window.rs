//! What of a long conversation a short context holds.
//!
//! A cache is worth something as long as prompts begin alike. So turns are not left out one by one, which would change
//! every prompt: once there is no room for another, as many go as leave half of it, and which ones follows from the
//! messages alone.

use super::{ChatMessage, Role};

/// Tokens of a template around a message, at the most of those in use.
const MARKS: usize = 8;

/// The share of the room that is kept for what the caller says next, of which the length is not known yet.
const NEXT: usize = 6;

/// Leaves the oldest turns out where there is no room for all. `room` is in tokens, without the instructions;
/// `length` counts those of a text.
pub(super) fn shorten(messages: &mut Vec<ChatMessage>, room: usize, length: impl Fn(&str) -> usize) {
    let start = messages.iter().take_while(|message| message.role == Role::System).count();
    let mut turns: Vec<(usize, usize)> = Vec::new(); // first message, tokens
    for (at, message) in messages.iter().enumerate().skip(start) {
        let call =
            message.tool_call.as_ref().map_or(0, |call| length(&call.name) + length(&call.arguments.to_string()));
        let tokens = length(&message.content) + call + MARKS;
        match turns.last_mut().filter(|_| message.role != Role::User) {
            Some((_, turn)) => *turn += tokens,
            None => turns.push((at, tokens)),
        }
    }
    // Where the last turn has its reply, the prompt is for the one after it.
    if messages.last().is_some_and(|last| last.role == Role::Assistant && last.tool_call.is_none()) {
        turns.push((messages.len(), 0));
    }
    let (mut first, mut held) = (0, 0);
    for at in 0..turns.len() {
        if held + room / NEXT > room {
            while first < at && held > room / 2 {
                held -= turns[first].1;
                first += 1;
            }
        }
        held += turns[at].1;
    }
    let kept = turns.get(first).map_or(messages.len(), |turn| turn.0);
    messages.drain(start..kept);
}

/// Drops the first turn after the system's message, if another turn follows it.
pub(super) fn drop_oldest_turn(messages: &mut Vec<ChatMessage>) -> bool {
    let start = usize::from(messages.first().is_some_and(|message| message.role == Role::System));
    let next = messages.iter().skip(start + 1).position(|message| message.role == Role::User);
    match next {
        Some(at) => {
            messages.drain(start..start + 1 + at);
            true
        }
        None => false,
    }
}

/// Leaves the oldest words of what was said last out, of `tokens` tokens at the least. Returns false where there is but one
/// word.
pub(super) fn drop_oldest_words(messages: &mut [ChatMessage], tokens: usize, length: impl Fn(&str) -> usize) -> bool {
    let Some(last) = messages.iter_mut().rfind(|message| message.role == Role::User) else { return false };
    let (mut rest, mut dropped) = (last.content.trim_start(), 0);
    while dropped < tokens
        && let Some((word, after)) = rest.split_once(char::is_whitespace)
    {
        dropped += length(word).max(1);
        rest = after.trim_start();
    }
    if dropped > 0 {
        last.content = rest.to_owned();
    }
    dropped > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn message(role: Role, content: &str) -> ChatMessage {
        ChatMessage { role, content: content.to_owned(), tool_call: None }
    }

    /// A conversation of 20 turns, each of 2 messages of 10 tokens; what of it is held before and after each is heard.
    fn held(room: usize) -> Vec<Vec<ChatMessage>> {
        let mut all = vec![message(Role::System, "be brief")];
        let mut prompts = Vec::new();
        let mut prompt = |all: &[ChatMessage]| {
            let mut kept = all.to_vec();
            shorten(&mut kept, room, words);
            prompts.push(kept);
        };
        for turn in 0..20 {
            prompt(&all);
            all.push(message(Role::User, &format!("question {turn}")));
            prompt(&all);
            all.push(message(Role::Assistant, &format!("answer {turn}")));
        }
        prompts
    }

    #[test]
    fn a_prompt_begins_as_the_one_before_it_in_all_turns_but_a_few() {
        let prompts = held(120);
        let begins = |a: &[ChatMessage], b: &[ChatMessage]| b.starts_with(a);
        let anew: Vec<usize> = (1..prompts.len()).filter(|at| !begins(&prompts[at - 1], &prompts[*at])).collect();
        assert_eq!(anew.len(), 5, "{anew:?}");
        assert!(anew.iter().all(|at| at % 2 == 0), "while the caller speaks, never while they wait: {anew:?}");
        for prompt in &prompts {
            assert_eq!(prompt[0].role, Role::System);
            assert!(prompt.get(1).is_none_or(|first| first.role == Role::User));
            assert!((prompt.len() - 1) * 10 <= 120, "{prompt:?}");
        }
    }

    #[test]
    fn nothing_is_left_out_where_there_is_room() {
        let prompts = held(1_000);
        assert_eq!(prompts.last().unwrap().len(), 40);
    }

    #[test]
    fn a_turn_that_waits_for_its_reply_is_never_left_out() {
        let long = message(Role::User, &"word ".repeat(500));
        let mut messages = vec![message(Role::User, "hello"), message(Role::Assistant, "hello"), long.clone()];
        shorten(&mut messages, 100, words);
        assert_eq!(messages.last(), Some(&long));
    }
}
