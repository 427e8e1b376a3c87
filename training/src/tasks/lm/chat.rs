//! Dialogues as tokens, in the form of the chat template.

use rejoinder_models::llm::template::CONTROLS;
use rejoinder_models::llm::{ChatMessage, Role};
use rejoinder_models::text::{Tokenizer, VocabularyConfig, count_words, train_bpe};

use crate::data::dialogue::{Dialogue, Domain};
use crate::{Error, Result};

/// What one learnt message of a tokenised dialogue is.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageSpan {
    /// The first token that the model has to say, and one past the last, which ends the message.
    pub tokens: std::ops::Range<usize>,
    /// What its turn is about.
    pub domain: Domain,
    /// Whether it is a tool call.
    pub call: bool,
}

/// Turns dialogues into tokens.
#[derive(Clone, Debug)]
pub struct Chat {
    tokenizer: Tokenizer,
    controls: [u32; CONTROLS.len()],
    tools: String,
}

/// The text of an assistant's message, as the template writes it.
fn said(message: &ChatMessage) -> String {
    match &message.tool_call {
        Some(call) => serde_json::to_string(call).unwrap_or_default(),
        None => message.content.clone(),
    }
}

impl Chat {
    /// A renderer for a vocabulary that begins with [`CONTROLS`]; every dialogue offers `tools`, by name.
    ///
    /// # Errors
    /// [`Error::Data`] when a control piece is missing.
    pub fn new(tokenizer: Tokenizer, tools: &[String]) -> Result<Self> {
        let mut controls = [0; CONTROLS.len()];
        for (id, piece) in controls.iter_mut().zip(CONTROLS) {
            *id = tokenizer.id(piece).ok_or_else(|| Error::data("tokenizer", format!("no piece {piece}")))?;
        }
        Ok(Self { tokenizer, controls, tools: tools.iter().map(|name| format!(" {name}")).collect() })
    }

    /// The vocabulary.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The tokens of a dialogue, and where its learnt messages stand.
    pub fn encode(&self, dialogue: &Dialogue) -> (Vec<u32>, Vec<MessageSpan>) {
        let [_, bos, system, user, assistant, tool, end] = self.controls;
        let mut ids = vec![bos, system];
        let mut spans = Vec::new();
        let mut lines = dialogue.lines.iter().peekable();
        let opening = lines.next_if(|line| line.message.role == Role::System);
        let persona = opening.map_or(String::new(), |line| format!(" {}", line.message.content));
        self.text(&format!("{persona}{}", self.tools), &mut ids);
        ids.push(end);
        for line in lines {
            ids.push(match line.message.role {
                Role::User | Role::System => user,
                Role::Assistant => assistant,
                Role::Tool => tool,
            });
            let start = ids.len();
            self.text(&format!(" {}", said(&line.message)), &mut ids);
            ids.push(end);
            if line.learn {
                let call = line.message.tool_call.is_some();
                spans.push(MessageSpan { tokens: start..ids.len(), domain: line.domain, call });
            }
        }
        (ids, spans)
    }

    fn text(&self, text: &str, ids: &mut Vec<u32>) {
        ids.extend(self.tokenizer.encode_verbatim(text, false));
    }
}

/// Learns a vocabulary from dialogues: control pieces, bytes for what it lacks, digits one by one.
///
/// # Errors
/// As [`train_bpe`].
pub fn learn_vocabulary(dialogues: impl Iterator<Item = Dialogue>, pieces: usize) -> Result<Tokenizer> {
    let texts: Vec<String> =
        dialogues.flat_map(|dialogue| dialogue.lines.into_iter().map(|line| said(&line.message))).collect();
    let words = count_words(texts.iter().map(String::as_str));
    let config = VocabularyConfig {
        vocab_size: pieces,
        specials: CONTROLS.iter().map(|piece| (*piece).to_owned()).collect(),
        byte_fallback: true,
        split_digits: true,
        ..VocabularyConfig::default()
    };
    Ok(train_bpe(&words, &config)?)
}
