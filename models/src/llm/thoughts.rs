//! What a model thinks is no reply.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Takes a thought out of what a model says: all from `<think>`, with which a reply may begin, to `</think>`, as the
/// models of DeepSeek-R1 and Qwen3 write it. Where the prompt itself has opened it, the reply begins within.
#[derive(Debug)]
pub(super) struct Thoughts {
    place: Place,
    held: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Nothing was said yet.
    Start,
    Thinking,
    /// The thought is over, and nothing was said yet.
    Thought,
    Saying,
}

impl Thoughts {
    /// For the reply to a prompt.
    pub(super) fn after(prompt: &str) -> Self {
        let place = if prompt.trim_end().ends_with(OPEN) { Place::Thinking } else { Place::Start };
        Self { place, held: String::new() }
    }

    /// Takes a piece, and appends what of it is said.
    pub(super) fn push(&mut self, text: &str, said: &mut String) {
        match self.place {
            Place::Saying => return said.push_str(text),
            Place::Thought => return self.begin(text, said),
            Place::Start | Place::Thinking => {}
        }
        self.held.push_str(text);
        if self.place == Place::Start {
            let begun = self.held.trim_start();
            if OPEN.starts_with(begun) {
                return;
            }
            match begun.strip_prefix(OPEN) {
                None => {
                    self.place = Place::Saying;
                    return said.push_str(&std::mem::take(&mut self.held));
                }
                Some(thought) => (self.place, self.held) = (Place::Thinking, thought.to_owned()),
            }
        }
        if let Some(at) = self.held.find(CLOSE) {
            let rest = self.held.split_off(at + CLOSE.len());
            (self.place, self.held) = (Place::Thought, String::new());
            return self.begin(&rest, said);
        }
        // Of a thought, what may be the beginning of its end is kept.
        let kept = self.held.ceil_char_boundary(self.held.len().saturating_sub(CLOSE.len()));
        self.held.drain(..kept);
    }

    /// What is said after a thought begins with a word.
    fn begin(&mut self, text: &str, said: &mut String) {
        let begun = text.trim_start();
        if !begun.is_empty() {
            self.place = Place::Saying;
            said.push_str(begun);
        }
    }

    /// The reply is over: appends what was held back and turns out to be said.
    pub(super) fn flush(&mut self, said: &mut String) {
        let held = std::mem::take(&mut self.held);
        if self.place == Place::Start {
            said.push_str(&held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(prompt: &str, text: &str, piece: usize) -> String {
        let (mut thoughts, mut said) = (Thoughts::after(prompt), String::new());
        let letters: Vec<char> = text.chars().collect();
        letters.chunks(piece).for_each(|piece| thoughts.push(&piece.iter().collect::<String>(), &mut said));
        thoughts.flush(&mut said);
        said
    }

    #[test]
    fn thoughts_are_not_said_in_whatever_pieces_they_come() {
        for piece in [1, 2, 5, 100] {
            assert_eq!(said("", "\n<think>\nWell, 1 < 2 – é.\n</think>\n\nHello.", piece), "Hello.");
            assert_eq!(said("<|assistant|><think>\n", "Well.</think>Hello <think> you.", piece), "Hello <think> you.");
            assert_eq!(said("", " Hello.</think>", piece), " Hello.</think>");
            assert_eq!(said("", "<thi", piece), "<thi");
            assert_eq!(said("", "<think>and on and on", piece), "");
        }
    }
}
