//! Letters to sound by a joint n-gram model.
//!
//! A word is read as a sequence of *graphones*, pairs of one or two letters and none, one or two phones, and an n-gram
//! model with back-off scores the sequence (M. Bisani and H. Ney, "Joint-sequence models for grapheme-to-phoneme
//! conversion", Speech Communication 50, 2008). A beam search over the letters finds the best one.

mod file;

use std::collections::HashMap;

use super::phones;

/// Natural logarithms are stored in steps of this size, in a byte.
pub const LOG_STEP: f32 = 1.0 / 16.0;
/// The unit that begins every word.
pub const BEGIN: u16 = 0;
/// The unit that ends every word.
pub const END: u16 = 1;
const NONE: u32 = u32::MAX;

/// A pair of letters and phones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Graphone {
    /// One or two letters; none for [`BEGIN`] and [`END`].
    pub letters: Vec<u8>,
    /// None, one or two phones.
    pub phones: Vec<u8>,
}

/// A node of the n-gram tree: the n-gram that leads from the root to it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its last unit.
    pub unit: u16,
    /// Minus the natural logarithm of its probability given the units before it.
    pub cost: f32,
    /// Minus the logarithm of the back-off weight of its units as a context.
    pub backoff: f32,
    /// Its continuations, by unit.
    pub children: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Flat {
    unit: u16,
    cost: u8,
    backoff: u8,
    first_child: u32,
    children: u32,
    suffix: u32,
}

/// A trained model.
#[derive(Clone, Debug)]
pub struct G2p {
    units: Vec<Graphone>,
    nodes: Vec<Flat>,
    order: usize,
    by_letters: HashMap<Vec<u8>, Vec<u16>>,
}

#[derive(Clone)]
struct Hypothesis {
    cost: f32,
    state: u32,
    phones: Vec<u8>,
}

impl G2p {
    /// A model from its units (the first two are [`BEGIN`] and [`END`]) and its n-gram tree. The children of each node
    /// are sorted by unit; with an n-gram its suffix is present too.
    pub fn new(units: Vec<Graphone>, root: Node) -> Self {
        let mut nodes = vec![flat(&root)];
        let mut level = vec![(0, root)];
        let mut order = 0;
        while level.iter().any(|(_, n)| !n.children.is_empty()) {
            order += 1;
            let mut next = Vec::new();
            for (at, node) in level {
                nodes[at].first_child = nodes.len() as u32;
                nodes[at].children = node.children.len() as u32;
                for child in node.children {
                    next.push((nodes.len(), child.clone()));
                    nodes.push(flat(&child));
                }
            }
            level = next;
        }
        Self::from_parts(units, nodes, order)
    }

    fn from_parts(units: Vec<Graphone>, nodes: Vec<Flat>, order: usize) -> Self {
        let mut by_letters: HashMap<Vec<u8>, Vec<u16>> = HashMap::new();
        for (i, unit) in units.iter().enumerate().skip(2) {
            by_letters.entry(unit.letters.clone()).or_default().push(i as u16);
        }
        let mut model = Self { units, nodes, order, by_letters };
        model.link_suffixes();
        model
    }

