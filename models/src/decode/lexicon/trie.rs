use std::collections::HashMap;

use crate::decode::ngram::Ngram;
use crate::{Error, Result};

/// The node before the first phone of a word.
pub(super) const ROOT: u32 = 0;

/// The names of phones by their numbers; the blank is among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phones {
    names: Vec<String>,
}

impl Phones {
    /// Reads lines of a name and its number, as in a token list.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the numbers are not 0, 1, 2 and so on, or a name comes twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut fields = line.split_whitespace();
            match (fields.next(), fields.next().and_then(|number| number.parse::<usize>().ok())) {
                (Some(name), Some(number)) if number == names.len() && !names.iter().any(|n| n == name) => {
                    names.push(name.to_owned());
                }
                _ => {
                    let expected = format!("a new name and the number {}", names.len());
                    return Err(Error::invalid("phone list", expected, line));
                }
            }
        }
        Ok(Self { names })
    }

    /// How many there are, the blank included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// All words of a lexicon by their phones: a tree whose paths are pronunciations.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// The children of all nodes, phone by phone, those of a node together.
    children: Vec<(u32, u32)>,
    /// The words of all nodes by their numbers in the language model, those of a node together.
    words: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    phone: u32,
    children: (u32, u32),
    words: (u32, u32),
    /// The best unigram of the words below, a natural logarithm.
    best: f32,
}

impl Trie {
    /// The tree of the lines of `lexicon`, a word and its phones each; a word may have several lines. Words that the
    /// language model does not know are left out.
    pub(super) fn new(lexicon: &str, phones: &Phones, blank: u32, lm: &Ngram) -> Result<Self> {
        let numbers: HashMap<&str, u32> = phones.names.iter().map(String::as_str).zip(0..).collect();
        let mut entries: Vec<(Vec<u32>, u32)> = Vec::new();
        for line in lexicon.lines().filter(|line| !line.trim().is_empty()) {
            let mut fields = line.split_whitespace();
            let word = fields.next().unwrap_or_default();
            let wrong = |found: &str| Error::invalid("lexicon", "a word and its phones, all in the phone list", found);
            let number = |name| numbers.get(name).copied().filter(|n| *n != blank).ok_or_else(|| wrong(line));
            let spoken = fields.map(number).collect::<Result<Vec<u32>>>()?;
            if spoken.is_empty() {
                return Err(wrong(line));
            }
            if lm.knows(word) {
                entries.push((spoken, lm.id(word)));
            }
        }
        entries.sort_unstable();
        entries.dedup();
        if entries.is_empty() {
            return Err(Error::invalid("lexicon", "words that the language model knows", "none"));
        }
        let mut trie = Self { nodes: Vec::new(), children: Vec::new(), words: Vec::new() };
        trie.grow(&entries, 0, 0, lm);
        Ok(trie)
    }

    /// Adds the node that all `entries` share `depth` phones of, and all below it. Returns its number.
    fn grow(&mut self, entries: &[(Vec<u32>, u32)], depth: usize, phone: u32, lm: &Ngram) -> u32 {
        let own = self.nodes.len() as u32;
        self.nodes.push(Node { phone, ..Node::default() });
        let (here, below) = entries.split_at(entries.partition_point(|(phones, _)| phones.len() == depth));
        let first_word = self.words.len() as u32;
        self.words.extend(here.iter().map(|(_, word)| *word));
        let mut best = here.iter().map(|(_, word)| lm.unigram(*word)).fold(f32::NEG_INFINITY, f32::max);
        let mut children = Vec::new();
        for group in below.chunk_by(|a, b| a.0[depth] == b.0[depth]) {
            let next = group[0].0[depth];
            let child = self.grow(group, depth + 1, next, lm);
            best = best.max(self.nodes[child as usize].best);
            children.push((next, child));
        }
        let first_child = self.children.len() as u32;
        self.children.extend(children);
        self.nodes[own as usize] = Node {
            phone,
            children: (first_child, self.children.len() as u32),
            words: (first_word, first_word + here.len() as u32),
            best,
        };
        own
    }

    /// The phone that leads to a node; for the root, 0.
    pub(super) fn phone(&self, node: u32) -> u32 {
        self.nodes[node as usize].phone
    }

    /// The best unigram of the words below a node.
    pub(super) fn best(&self, node: u32) -> f32 {
        self.nodes[node as usize].best
    }

    /// The nodes that one more phone leads to, with the phone.
    pub(super) fn children(&self, node: u32) -> &[(u32, u32)] {
        let (from, to) = self.nodes[node as usize].children;
        &self.children[from as usize..to as usize]
    }

    /// The words that sound like the way to a node.
    pub(super) fn words(&self, node: u32) -> &[u32] {
        let (from, to) = self.nodes[node as usize].words;
        &self.words[from as usize..to as usize]
    }

    /// Whether some path spells the word with this number.
    pub(super) fn has(&self, word: u32) -> bool {
        self.words.contains(&word)
    }
}
