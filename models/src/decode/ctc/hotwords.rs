//! Words and phrases to be preferred.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::text::WORD_BOUNDARY;
use crate::{Error, Result};

/// A word or phrase to be preferred, or with a negative boost to be avoided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hotword {
    /// The words, in the letter case of the tokenizer.
    pub text: String,
    /// What each of its characters adds to a hypothesis, in nats; 0.5 to 2 is usual.
    pub boost: f32,
}

/// An automaton over characters (Aho and Corasick 1975) that holds ` phrase ` for each hotword, so that hotwords
/// match from word boundary to word boundary, however the tokenizer cuts them.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Hotwords {
    nodes: Vec<Node>,
    most: f32,
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: BTreeMap<char, u32>,
    fail: u32,
    /// What the characters so far add, up to the longest hotword that has ended on the way.
    pending: f32,
    /// What becomes permanent when a hotword ends here.
    done: f32,
}

impl Default for Hotwords {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], most: 0.0 }
    }
}

impl Hotwords {
    pub(in crate::decode) fn new(hotwords: &[Hotword]) -> Result<Self> {
        let mut nodes = vec![Node::default()];
        // What a character adds on the way to the best of the hotwords that it may belong to, and what the whole of one adds.
        let mut boosts = vec![0.0f32];
        let mut ends = vec![None];
        for hotword in hotwords {
            let words: Vec<&str> = hotword.text.split_whitespace().collect();
            if words.is_empty() || !hotword.boost.is_finite() {
                let found = format!("{:?} with {}", hotword.text, hotword.boost);
                return Err(Error::invalid("hotword", "a word and a finite boost", found));
            }
            let phrase: String =
                words.iter().flat_map(|word| [WORD_BOUNDARY.to_string(), (*word).to_owned()]).collect();
            let mut at = 0;
            for c in phrase.chars().chain([WORD_BOUNDARY]) {
                let new = nodes.len() as u32;
                let next = *nodes[at].next.entry(c).or_insert(new);
                if next == new {
                    nodes.push(Node::default());
                    boosts.push(f32::NEG_INFINITY);
                    ends.push(None);
                }
                at = next as usize;
                let boost = if c == WORD_BOUNDARY { 0.0 } else { hotword.boost };
                boosts[at] = boosts[at].max(boost);
            }
            let letters = phrase.chars().filter(|c| *c != WORD_BOUNDARY).count();
            let whole = hotword.boost * letters as f32;
            ends[at] = Some(ends[at].map_or(whole, |other: f32| other.max(whole)));
        }
        let most = hotwords.iter().map(|hotword| hotword.boost.abs()).fold(0.0, f32::max);
        let longest = hotwords.iter().map(|hotword| hotword.text.chars().count()).max().unwrap_or(0);
        // A negative boost is given back all at once where its hotword breaks off, and of hotwords that share a beginning the
        // longer one makes up for the shorter.
        let first = hotwords.first().map_or(0.0, |hotword| hotword.boost);
        let all_at_once = hotwords.iter().any(|hotword| hotword.boost < 0.0 || hotword.boost != first);
        let mut hotwords = Self { nodes, most: if all_at_once { most * longest as f32 } else { most } };
        hotwords.connect(&boosts, &ends);
        Ok(hotwords)
    }

    /// Sets what each node adds and where it falls back to, breadth first.
    fn connect(&mut self, boosts: &[f32], ends: &[Option<f32>]) {
        let mut queue = VecDeque::from([0usize]);
        // Along each path, what its characters add and what became permanent.
        let mut sums = vec![(0.0, 0.0); boosts.len()];
        while let Some(parent) = queue.pop_front() {
            let children: Vec<(char, u32)> = self.nodes[parent].next.iter().map(|(c, node)| (*c, *node)).collect();
            for (c, child) in children {
                let child = child as usize;
                let fail = if parent == 0 { 0 } else { self.step(self.nodes[parent].fail, c) };
                let (sum, granted) = sums[parent];
                let sum = sum + boosts[child];
                let own = ends[child].map(|whole| whole - granted);
                sums[child] = (sum, granted + own.unwrap_or(0.0));
                // A shorter hotword at the end of this text ends with it, unless a longer one does.
                let done = own.unwrap_or(self.nodes[fail as usize].done);
                let node = &mut self.nodes[child];
                node.fail = fail;
                node.done = done;
                node.pending = if own.is_some() { 0.0 } else { sum - granted };
                queue.push_back(child);
            }
        }
    }