    fn link_suffixes(&mut self) {
        let mut level = vec![(0u32, 0u32)];
        let mut depth = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for (at, suffix) in level {
                self.nodes[at as usize].suffix = suffix;
                let node = self.nodes[at as usize];
                for child in node.first_child..node.first_child + node.children {
                    let unit = self.nodes[child as usize].unit;
                    let to = if depth == 0 { 0 } else { self.child(suffix, unit).unwrap_or(0) };
                    next.push((child, to));
                }
            }
            level = next;
            depth += 1;
        }
    }

    fn child(&self, node: u32, unit: u16) -> Option<u32> {
        let node = self.nodes[node as usize];
        let (first, end) = (node.first_child as usize, (node.first_child + node.children) as usize);
        let found = self.nodes.get(first..end)?.binary_search_by_key(&unit, |n| n.unit).ok()?;
        Some((first + found) as u32)
    }

    /// The cost of a unit in a state, and the state after it.
    fn step(&self, mut state: u32, unit: u16) -> Option<(f32, u32)> {
        let mut backoff = 0.0;
        loop {
            if let Some(child) = self.child(state, unit) {
                let node = self.nodes[child as usize];
                let next = if node.children == 0 { node.suffix } else { child };
                return Some((backoff + f32::from(node.cost) * LOG_STEP, next));
            }
            if state == 0 {
                return None;
            }
            let node = self.nodes[state as usize];
            backoff += f32::from(node.backoff) * LOG_STEP;
            state = node.suffix;
        }
    }

    /// The most likely phones of a lower-case word. Characters that the model has never seen are silent.
    pub fn phones(&self, word: &str) -> Vec<u8> {
        const BEAM: usize = 24;
        const WIDTH: f32 = 7.0;
        let letters: Vec<u8> = word.bytes().filter(|&b| self.by_letters.contains_key(&[b][..])).collect();
        let start = self.child(0, BEGIN).unwrap_or(0);
        let mut beams: Vec<Vec<Hypothesis>> = vec![Vec::new(); letters.len() + 1];
        beams[0].push(Hypothesis { cost: 0.0, state: start, phones: Vec::new() });
        for at in 0..letters.len() {
            let mut hypotheses = std::mem::take(&mut beams[at]);
            hypotheses.sort_by(|a, b| a.cost.total_cmp(&b.cost));
            let limit = hypotheses.first().map_or(0.0, |h| h.cost) + WIDTH;
            for hypothesis in hypotheses.iter().take(BEAM).take_while(|h| h.cost <= limit) {
                for width in 1..=2.min(letters.len() - at) {
                    for &unit in self.by_letters.get(&letters[at..at + width]).into_iter().flatten() {
                        self.extend(hypothesis, unit, limit + WIDTH, &mut beams[at + width]);
                    }
                }
            }
        }
        let last = beams.pop().unwrap_or_default();
        let ended = last.into_iter().filter_map(|h| Some((h.cost + self.step(h.state, END)?.0, h.phones)));
        ended.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, phones)| phones).unwrap_or_default()
    }

    fn extend(&self, from: &Hypothesis, unit: u16, limit: f32, into: &mut Vec<Hypothesis>) {
        let Some((cost, state)) = self.step(from.state, unit) else { return };
        let cost = from.cost + cost;
        if cost > limit {
            return;
        }
        let added = &self.units[usize::from(unit)].phones;
        let same = |h: &&mut Hypothesis| {
            h.state == state && h.phones.len() == from.phones.len() + added.len() && {
                let (head, tail) = h.phones.split_at(from.phones.len());
                head == from.phones && tail == added
            }
        };
        if let Some(known) = into.iter_mut().find(same) {
            known.cost = known.cost.min(cost);
            return;
        }
        let mut phones = from.phones.clone();
        phones.extend(added);
        into.push(Hypothesis { cost, state, phones });
    }

    /// The number of n-grams.
    pub fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Whether the model knows no n-gram.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() <= 1
    }

    /// The longest n-gram.
    pub fn order(&self) -> usize {
        self.order
    }
}

fn flat(node: &Node) -> Flat {
    let byte = |x: f32| (x / LOG_STEP).round().clamp(0.0, 255.0) as u8;
    Flat {
        unit: node.unit,
        cost: byte(node.cost),
        backoff: byte(node.backoff),
        first_child: 0,
        children: 0,
        suffix: NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `c` is K, but S before `e`; `e` is EH.
    fn tiny() -> G2p {
        let unit = |letters: &str, names: &[&str]| Graphone {
            letters: letters.bytes().collect(),
            phones: names.iter().map(|n| phones::id(n).unwrap()).collect(),
        };
        let units = vec![unit("", &[]), unit("", &[]), unit("c", &["K"]), unit("c", &["S"]), unit("e", &["EH1"])];
        let leaf = |unit, cost| Node { unit, cost, ..Node::default() };
        let with = |unit, cost, children| Node { unit, cost, backoff: 1.0, children };
        let root = Node {
            children: vec![
                leaf(BEGIN, 15.0),
                with(END, 1.0, vec![]),
                with(2, 1.0, vec![leaf(4, 6.0)]),
                with(3, 2.0, vec![leaf(4, 0.5)]),
                leaf(4, 1.0),
            ],
            ..Node::default()
        };
        G2p::new(units, root)
    }

    fn read(model: &G2p, word: &str) -> String {
        model.phones(word).iter().map(|&p| phones::name(p)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn context_decides() {
        let model = tiny();
        assert_eq!(read(&model, "c"), "K");
        assert_eq!(read(&model, "ce"), "S EH1");
        assert_eq!(read(&model, "c3e"), "S EH1");
        assert_eq!(read(&model, ""), "");
    }

    #[test]
    fn bytes_lead_back_and_damage_is_noticed() {
        let bytes = tiny().to_bytes();
        let model = G2p::from_bytes(&bytes).unwrap();
        assert_eq!(read(&model, "cec"), read(&tiny(), "cec"));
        assert_eq!(model.to_bytes(), bytes);
        for cut in 0..bytes.len() {
            assert!(G2p::from_bytes(&bytes[..cut]).is_none());
        }
    }
}
