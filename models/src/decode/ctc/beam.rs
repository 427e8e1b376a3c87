//! Prefix beam search.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::decode::log_add;

use super::scorer::{Context, Scorer};
use super::{CtcConfig, CtcToken, Hypothesis};

const NONE: u32 = u32::MAX;
const IMPOSSIBLE: f64 = f64::NEG_INFINITY;

/// A prefix: its last token, behind the prefix without it.
#[derive(Clone, Debug)]
struct Node {
    parent: u32,
    token: u32,
    context: Context,
}

/// The last token of an alignment, behind the alignment without it.
#[derive(Clone, Copy, Debug)]
struct Path {
    previous: u32,
    start: usize,
    end: usize,
    log_prob: f32,
}

/// The best alignment that ends in one way, and where it comes from.
#[derive(Clone, Copy, Debug)]
struct Best {
    log_prob: f64,
    path: u32,
    /// What the last frame does to the path.
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Same,
    Longer(f32),
    New(f32),
}

const NO_BEST: Best = Best { log_prob: IMPOSSIBLE, path: NONE, step: Step::Same };

impl Best {
    fn offer(&mut self, log_prob: f64, path: u32, step: Step) {
        if log_prob > self.log_prob {
            *self = Self { log_prob, path, step };
        }
    }
}

/// A prefix with the probability of its alignments that end in a blank, and in its last token.
#[derive(Clone, Copy, Debug)]
struct Entry {
    node: u32,
    blank: f64,
    token: f64,
    best_blank: Best,
    best_token: Best,
}

impl Entry {
    fn new(node: u32) -> Self {
        Self { node, blank: IMPOSSIBLE, token: IMPOSSIBLE, best_blank: NO_BEST, best_token: NO_BEST }
    }

    fn total(&self) -> f64 {
        log_add(self.blank, self.token)
    }

