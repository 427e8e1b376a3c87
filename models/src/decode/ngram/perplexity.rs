use super::Ngram;

/// How well a model foretells a text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Perplexity {
    /// The natural logarithm of the probability of all sentences, their ends included.
    pub log_prob: f64,
    /// Words and ends of sentences.
    pub tokens: usize,
    /// Words that the model does not know; they are in `tokens` and scored as `<unk>`.
    pub unknown: usize,
}

impl Perplexity {
    /// The perplexity of a word.
    pub fn value(&self) -> f64 {
        (-self.log_prob / self.tokens.max(1) as f64).exp()
    }
}

impl Ngram {
    /// How well the model foretells `sentences`, whose words are separated by white space.
    pub fn perplexity<'a>(&self, sentences: impl IntoIterator<Item = &'a str>) -> Perplexity {
        let mut sum = Perplexity::default();
        for sentence in sentences {
            let mut state = self.begin();
            for word in sentence.split_whitespace() {
                let (log_prob, next) = self.score(&state, self.id(word));
                sum.log_prob += f64::from(log_prob);
                sum.unknown += usize::from(!self.knows(word));
                sum.tokens += 1;
                state = next;
            }
            sum.log_prob += f64::from(self.score_end(&state));
            sum.tokens += 1;
        }
        sum
    }
}
