use rejoinder_models::llm::{ChatMessage, Role, ToolCall};

use crate::io::playout::Heard;
use crate::message::TurnId;

/// Bytes of what the caller said without an answer that are kept, the newest: somebody may talk on for hours.
const UNANSWERED: usize = 4_000;

/// What was said in a conversation, as the model is told it: of the assistant's own words, those that were heard.
#[derive(Clone, Debug)]
pub struct History {
    messages: Vec<ChatMessage>,
    /// For each message the turn that it belongs to and the byte of that turn's reply at which its text begins.
    places: Vec<(TurnId, usize)>,
    system: usize,
    limit: usize,
}

impl History {
    /// A conversation that begins with the instructions, where there are any. Once it has more than `limit` messages
    /// it forgets the older half, whole exchanges at a time.
    pub fn new(instructions: &str, limit: usize) -> Self {
        let mut history = Self { messages: Vec::new(), places: Vec::new(), system: 0, limit: limit.max(2) };
        if !instructions.is_empty() {
            history.add(TurnId::default(), 0, message(Role::System, instructions));
            history.system = 1;
        }
        history
    }

    /// All messages, oldest first.
    pub fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// Whether the caller's last words, or what a tool gave for them, stand last and have no answer yet.
    pub fn is_unanswered(&self) -> bool {
        self.messages.last().is_some_and(|last| matches!(last.role, Role::User | Role::Tool))
    }

    /// The caller said something. Words that had no answer yet and these become one message, of which the newest 4,000 bytes
    /// are kept.
    pub fn heard(&mut self, turn: TurnId, text: &str) {
        match self.messages.last_mut().filter(|last| last.role == Role::User) {
            Some(last) => {
                last.content.push(' ');
                last.content.push_str(text);
                let excess = last.content.len().saturating_sub(UNANSWERED);
                if excess > 0 {
                    let from = last.content.ceil_char_boundary(excess);
                    let word = last.content[from..].find(' ').map_or(from, |space| from + space + 1);
                    last.content.drain(..word);
                }
            }
            None => {
                self.forget();
                self.add(turn, 0, message(Role::User, text));
            }
        }
    }

    /// The assistant said something, `start` bytes into its reply, and may have called a tool.
    pub fn said(&mut self, turn: TurnId, start: usize, text: &str, tool_call: Option<ToolCall>) {
        if !text.is_empty() || tool_call.is_some() {
            self.add(turn, start, ChatMessage { tool_call, ..message(Role::Assistant, text) });
        }
    }

    /// What the assistant said last of its reply to `turn` ends with a line, before it calls a tool.
    pub fn parted(&mut self, turn: TurnId) {
        let own =
            |((of, _), message): &(&(TurnId, usize), &mut ChatMessage)| *of == turn && message.role == Role::Assistant;
        if let Some((_, message)) = self.places.iter().zip(&mut self.messages).rev().find(own) {
            message.content.push('\n');
        }
    }

    /// A tool gave its result.
    pub fn returned(&mut self, turn: TurnId, result: &str) {
        self.add(turn, 0, message(Role::Tool, result));
    }

    /// Forgets the reply to `turn`, and to those after it, with their calls and their results, as though the caller had spoken
    /// on.
    pub fn take_back(&mut self, turn: TurnId) {
        self.retain(|message, of| of < turn || !matches!(message.role, Role::Assistant | Role::Tool));
    }

    /// The reply to `turn` was spoken as `said`, as far as it was. Where these are not the words of the model, since a stage
    /// between changed them, they take their place: before the reply's tool calls, where it has some.
    pub fn spoken(&mut self, turn: TurnId, said: &str) {
        let own = |(message, (of, _)): &(&mut ChatMessage, &mut (TurnId, usize))| {
            *of == turn && message.role == Role::Assistant
        };
        let mut reply: Vec<_> = self.messages.iter_mut().zip(&mut self.places).filter(own).collect();
        let text: String = reply.iter().map(|(message, _)| message.content.as_str()).collect();
        if text.starts_with(said) {
            return;
        }
        let mut said = Some(said.to_owned());
        for (message, (_, start)) in &mut reply {
            (message.content, *start) = (said.take().unwrap_or_default(), 0);
        }
    }

