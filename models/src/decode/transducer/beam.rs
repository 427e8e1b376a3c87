//! Beam search, frame by frame.

use crate::Result;
use crate::decode::ctc::{Context, CtcConfig, CtcToken, Hypothesis, Scorer};
use crate::decode::log_add;

use super::{TransducerDecoder, TransducerNets, token};

/// Tokens with what the nets and the language model know of them.
#[derive(Clone, Debug)]
struct Entry<P> {
    predicted: P,
    tokens: Vec<CtcToken>,
    /// Of all alignments that were followed.
    log_prob: f64,
    /// Of the best of them, whose frames the tokens have.
    best: f64,
    context: Context,
}

impl<P> Entry<P> {
    fn score(&self) -> f64 {
        self.log_prob + self.context.sum()
    }

    fn says_as(&self, other: &Self) -> bool {
        let pairs = self.tokens.iter().rev().zip(other.tokens.iter().rev());
        self.tokens.len() == other.tokens.len() && pairs.into_iter().all(|(a, b)| a.id == b.id)
    }

    fn hypothesis(&self, score: f64) -> Hypothesis {
        Hypothesis { tokens: self.tokens.clone(), log_prob: self.log_prob, score }
    }
}

/// One more token for the entry `from` of a round.
struct Candidate {
    from: usize,
    id: u32,
    log_prob: f32,
    context: Context,
    score: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Beam<P> {
    /// The best first.
    entries: Vec<Entry<P>>,
}

impl<P: Clone> Beam<P> {
    pub(super) fn new(predicted: P, scorer: &Scorer) -> Self {
        let entry = Entry { predicted, tokens: Vec::new(), log_prob: 0.0, best: 0.0, context: scorer.begin() };
        Self { entries: vec![entry] }
    }

    pub(super) fn step<N>(
        &mut self,
        frame: &[f32],
        at: usize,
        decoder: &TransducerDecoder,
        nets: &mut N,
    ) -> Result<bool>
    where
        N: TransducerNets<Predicted = P>,
    {
        let before: Vec<u32> = self.ids();
        let mut open = std::mem::take(&mut self.entries);
        let mut over: Vec<Entry<P>> = Vec::new();
        // A hypothesis is in the round of as many tokens as this frame has given it.
        for _ in 0..decoder.max_symbols {
            let predicted: Vec<&P> = open.iter().map(|entry| &entry.predicted).collect();
            let rows = nets.log_probs(frame, &predicted)?;
            let width = rows.len() / open.len().max(1);
            let mut candidates = Vec::new();
            for (from, (entry, row)) in open.iter().zip(rows.chunks_exact(width.max(1))).enumerate() {
                decoder.check(row, at)?;
                expand(from, entry, row, decoder, &mut candidates);
                let blank = f64::from(row[decoder.config.blank as usize]);
                let (log_prob, best) = (entry.log_prob + blank, entry.best + blank);
                merge(&mut over, Entry { log_prob, best, ..entry.clone() });
            }
            prune(&mut over, &decoder.config);
            keep_promising(&mut candidates, &over, &decoder.config);
            open = candidates
                .into_iter()
                .map(|candidate| grow(&open[candidate.from], candidate, at, nets))
                .collect::<Result<_>>()?;
            if open.is_empty() {
                break;
            }
        }
        // With as many tokens as a frame may give, the next frame comes without a blank.
        open.into_iter().for_each(|entry| merge(&mut over, entry));
        prune(&mut over, &decoder.config);
        self.entries = over;
        Ok(before != self.ids())
    }

    fn ids(&self) -> Vec<u32> {
        self.entries.first().map(|best| best.tokens.iter().map(|token| token.id).collect()).unwrap_or_default()
    }

    pub(super) fn partial(&self) -> Hypothesis {
        self.entries.first().map(|best| best.hypothesis(best.score())).unwrap_or_default()
    }

    /// The best, when the text ends here; an open word that the lexicon lacks is better than nothing.
    pub(super) fn finish(&self, scorer: &Scorer) -> Hypothesis {
        let end = |entry: &Entry<P>| Some(entry.hypothesis(entry.log_prob + scorer.finish(&entry.context)?));
        let best = self.entries.iter().filter_map(end).max_by(|a, b| a.score.total_cmp(&b.score));
        best.unwrap_or_else(|| self.partial())
    }
}

/// The likeliest tokens after an entry.
fn expand<P>(from: usize, entry: &Entry<P>, row: &[f32], decoder: &TransducerDecoder, out: &mut Vec<Candidate>) {
    let CtcConfig { top_tokens, token_margin, .. } = decoder.config;
    let floor = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) - token_margin;
    let likely = (0..).zip(row.iter().copied()).filter(|(id, p)| *p >= floor && decoder.scorer.emits(*id));
    let mut likely: Vec<(u32, f32)> = likely.collect();
    likely.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    for (id, log_prob) in likely.into_iter().take(top_tokens) {
        if let Some(context) = decoder.scorer.extend(&entry.context, id) {
            let score = entry.log_prob + f64::from(log_prob) + context.sum();
            out.push(Candidate { from, id, log_prob, context, score });
        }
    }
}

/// Drops the candidates that could not stand beside what is over.
fn keep_promising<P>(candidates: &mut Vec<Candidate>, over: &[Entry<P>], config: &CtcConfig) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(config.beam);
    let Some(best) = over.first() else { return };
    let worst = if over.len() == config.beam { over.last().map(Entry::score) } else { None };
    let margin = best.score() - f64::from(config.beam_margin);
    let floor = worst.unwrap_or(f64::NEG_INFINITY).max(margin);
    candidates.retain(|candidate| candidate.score > floor);
}

fn grow<N: TransducerNets>(
    entry: &Entry<N::Predicted>,
    candidate: Candidate,
    at: usize,
    nets: &mut N,
) -> Result<Entry<N::Predicted>> {
    let Candidate { id, log_prob, context, .. } = candidate;
    let mut tokens = Vec::with_capacity(entry.tokens.len() + 1);
    tokens.extend_from_slice(&entry.tokens);
    tokens.push(token(id, at, log_prob));
    let (more, predicted) = (f64::from(log_prob), nets.extend(&entry.predicted, id)?);
    Ok(Entry { predicted, tokens, log_prob: entry.log_prob + more, best: entry.best + more, context })
}

/// Adds the alignments of an entry to those of the same tokens.
fn merge<P>(entries: &mut Vec<Entry<P>>, entry: Entry<P>) {
    match entries.iter_mut().find(|other| other.says_as(&entry)) {
        Some(other) => {
            other.log_prob = log_add(other.log_prob, entry.log_prob);
            if entry.best > other.best {
                (other.best, other.tokens) = (entry.best, entry.tokens);
            }
        }
        None => entries.push(entry),
    }
}

fn prune<P>(entries: &mut Vec<Entry<P>>, config: &CtcConfig) {
    entries.sort_by(|a, b| b.score().total_cmp(&a.score()));
    entries.truncate(config.beam);
    let floor = entries.first().map_or(f64::NEG_INFINITY, |best| best.score() - f64::from(config.beam_margin));
    entries.retain(|entry| entry.score() >= floor);
}
