use std::collections::HashMap;

use crate::decode::ctc::CtcWord;
use crate::decode::log_add;

use super::context::Contexts;
use super::context::Met;
use super::trie::ROOT;
use super::{LexiconDecoder, SpokenWords};

const NONE: u32 = u32::MAX;
const IMPOSSIBLE: f64 = f64::NEG_INFINITY;
/// Spoken words that are kept before those that no hypothesis needs are forgotten.
const ROOM: usize = 50_000;

/// A word that is over, behind the words before it.
#[derive(Clone, Copy, Debug)]
struct Spoken {
    previous: u32,
    word: u32,
    start: u32,
    end: u32,
    confidence: f32,
}

/// Where the best alignment of a hypothesis stands.
#[derive(Clone, Copy, Debug)]
struct Trace {
    /// The words that are over.
    history: u32,
    /// The frames of the open word.
    start: u32,
    end: u32,
    /// The sum of the log probabilities of its phones where they begin, and their number.
    phones: (f32, u32),
    /// What language model, bonus and hotwords have added.
    added: f64,
}

/// All alignments that end in one way: their sum, the best of them, and where it stands.
#[derive(Clone, Copy, Debug)]
struct Way {
    sum: f64,
    best: f64,
    trace: Trace,
}

impl Way {
    const NONE: Self = Self {
        sum: IMPOSSIBLE,
        best: IMPOSSIBLE,
        trace: Trace { history: NONE, start: 0, end: 0, phones: (0.0, 0), added: 0.0 },
    };

    fn offer(&mut self, sum: f64, best: f64, trace: impl FnOnce() -> Trace) {
        self.sum = log_add(self.sum, sum);
        if best > self.best {
            self.best = best;
            self.trace = trace();
        }
    }

    fn plus(&self, more: f64) -> (f64, f64) {
        (self.sum + more, self.best + more)
    }
}

/// A place in the tree and a context, with the alignments that end there in a blank, and in the place's phone.
#[derive(Clone, Copy, Debug)]
struct Hypothesis {
    node: u32,
    context: u32,
    blank: Way,
    phone: Way,
}