    fn best(&self) -> Best {
        if self.best_blank.log_prob >= self.best_token.log_prob { self.best_blank } else { self.best_token }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Beam {
    nodes: Vec<Node>,
    children: HashMap<(u32, u32), u32>,
    paths: Vec<Path>,
    entries: Vec<Entry>,
    /// Nodes and paths are cleaned up when there are more than this.
    room: usize,
    // Kept for their memory.
    next: Vec<Entry>,
    places: HashMap<u32, usize>,
    tokens: Vec<(u32, f32)>,
}

const ROOM: usize = 1 << 11;

impl Beam {
    pub(super) fn new(scorer: &Scorer) -> Self {
        let root = Node { parent: NONE, token: NONE, context: scorer.begin() };
        let mut entry = Entry::new(0);
        entry.blank = 0.0;
        entry.best_blank.log_prob = 0.0;
        Self {
            nodes: vec![root],
            children: HashMap::new(),
            paths: Vec::new(),
            entries: vec![entry],
            room: ROOM,
            next: Vec::new(),
            places: HashMap::new(),
            tokens: Vec::new(),
        }
    }

    /// Takes a frame of log probabilities; whether the best prefix is another one now.
    pub(super) fn step(&mut self, frame: &[f32], at: usize, config: &CtcConfig, scorer: &Scorer) -> bool {
        let before = self.entries.first().map(|entry| entry.node);
        self.select(frame, config, scorer);
        let blank = frame[config.blank as usize];
        self.next.clear();
        self.places.clear();
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            self.stay(entry, f64::from(blank));
            self.hold(entry, frame);
        }
        let floor = self.floor(config);
        for at in 0..self.entries.len() {
            let entry = self.entries[at];
            for token in 0..self.tokens.len() {
                let (id, log_prob) = self.tokens[token];
                self.extend(entry, id, log_prob, floor, scorer);
            }
        }
        self.prune(config);
        self.settle(at);
        let changed = before != self.entries.first().map(|entry| entry.node);
        if self.children.len().max(self.paths.len()) > self.room {
            self.clean();
        }
        changed
    }

    /// Picks the tokens of a frame that are looked at.
    fn select(&mut self, frame: &[f32], config: &CtcConfig, scorer: &Scorer) {
        let best = frame.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let floor = (best - config.token_margin).max(f32::MIN);
        self.tokens.clear();
        self.tokens.extend((0..).zip(frame.iter().copied()).filter(|&(id, p)| p >= floor && scorer.emits(id)));
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if self.tokens.len() > config.top_tokens {
            self.tokens.select_nth_unstable_by(config.top_tokens, order);
            self.tokens.truncate(config.top_tokens);
        }
        self.tokens.sort_unstable_by(order);
    }

    fn place(&mut self, node: u32) -> &mut Entry {
        let next = &mut self.next;
        let at = *self.places.entry(node).or_insert_with(|| {
            next.push(Entry::new(node));
            next.len() - 1
        });
        &mut next[at]
    }

    /// The same prefix, with a blank.
    fn stay(&mut self, entry: Entry, blank: f64) {
        let best = entry.best();
        let place = self.place(entry.node);
        place.blank = log_add(place.blank, entry.total() + blank);
        place.best_blank.offer(best.log_prob + blank, best.path, Step::Same);
    }

    /// The same prefix, with its last token held.
    fn hold(&mut self, entry: Entry, frame: &[f32]) {
        let Some(&log_prob) = frame.get(self.nodes[entry.node as usize].token as usize) else { return };
        let p = f64::from(log_prob);
        let place = self.place(entry.node);
        place.token = log_add(place.token, entry.token + p);
        place.best_token.offer(entry.best_token.log_prob + p, entry.best_token.path, Step::Longer(log_prob));
    }

    /// What a prefix must score to be kept, as far as it shows when the longer prefixes are not there yet.
    fn floor(&self, config: &CtcConfig) -> f64 {
        let scores = || self.next.iter().map(|entry| self.score(entry));
        let margin = scores().fold(IMPOSSIBLE, f64::max) - f64::from(config.beam_margin);
        if self.next.len() < config.beam { margin } else { scores().fold(f64::INFINITY, f64::min).max(margin) }
    }

    /// One more token.
    fn extend(&mut self, entry: Entry, id: u32, log_prob: f32, floor: f64, scorer: &Scorer) {
        let node = &self.nodes[entry.node as usize];
        let (from, best) =
            if node.token == id { (entry.blank, entry.best_blank) } else { (entry.total(), entry.best()) };
        let p = f64::from(log_prob);
        // A prefix that is not followed yet can come from here alone, so its score is bounded.
        let hopeless = from == IMPOSSIBLE || from + p + scorer.most(&node.context) < floor;
        let followed = |child: &u32| self.places.contains_key(child);
        if hopeless && !self.children.get(&(entry.node, id)).is_some_and(followed) {
            return;
        }
        let child = self.child(entry.node, id, scorer);
        if child != NONE {
            let place = self.place(child);
            place.token = log_add(place.token, from + p);
            place.best_token.offer(best.log_prob + p, best.path, Step::New(log_prob));
        }
    }

    fn child(&mut self, parent: u32, token: u32, scorer: &Scorer) -> u32 {
        let nodes = &mut self.nodes;
        *self.children.entry((parent, token)).or_insert_with(|| {
            let Some(context) = scorer.extend(&nodes[parent as usize].context, token) else { return NONE };
            nodes.push(Node { parent, token, context });
            nodes.len() as u32 - 1
        })
    }

    fn score(&self, entry: &Entry) -> f64 {
        entry.total() + self.nodes[entry.node as usize].context.sum()
    }

    fn prune(&mut self, config: &CtcConfig) {
        let mut scored: Vec<(f64, Entry)> = self.next.iter().map(|entry| (self.score(entry), *entry)).collect();
        let order =
            |a: &(f64, Entry), b: &(f64, Entry)| -> Ordering { b.0.total_cmp(&a.0).then(a.1.node.cmp(&b.1.node)) };
        if scored.len() > config.beam {
            scored.select_nth_unstable_by(config.beam, order);
            scored.truncate(config.beam);
        }
        scored.sort_unstable_by(order);
        let floor = scored.first().map_or(IMPOSSIBLE, |(best, _)| best - f64::from(config.beam_margin));
        if floor == IMPOSSIBLE {
            // Neither lexicon nor frame allows any prefix: the frame is passed over.
            return;
        }
        self.entries.clear();
        self.entries.extend(scored.into_iter().filter(|(score, _)| *score >= floor).map(|(_, entry)| entry));
    }

    /// Writes down the paths of the prefixes that are left.
    fn settle(&mut self, at: usize) {
        for entry in &mut self.entries {
            let best = &mut entry.best_token;
            let new = match best.step {
                Step::Same => continue,
                Step::New(log_prob) => Path { previous: best.path, start: at, end: at + 1, log_prob },
                Step::Longer(log_prob) => {
                    let path = self.paths[best.path as usize];
                    Path { end: at + 1, log_prob: path.log_prob.max(log_prob), ..path }
                }
            };
            self.paths.push(new);
            best.path = self.paths.len() as u32 - 1;
            best.step = Step::Same;
        }
    }

    /// Forgets all nodes and paths that no prefix needs.
    fn clean(&mut self) {
        let mut kept = vec![NONE; self.nodes.len()];
        let mut used = vec![false; self.nodes.len()];
        let mut used_paths = vec![false; self.paths.len()];
        for entry in &self.entries {
            let mut at = entry.node;
            while at != NONE && !std::mem::replace(&mut used[at as usize], true) {
                at = self.nodes[at as usize].parent;
            }
            for mut at in [entry.best_blank.path, entry.best_token.path] {
                while at != NONE && !std::mem::replace(&mut used_paths[at as usize], true) {
                    at = self.paths[at as usize].previous;
                }
            }
        }
        let mut nodes: Vec<Node> = Vec::new();
        for (at, mut node) in std::mem::take(&mut self.nodes).into_iter().enumerate().filter(|(at, _)| used[*at]) {
            // A parent is always older than its child.
            node.parent = kept.get(node.parent as usize).copied().unwrap_or(NONE);
            kept[at] = nodes.len() as u32;
            nodes.push(node);
        }
        self.nodes = nodes;
        self.children = (0..).zip(&self.nodes).skip(1).map(|(at, node)| ((node.parent, node.token), at)).collect();
        let mut kept_paths = vec![NONE; self.paths.len()];
        let mut paths: Vec<Path> = Vec::new();
        for (at, mut path) in std::mem::take(&mut self.paths).into_iter().enumerate().filter(|(at, _)| used_paths[*at])
        {
            path.previous = kept_paths.get(path.previous as usize).copied().unwrap_or(NONE);
            kept_paths[at] = paths.len() as u32;
            paths.push(path);
        }
        self.paths = paths;
        for entry in &mut self.entries {
            entry.node = kept[entry.node as usize];
            for best in [&mut entry.best_blank, &mut entry.best_token] {
                best.path = kept_paths.get(best.path as usize).copied().unwrap_or(NONE);
            }
        }
        self.room = ROOM.max(2 * self.nodes.len().max(self.paths.len()));
    }

    fn hypothesis(&self, entry: &Entry, added: f64) -> Hypothesis {
        let mut ids = Vec::new();
        let mut at = entry.node;
        while self.nodes[at as usize].parent != NONE {
            ids.push(self.nodes[at as usize].token);
            at = self.nodes[at as usize].parent;
        }
        let mut tokens = Vec::with_capacity(ids.len());
        let mut at = entry.best().path;
        for id in ids {
            let Some(path) = self.paths.get(at as usize) else { break };
            tokens.push(CtcToken { id, start: path.start, end: path.end, log_prob: path.log_prob });
            at = path.previous;
        }
        tokens.reverse();
        Hypothesis { tokens, log_prob: entry.total(), score: entry.total() + added }
    }

    pub(super) fn partial(&self) -> Hypothesis {
        let best = self.entries.first();
        best.map(|entry| self.hypothesis(entry, self.nodes[entry.node as usize].context.sum())).unwrap_or_default()
    }

    /// The hypotheses of a text that ends here, the best first.
    pub(super) fn finish(&self, scorer: &Scorer) -> Vec<Hypothesis> {
        let context = |entry: &Entry| &self.nodes[entry.node as usize].context;
        let ended = self.entries.iter().filter_map(|e| Some(self.hypothesis(e, scorer.finish(context(e))?)));
        let mut all: Vec<Hypothesis> = ended.collect();
        if all.is_empty() {
            // No word of the lexicon ends here: what there is is better than nothing.
            all = self.entries.iter().map(|e| self.hypothesis(e, context(e).sum())).collect();
        }
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        all
    }
}