    fn step(&self, mut state: u32, c: char) -> u32 {
        loop {
            let node = &self.nodes[state as usize];
            match node.next.get(&c) {
                Some(&next) => return next,
                None if state == 0 => return 0,
                None => state = node.fail,
            }
        }
    }

    pub(in crate::decode) fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// The most that one character can add.
    pub(in crate::decode) fn most(&self) -> f64 {
        self.most.into()
    }

    /// The state at the beginning of a text.
    pub(in crate::decode) fn begin(&self) -> u32 {
        self.step(0, WORD_BOUNDARY)
    }

    /// The state after more characters, and what became permanent on the way.
    pub(in crate::decode) fn advance(&self, state: u32, text: &str) -> (u32, f32) {
        text.chars().fold((state, 0.0), |(state, sum), c| {
            let next = self.step(state, c);
            (next, sum + self.nodes[next as usize].done)
        })
    }

    /// What an unfinished hotword adds for now.
    pub(in crate::decode) fn pending(&self, state: u32) -> f32 {
        self.nodes[state as usize].pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(hotwords: &Hotwords, text: &str) -> (f32, f32) {
        let (state, sum) = hotwords.advance(hotwords.begin(), text);
        let (_, last) = hotwords.advance(state, "▁");
        (sum + hotwords.pending(state), sum + last)
    }

    #[test]
    fn only_whole_hotwords_leave_a_boost() {
        let list = [("iced mocha", 1.0), ("mocha", 0.5), ("iced mocha latte", 2.0), ("oat", 1.0)];
        let list = list.map(|(text, boost)| Hotword { text: text.to_owned(), boost });
        let hotwords = Hotwords::new(&list).unwrap();
        for (text, open, ended) in [
            ("▁ic", 4.0, 0.0),
            ("▁iced", 8.0, 0.0),
            ("▁ice▁cream", 0.0, 0.0),
            ("▁oats", 0.0, 0.0),
            ("▁oat", 3.0, 3.0),
            ("▁oat▁oat", 6.0, 6.0),
            ("▁goat", 0.0, 0.0),
            ("▁hot▁mocha", 2.5, 2.5),
            ("▁mochas", 0.0, 0.0),
        ] {
            assert_eq!(total(&hotwords, text), (open, ended), "{text}");
        }
        let (_, longer) = total(&hotwords, "▁iced▁mocha▁latte");
        let (_, shorter) = total(&hotwords, "▁iced▁mocha▁please");
        assert_eq!((longer, shorter), (28.0, 9.0));

        let list = [("oat milk", 2.0), ("oat", -1.0)];
        let hotwords = Hotwords::new(&list.map(|(text, boost)| Hotword { text: text.to_owned(), boost })).unwrap();
        assert_eq!(total(&hotwords, "▁oat").1, -3.0);
        assert_eq!(total(&hotwords, "▁oat▁tea").1, -3.0);
        assert_eq!(total(&hotwords, "▁oat▁milk").1, 14.0);
    }

    #[test]
    fn bad_hotwords_are_refused() {
        for (text, boost) in [("  ", 1.0), ("word", f32::NAN)] {
            assert!(Hotwords::new(&[Hotword { text: text.to_owned(), boost }]).is_err());
        }
        assert!(Hotwords::new(&[]).unwrap().is_empty());
    }
}
