//! The n-gram model over graphones: counts, Kneser-Ney smoothing, pruning.
//!
//! Interpolated Kneser-Ney with one discount for each order (S. F. Chen and J. Goodman, "An empirical study of smoothing
//! techniques for language modeling", 1998, section 2.7); n-grams that are pruned leave their mass to the back-off.

use std::collections::HashMap;

use rejoinder_models::tts::g2p::{BEGIN, END, Node};

/// At most this many units in an n-gram: their 16-bit numbers share a 128-bit key.
pub const MAX_ORDER: usize = 8;

type Key = u128;
type Counts = HashMap<Key, u32>;

/// Units are numbered from 0; a key holds each plus one, so that keys of different lengths differ.
fn push(key: Key, unit: u16) -> Key {
    (key << 16) | Key::from(unit + 1)
}

fn key(units: &[u16]) -> Key {
    units.iter().fold(0, |k, &u| push(k, u))
}

fn last(key: Key) -> u16 {
    (key & 0xFFFF) as u16 - 1
}

fn context(key: Key) -> Key {
    key >> 16
}

fn suffix(key: Key, length: usize) -> Key {
    key & ((1 << (16 * (length - 1))) - 1)
}

struct Order {
    /// Raw counts at the top and after [`BEGIN`]; elsewhere the number of different units in front.
    counts: Counts,
    probabilities: HashMap<Key, f64>,
    backoffs: HashMap<Key, f64>,
}

/// Estimates a model of `order` from sequences of units (without [`BEGIN`] and [`END`]). N-grams of three units and
/// more that were seen fewer than `min_count` times are left out.
pub fn estimate(sequences: &[Vec<u16>], units: usize, order: usize, min_count: u32) -> Node {
    let order = order.clamp(2, MAX_ORDER);
    let raw = count(sequences, order);
    let mut orders = continuation_counts(&raw, order);
    for n in 1..=order {
        smooth(&mut orders, n, units);
    }
    for n in 3..=order {
        let kept = &raw[n - 1];
        orders[n - 1].probabilities.retain(|key, _| kept[key] >= min_count);
    }
    for n in 2..=order {
        set_backoffs(&mut orders, n);
    }
    let mut root = Node::default();
    grow(&mut root, 0, 1, &orders, &children(&orders));
    root
}

fn count(sequences: &[Vec<u16>], order: usize) -> Vec<Counts> {
    let mut raw = vec![Counts::new(); order];
    for sequence in sequences {
        let whole: Vec<u16> = [BEGIN].into_iter().chain(sequence.iter().copied()).chain([END]).collect();
        for end in 1..=whole.len() {
            for n in 1..=order.min(end) {
                *raw[n - 1].entry(key(&whole[end - n..end])).or_default() += 1;
            }
        }
    }
    raw
}

fn continuation_counts(raw: &[Counts], order: usize) -> Vec<Order> {
    let top_of = |n: usize| {
        let mut counts = Counts::new();
        if n == order {
            counts.clone_from(&raw[n - 1]);
        } else {
            for key in raw[n].keys() {
                *counts.entry(suffix(*key, n + 1)).or_default() += 1;
            }
            let first = |key: Key| (key >> (16 * (n - 1))) as u16 - 1;
            counts.extend(raw[n - 1].iter().filter(|(key, _)| first(**key) == BEGIN));
        }
        Order { counts, probabilities: HashMap::new(), backoffs: HashMap::new() }
    };
    (1..=order).map(top_of).collect()
}

fn smooth(orders: &mut [Order], n: usize, units: usize) {
    let counts = std::mem::take(&mut orders[n - 1].counts);
    let seen = |times: u32| counts.values().filter(|&&c| c == times).count() as f64;
    let discount = (seen(1) / (seen(1) + 2.0 * seen(2)).max(1.0)).clamp(0.1, 0.9);
    let mut totals: HashMap<Key, (f64, f64)> = HashMap::new();
    for (key, &count) in &counts {
        let total = totals.entry(context(*key)).or_default();
        total.0 += f64::from(count);
        total.1 += 1.0;
    }
    let probabilities = counts.iter().map(|(key, &count)| {
        let (total, kinds) = totals[&context(*key)];
        let lower = match n {
            1 => 1.0 / units as f64,
            _ => orders[n - 2].probabilities.get(&suffix(*key, n)).copied().unwrap_or(1e-9),
        };
        (*key, (f64::from(count) - discount + discount * kinds * lower) / total)
    });
    orders[n - 1].probabilities = probabilities.collect();
}

fn set_backoffs(orders: &mut [Order], n: usize) {
    let mut mass: HashMap<Key, (f64, f64)> = HashMap::new();
    for (key, p) in &orders[n - 1].probabilities {
        let lower = orders[n - 2].probabilities.get(&suffix(*key, n)).copied().unwrap_or(0.0);
        let sums = mass.entry(context(*key)).or_default();
        sums.0 += p;
        sums.1 += lower;
    }
    let weight = |(p, lower): (f64, f64)| ((1.0 - p).max(1e-4) / (1.0 - lower).max(1e-4)).min(1.0);
    orders[n - 2].backoffs = mass.into_iter().map(|(key, sums)| (key, weight(sums))).collect();
}

/// For each context, its continuations.
fn children(orders: &[Order]) -> Vec<HashMap<Key, Vec<u16>>> {
    let of = |order: &Order| {
        let mut map: HashMap<Key, Vec<u16>> = HashMap::new();
        for key in order.probabilities.keys() {
            map.entry(context(*key)).or_default().push(last(*key));
        }
        map.values_mut().for_each(|units| units.sort_unstable());
        map
    };
    orders.iter().map(of).collect()
}

fn grow(node: &mut Node, at: Key, n: usize, orders: &[Order], children: &[HashMap<Key, Vec<u16>>]) {
    let (Some(order), Some(units)) = (orders.get(n - 1), children.get(n - 1).and_then(|c| c.get(&at))) else { return };
    for &unit in units {
        let key = push(at, unit);
        let mut child = Node { unit, cost: -order.probabilities[&key].ln() as f32, ..Node::default() };
        grow(&mut child, key, n + 1, orders, children);
        if !child.children.is_empty() {
            child.backoff = -order.backoffs.get(&key).copied().unwrap_or(1.0).ln() as f32;
        }
        node.children.push(child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(node: &Node) -> f64 {
        node.children.iter().map(|c| f64::from(-c.cost).exp()).sum()
    }

    #[test]
    fn unigrams_add_up_to_one_and_contexts_to_less() {
        let sequences = vec![vec![2, 3, 2, 4], vec![2, 3, 4], vec![4, 2, 3, 2]];
        let root = estimate(&sequences, 5, 3, 1);
        assert!((total(&root) - 1.0).abs() < 0.05, "{}", total(&root));
        let two = root.children.iter().find(|c| c.unit == 2).unwrap();
        assert!(total(two) < 1.0);
        let three = two.children.iter().find(|c| c.unit == 3).unwrap();
        let four = two.children.iter().find(|c| c.unit == 4).unwrap();
        assert!(three.cost < four.cost, "2 is mostly followed by 3: {} and {}", three.cost, four.cost);
    }
}