impl Hypothesis {
    /// All alignments together.
    fn any(&self) -> Way {
        let sum = log_add(self.blank.sum, self.phone.sum);
        let better = if self.blank.best >= self.phone.best { &self.blank } else { &self.phone };
        Way { sum, ..*better }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Search {
    hypotheses: Vec<Hypothesis>,
    met: Met,
    spoken: Vec<Spoken>,
    room: usize,
    /// The best words of the last frame.
    shown: Vec<u32>,
    /// Of the frame that is worked on.
    next: Vec<Hypothesis>,
    places: HashMap<(u32, u32), usize>,
    /// Whether a phone is probable enough.
    active: Vec<bool>,
    /// The best score so far.
    leader: f64,
}

impl Search {
    pub(super) fn new(contexts: &Contexts) -> Self {
        let blank = Way { sum: 0.0, best: 0.0, ..Way::NONE };
        Self {
            hypotheses: vec![Hypothesis { node: ROOT, context: 0, blank, phone: Way::NONE }],
            met: Met::new(contexts),
            spoken: Vec::new(),
            room: ROOM,
            shown: Vec::new(),
            next: Vec::new(),
            places: HashMap::new(),
            active: Vec::new(),
            leader: IMPOSSIBLE,
        }
    }

    /// Takes a frame. Returns whether the best words have changed.
    pub(super) fn step(&mut self, frame: &[f32], at: u32, decoder: &LexiconDecoder) -> bool {
        let blank = decoder.blank as usize;
        let floor = frame.iter().copied().fold(f32::NEG_INFINITY, f32::max) - decoder.config.phone_margin;
        self.active.clear();
        self.active.extend(frame.iter().enumerate().map(|(phone, p)| phone != blank && *p >= floor));
        self.next.clear();
        self.places.clear();
        self.leader = IMPOSSIBLE;
        for hypothesis in std::mem::take(&mut self.hypotheses) {
            self.stay(&hypothesis, frame, at, decoder);
            self.go_on(&hypothesis, frame, at, decoder);
            self.next_word(&hypothesis, frame, at, decoder);
        }
        self.prune(decoder);
        if self.spoken.len() > self.room {
            self.clean();
        }
        let words = self.best_words(decoder);
        let changed = words != self.shown;
        self.shown = words;
        changed
    }

    /// The place in the next frame, when a score does not rule it out.
    fn place(&mut self, node: u32, context: u32, score: f64, decoder: &LexiconDecoder) -> Option<&mut Hypothesis> {
        let score = score + decoder.contexts.ahead(decoder.trie.best(node));
        if score < self.leader - f64::from(decoder.config.beam_margin) || score == IMPOSSIBLE {
            return None;
        }
        self.leader = self.leader.max(score);
        let next = &mut self.next;
        let at = *self.places.entry((node, context)).or_insert_with(|| {
            next.push(Hypothesis { node, context, blank: Way::NONE, phone: Way::NONE });
            next.len() - 1
        });
        Some(&mut next[at])
    }

    /// The same place, with a blank or with its phone held.
    fn stay(&mut self, from: &Hypothesis, frame: &[f32], at: u32, decoder: &LexiconDecoder) {
        let any = from.any();
        let (sum, best) = any.plus(frame[decoder.blank as usize].into());
        if let Some(place) = self.place(from.node, from.context, sum, decoder) {
            place.blank.offer(sum, best, || any.trace);
        }
        if from.node != ROOT {
            let held = decoder.trie.phone(from.node);
            let (sum, best) = from.phone.plus(frame[held as usize].into());
            if let Some(place) = self.place(from.node, from.context, sum, decoder) {
                place.phone.offer(sum, best, || Trace { end: at + 1, ..from.phone.trace });
            }
        }
    }

    /// One more phone of the same word.
    fn go_on(&mut self, from: &Hypothesis, frame: &[f32], at: u32, decoder: &LexiconDecoder) {
        let (any, last) = (from.any(), decoder.trie.phone(from.node));
        for &(phone, child) in decoder.trie.children(from.node) {
            if !self.active[phone as usize] {
                continue;
            }
            let way = if from.node != ROOT && phone == last { from.blank } else { any };
            let log_prob = frame[phone as usize];
            let (sum, best) = way.plus(log_prob.into());
            if let Some(place) = self.place(child, from.context, sum, decoder) {
                place.phone.offer(sum, best, || {
                    let trace = way.trace;
                    let start = if from.node == ROOT { at } else { trace.start };
                    Trace { start, end: at + 1, phones: (trace.phones.0 + log_prob, trace.phones.1 + 1), ..trace }
                });
            }
        }
    }

    /// The first phone of another word, where one may end.
    fn next_word(&mut self, from: &Hypothesis, frame: &[f32], at: u32, decoder: &LexiconDecoder) {
        let (any, last) = (from.any(), decoder.trie.phone(from.node));
        for &word in decoder.trie.words(from.node) {
            let (added, context) = self.met.word(from.context, word, &decoder.contexts);
            // Where the word before has ended in a blank, and where it may also have ended in its phone.
            let mut over = [NONE; 2];
            for &(phone, child) in decoder.trie.children(ROOT) {
                if !self.active[phone as usize] {
                    continue;
                }
                let (way, kind) = if phone == last { (from.blank, 0) } else { (any, 1) };
                let log_prob = frame[phone as usize];
                let (sum, best) = way.plus(f64::from(log_prob) + added);
                let spoken = self.spoken.len() as u32;
                let Some(place) = self.place(child, context, sum, decoder) else { continue };
                if best > place.phone.best && over[kind] == NONE {
                    over[kind] = spoken;
                }
                let history = over[kind];
                place.phone.offer(sum, best, || Trace {
                    history,
                    start: at,
                    end: at + 1,
                    phones: (log_prob, 1),
                    added: way.trace.added + added,
                });
                if history == spoken {
                    self.spoken.push(ended(&way.trace, word));
                }
            }
        }
    }

    fn score(hypothesis: &Hypothesis, decoder: &LexiconDecoder) -> f64 {
        hypothesis.any().sum + decoder.contexts.ahead(decoder.trie.best(hypothesis.node))
    }

    fn prune(&mut self, decoder: &LexiconDecoder) {
        let mut scored: Vec<(f64, Hypothesis)> = self.next.iter().map(|h| (Self::score(h, decoder), *h)).collect();
        let order = |a: &(f64, Hypothesis), b: &(f64, Hypothesis)| {
            b.0.total_cmp(&a.0).then((a.1.node, a.1.context).cmp(&(b.1.node, b.1.context)))
        };
        let beam = decoder.config.beam;
        if scored.len() > beam {
            scored.select_nth_unstable_by(beam, order);
            scored.truncate(beam);
        }
        scored.sort_unstable_by(order);
        let floor = scored.first().map_or(IMPOSSIBLE, |best| best.0 - f64::from(decoder.config.beam_margin));
        self.hypotheses.extend(scored.into_iter().filter(|(score, _)| *score >= floor).map(|(_, h)| h));
    }

    /// Forgets the spoken words that no hypothesis needs.
    fn clean(&mut self) {
        let mut used = vec![false; self.spoken.len()];
        for way in self.hypotheses.iter().flat_map(|h| [&h.blank, &h.phone]) {
            let mut at = way.trace.history;
            while at != NONE && !std::mem::replace(&mut used[at as usize], true) {
                at = self.spoken[at as usize].previous;
            }
        }
        let mut kept = vec![NONE; used.len()];
        let mut spoken: Vec<Spoken> = Vec::new();
        for (at, mut word) in std::mem::take(&mut self.spoken).into_iter().enumerate().filter(|(at, _)| used[*at]) {
            // Words before are always older.
            word.previous = kept.get(word.previous as usize).copied().unwrap_or(NONE);
            kept[at] = spoken.len() as u32;
            spoken.push(word);
        }
        self.spoken = spoken;
        for way in self.hypotheses.iter_mut().flat_map(|h| [&mut h.blank, &mut h.phone]) {
            way.trace.history = kept.get(way.trace.history as usize).copied().unwrap_or(NONE);
        }
        self.room = ROOM.max(2 * self.spoken.len());
    }

    /// The best hypothesis and, where a word may end in it, that word.
    fn best(&self, decoder: &LexiconDecoder) -> Option<(&Hypothesis, Option<u32>)> {
        let best = self.hypotheses.first()?;
        // Of words that sound alike, the tree's order is as good as any until the next word tells.
        Some((best, decoder.trie.words(best.node).first().copied()))
    }

    fn best_words(&self, decoder: &LexiconDecoder) -> Vec<u32> {
        let Some((best, open)) = self.best(decoder) else { return Vec::new() };
        let mut words: Vec<u32> = open.into_iter().collect();
        let mut at = best.any().trace.history;
        while let Some(spoken) = self.spoken.get(at as usize) {
            words.push(spoken.word);
            at = spoken.previous;
        }
        words.reverse();
        words
    }

    /// The words of an alignment and, behind them, the open one.
    fn words(&self, way: &Way, open: Option<u32>, score: f64, decoder: &LexiconDecoder) -> SpokenWords {
        let mut words = Vec::new();
        let mut push = |spoken: &Spoken| {
            words.push(CtcWord {
                text: decoder.contexts.text(spoken.word).to_owned(),
                start: spoken.start as usize,
                end: spoken.end as usize,
                confidence: spoken.confidence,
            });
        };
        if let Some(word) = open {
            push(&ended(&way.trace, word));
        }
        let mut at = way.trace.history;
        while let Some(spoken) = self.spoken.get(at as usize) {
            push(spoken);
            at = spoken.previous;
        }
        words.reverse();
        SpokenWords { words, log_prob: way.sum - way.trace.added, score }
    }

    pub(super) fn partial(&self, decoder: &LexiconDecoder) -> SpokenWords {
        let Some((best, open)) = self.best(decoder) else { return SpokenWords::default() };
        let way = best.any();
        self.words(&way, open, way.sum, decoder)
    }

    /// The best words of a text that ends here.
    pub(super) fn finish(&mut self, decoder: &LexiconDecoder) -> SpokenWords {
        let mut best: Option<(f64, Way, Option<u32>)> = None;
        let mut offer = |score: f64, way: Way, open| {
            if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, way, open));
            }
        };
        for hypothesis in &self.hypotheses {
            let way = hypothesis.any();
            if hypothesis.node == ROOT {
                offer(way.sum + self.met.end(hypothesis.context, &decoder.contexts), way, None);
            }
            for &word in decoder.trie.words(hypothesis.node) {
                let (added, context) = self.met.word(hypothesis.context, word, &decoder.contexts);
                offer(way.sum + added + self.met.end(context, &decoder.contexts), way, Some(word));
            }
        }
        match (best, self.hypotheses.first()) {
            (Some((score, way, open)), _) => self.words(&way, open, score, decoder),
            // Only beginnings of words: those before them are better than nothing.
            (None, Some(first)) => self.words(&first.any(), None, first.any().sum, decoder),
            (None, None) => SpokenWords::default(),
        }
    }
}

/// The open word of an alignment as one that is over.
fn ended(trace: &Trace, word: u32) -> Spoken {
    let (sum, count) = trace.phones;
    let confidence = (sum / count.max(1) as f32).exp().clamp(0.0, 1.0);
    Spoken { previous: trace.history, word, start: trace.start, end: trace.end, confidence }
}