    /// Cuts the reply to `turn` to what was heard of it, and returns that where it is less than what was said. Tool
    /// calls stay: they were made.
    pub fn cut(&mut self, turn: TurnId, heard: Heard) -> Option<String> {
        let Heard::UpTo(heard) = heard else { return None };
        let (mut kept, mut cut) = (String::new(), false);
        for (message, (of, start)) in self.messages.iter_mut().zip(&self.places) {
            if *of == turn && message.role == Role::Assistant {
                let end = message.content.floor_char_boundary(heard.saturating_sub(*start));
                cut |= end < message.content.trim_end().len();
                if end < message.content.len() {
                    message.content.truncate(end);
                    message.content.truncate(message.content.trim_end().len());
                }
                kept.push_str(&message.content);
            }
        }
        self.retain(|message, _| {
            message.role != Role::Assistant || !message.content.is_empty() || message.tool_call.is_some()
        });
        cut.then_some(kept)
    }

    /// Forgets the messages that are not to be kept, by what they say and the turn that they belong to.
    fn retain(&mut self, mut keep: impl FnMut(&ChatMessage, TurnId) -> bool) {
        let kept: Vec<bool> =
            self.messages.iter().zip(&self.places).map(|(message, (turn, _))| keep(message, *turn)).collect();
        let mut of_messages = kept.iter();
        self.messages.retain(|_| of_messages.next().copied().unwrap_or(true));
        let mut of_places = kept.iter();
        self.places.retain(|_| of_places.next().copied().unwrap_or(true));
    }

    fn add(&mut self, turn: TurnId, start: usize, message: ChatMessage) {
        self.messages.push(message);
        self.places.push((turn, start));
    }

    fn forget(&mut self) {
        if self.messages.len() < self.system + self.limit {
            return;
        }
        let half = self.system + self.limit / 2;
        let rest = self.messages[half..].iter().position(|message| message.role == Role::User);
        let end = rest.map_or(self.messages.len(), |at| half + at);
        self.messages.drain(self.system..end);
        self.places.drain(self.system..end);
    }
}

