use std::collections::HashMap;
use std::sync::Arc;

use crate::Result;
use crate::decode::ctc::{Hotword, Hotwords};
use crate::decode::ngram::{Ngram, State};

use super::LexiconConfig;

/// What language model and hotwords say; immutable.
#[derive(Clone, Debug)]
pub(super) struct Contexts {
    lm: Arc<Ngram>,
    hotwords: Hotwords,
    weight: f64,
    bonus: f64,
}

/// What the words so far mean for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Context {
    state: State,
    hotword: u32,
}

/// The contexts that a stream has met, by numbers, with what words make of them.
#[derive(Clone, Debug)]
pub(super) struct Met {
    contexts: Vec<Context>,
    numbers: HashMap<Context, u32>,
    /// For a context and a word, what the word adds and the context after it.
    words: HashMap<(u32, u32), (f64, u32)>,
}

impl Contexts {
    pub(super) fn model(&self) -> &Ngram {
        &self.lm
    }

    pub(super) fn new(config: &LexiconConfig, lm: Arc<Ngram>) -> Self {
        let mut contexts = Self { lm, hotwords: Hotwords::default(), weight: 0.0, bonus: 0.0 };
        contexts.configure(config);
        contexts
    }

    pub(super) fn configure(&mut self, config: &LexiconConfig) {
        self.weight = config.lm_weight.into();
        self.bonus = config.word_bonus.into();
    }

    pub(super) fn set_hotwords(&mut self, hotwords: &[Hotword]) -> Result<()> {
        self.hotwords = Hotwords::new(hotwords)?;
        Ok(())
    }

    /// The number of a word, where the language model knows it.
    pub(super) fn number(&self, word: &str) -> Option<u32> {
        self.lm.knows(word).then(|| self.lm.id(word))
    }

    pub(super) fn text(&self, word: u32) -> &str {
        self.lm.vocabulary().get(word as usize).map_or("", String::as_str)
    }

    /// What the best unigram below a node promises.
    pub(super) fn ahead(&self, best: f32) -> f64 {
        self.weight * f64::from(best) + self.bonus
    }

    /// What hotwords that have begun in a context add, as long as they go on.
    fn pending(&self, context: &Context) -> f64 {
        f64::from(self.hotwords.pending(context.hotword))
    }
}

impl Met {
    /// Only the context before the first word, with the number 0.
    pub(super) fn new(contexts: &Contexts) -> Self {
        let first = Context { state: contexts.lm.begin(), hotword: contexts.hotwords.begin() };
        Self { contexts: vec![first], numbers: HashMap::from([(first, 0)]), words: HashMap::new() }
    }

    /// What a word adds in a context, and the context after it.
    pub(super) fn word(&mut self, context: u32, word: u32, all: &Contexts) -> (f64, u32) {
        if let Some(known) = self.words.get(&(context, word)) {
            return *known;
        }
        let before = self.contexts[context as usize];
        let (log_prob, state) = all.lm.score(&before.state, word);
        let mut added = all.weight * f64::from(log_prob) + all.bonus;
        let mut after = Context { state, hotword: before.hotword };
        if !all.hotwords.is_empty() {
            let (hotword, done) = all.hotwords.advance(before.hotword, &format!("▁{}", all.text(word)));
            after.hotword = hotword;
            added += f64::from(done) + all.pending(&after) - all.pending(&before);
        }
        let next = self.contexts.len() as u32;
        let number = *self.numbers.entry(after).or_insert(next);
        if number == next {
            self.contexts.push(after);
        }
        self.words.insert((context, word), (added, number));
        (added, number)
    }

    /// What the end of the text adds in a context.
    pub(super) fn end(&self, context: u32, all: &Contexts) -> f64 {
        let before = self.contexts[context as usize];
        let lm = all.weight * f64::from(all.lm.score_end(&before.state));
        if all.hotwords.is_empty() {
            return lm;
        }
        let (_, done) = all.hotwords.advance(before.hotword, "▁");
        lm + f64::from(done) - all.pending(&before)
    }
}