fn message(role: Role, content: &str) -> ChatMessage {
    ChatMessage { role, content: content.to_owned(), tool_call: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str) -> ToolCall {
        ToolCall { name: name.to_owned(), arguments: serde_json::json!({}) }
    }

    fn contents(history: &History) -> Vec<&str> {
        history.messages().iter().map(|message| message.content.as_str()).collect()
    }

    #[test]
    fn of_words_without_an_answer_the_newest_are_kept() {
        let mut history = History::new("be brief", 10);
        (0..3_000).for_each(|turn| history.heard(TurnId::new(turn), &format!("word{turn}")));
        let [_, heard] = history.messages() else { panic!("{:?}", history.messages()) };
        assert!(heard.content.len() <= 4_000 && heard.content.len() > 3_900, "{}", heard.content.len());
        assert!(heard.content.starts_with("word") && heard.content.ends_with("word2998 word2999"));
    }

    #[test]
    fn an_interrupted_reply_ends_at_the_last_word_that_was_heard() {
        let mut history = History::new("be brief", 100);
        history.heard(TurnId::new(1), "tell me a story");
        history.said(TurnId::new(1), 0, "Once upon a time, there was a king.", None);
        assert_eq!(history.cut(TurnId::new(1), Heard::UpTo(11)).as_deref(), Some("Once upon a"));
        assert_eq!(contents(&history), ["be brief", "tell me a story", "Once upon a"]);
    }

    #[test]
    fn a_reply_of_which_nothing_was_heard_leaves_the_caller_unanswered() {
        let mut history = History::new("", 100);
        history.heard(TurnId::new(1), "a coffee");
        history.said(TurnId::new(1), 0, "Which size?", None);
        assert_eq!(history.cut(TurnId::new(1), Heard::UpTo(0)).as_deref(), Some(""));
        assert!(history.is_unanswered());
        history.heard(TurnId::new(2), "and a cake");
        assert_eq!(contents(&history), ["a coffee and a cake"]);
    }

    #[test]
    fn tool_calls_stay_and_words_after_them_are_counted_on() {
        let mut history = History::new("", 100);
        history.heard(TurnId::new(1), "what time is it");
        history.said(TurnId::new(1), 0, "Let me see. ", Some(call("time")));
        history.returned(TurnId::new(1), "noon");
        history.said(TurnId::new(1), 12, "It is noon.", None);
        assert_eq!(history.clone().cut(TurnId::new(1), Heard::Whole), None);
        assert_eq!(history.cut(TurnId::new(1), Heard::UpTo(14)).as_deref(), Some("Let me see. It"));
        assert_eq!(contents(&history), ["what time is it", "Let me see. ", "noon", "It"]);
        history.cut(TurnId::new(1), Heard::UpTo(0));
        assert_eq!(contents(&history), ["what time is it", "", "noon"]);
        assert!(history.is_unanswered());
    }

    #[test]
    fn a_reply_that_is_taken_back_leaves_the_callers_words_to_be_gone_on_with() {
        let mut history = History::new("be brief", 100);
        history.heard(TurnId::new(1), "set a timer for five");
        history.said(TurnId::new(1), 0, "", Some(call("timer")));
        history.returned(TurnId::new(1), "timer set for five seconds");
        history.said(TurnId::new(1), 0, "Timer set.", None);
        history.cut(TurnId::new(1), Heard::UpTo(0));
        history.take_back(TurnId::new(1));
        history.heard(TurnId::new(2), "minutes");
        assert_eq!(contents(&history), ["be brief", "set a timer for five minutes"]);
        history.take_back(TurnId::new(2));
        assert_eq!(history.messages().len(), 2);
    }

    #[test]
    fn what_a_stage_made_of_the_models_words_is_what_was_said() {
        let mut history = History::new("", 100);
        history.heard(TurnId::new(1), "something hot");
        history.said(TurnId::new(1), 0, "A coffee. ", Some(call("order")));
        history.returned(TurnId::new(1), "done");
        history.said(TurnId::new(1), 10, "The coffee is on its way.", None);
        let mut whole = history.clone();
        whole.spoken(TurnId::new(1), "A tea. The tea is on its way.");
        assert_eq!(whole.cut(TurnId::new(1), Heard::Whole), None);
        assert_eq!(contents(&whole)[1], "A tea. The tea is on its way.");
        let mut cut = history.clone();
        cut.spoken(TurnId::new(1), "A tea. The tea is on");
        assert_eq!(cut.cut(TurnId::new(1), Heard::UpTo(14)).as_deref(), Some("A tea. The tea"));
        assert_eq!(contents(&cut), ["something hot", "A tea. The tea", "done"]);
        history.spoken(TurnId::new(1), "A coffee. The");
        assert_eq!(history.cut(TurnId::new(1), Heard::UpTo(13)).as_deref(), Some("A coffee. The"));
    }

    #[test]
    fn a_reply_heard_to_its_last_word_is_not_called_cut() {
        let mut history = History::new("", 100);
        history.heard(TurnId::new(1), "hello");
        history.said(TurnId::new(1), 0, "Hi there. ", None);
        assert_eq!(history.cut(TurnId::new(1), Heard::UpTo(9)), None);
    }

    #[test]
    fn old_exchanges_are_forgotten_and_the_instructions_kept() {
        let mut history = History::new("be brief", 6);
        for turn in 0..10 {
            history.heard(TurnId::new(turn), "question");
            history.said(TurnId::new(turn), 0, "answer", None);
            assert!(history.messages().len() <= 8);
            assert_eq!(history.messages()[0].role, Role::System);
            assert_eq!(history.messages()[1].role, Role::User);
        }
    }
}
