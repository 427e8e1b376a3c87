//! Which letters make which phones: a many-to-many alignment by expectation maximization.
//!
//! S. Jiampojamarn, G. Kondrak and T. Sherif, "Applying many-to-many alignments and hidden Markov models to
//! letter-to-phoneme conversion", NAACL-HLT 2007; here with one letter to none, one or two phones, or two letters to
//! one phone.

use std::collections::HashMap;

use rejoinder_models::tts::g2p::Graphone;

/// A word with its phones.
pub type Pronunciation = (Vec<u8>, Vec<u8>);

/// (letters, phones) of each kind of graphone.
const SHAPES: [(usize, usize); 4] = [(1, 1), (1, 0), (2, 1), (1, 2)];

type Costs = HashMap<Graphone, f64>;

struct Arc {
    to: usize,
    from: usize,
    unit: Graphone,
}

/// Aligns a dictionary. Words that cannot be aligned (more than two phones a letter) give `None`.
pub fn align(words: &[Pronunciation], rounds: usize) -> Vec<Option<Vec<Graphone>>> {
    let mut probabilities = Costs::new();
    for round in 0..rounds {
        let mut counts = Costs::new();
        for (letters, phones) in words {
            expect(letters, phones, &probabilities, round == 0, &mut counts);
        }
        let total: f64 = counts.values().sum();
        counts.values_mut().for_each(|c| *c /= total);
        probabilities = counts;
    }
    words.iter().map(|(letters, phones)| best(letters, phones, &probabilities)).collect()
}

/// The arcs of a word's lattice in topological order; node `(i, j)` has the number `i * (phones + 1) + j`.
fn arcs(letters: &[u8], phones: &[u8]) -> Vec<Arc> {
    let width = phones.len() + 1;
    let mut arcs = Vec::new();
    for i in 0..letters.len() {
        for j in 0..width {
            for (a, b) in SHAPES {
                if i + a <= letters.len() && j + b < width {
                    let unit = Graphone { letters: letters[i..i + a].to_vec(), phones: phones[j..j + b].to_vec() };
                    arcs.push(Arc { from: i * width + j, to: (i + a) * width + j + b, unit });
                }
            }
        }
    }
    arcs
}

/// Before anything is known, one letter for one phone is likeliest.
fn prior(unit: &Graphone) -> f64 {
    match (unit.letters.len(), unit.phones.len()) {
        (1, 1) => 1.0,
        (1, 0) => 0.2,
        (2, 1) => 0.05,
        _ => 0.01,
    }
}

fn expect(letters: &[u8], phones: &[u8], probabilities: &Costs, first: bool, counts: &mut Costs) {
    let arcs = arcs(letters, phones);
    let weight = |unit: &Graphone| if first { prior(unit) } else { probabilities.get(unit).copied().unwrap_or(0.0) };
    let weights: Vec<f64> = arcs.iter().map(|arc| weight(&arc.unit)).collect();
    let end = letters.len() * (phones.len() + 1) + phones.len();
    let (mut forward, mut backward) = (vec![0.0; end + 1], vec![0.0; end + 1]);
    forward[0] = 1.0;
    for (arc, w) in arcs.iter().zip(&weights) {
        forward[arc.to] += forward[arc.from] * w;
    }
    backward[end] = 1.0;
    for (arc, w) in arcs.iter().zip(&weights).rev() {
        backward[arc.from] += backward[arc.to] * w;
    }
    if forward[end] <= 0.0 {
        return;
    }
    for (arc, w) in arcs.into_iter().zip(weights) {
        let posterior = forward[arc.from] * w * backward[arc.to] / forward[end];
        if posterior > 1e-6 {
            *counts.entry(arc.unit).or_default() += posterior;
        }
    }
}

fn best(letters: &[u8], phones: &[u8], probabilities: &Costs) -> Option<Vec<Graphone>> {
    let arcs = arcs(letters, phones);
    let end = letters.len() * (phones.len() + 1) + phones.len();
    let mut cost = vec![f64::INFINITY; end + 1];
    let mut via = vec![usize::MAX; end + 1];
    cost[0] = 0.0;
    for (at, arc) in arcs.iter().enumerate() {
        let Some(p) = probabilities.get(&arc.unit) else { continue };
        let through = cost[arc.from] - p.ln();
        if through < cost[arc.to] {
            (cost[arc.to], via[arc.to]) = (through, at);
        }
    }
    let mut units = Vec::new();
    let mut node = end;
    while node != 0 {
        let arc = arcs.get(*via.get(node)?)?;
        units.push(arc.unit.clone());
        node = arc.from;
    }
    units.reverse();
    Some(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_and_double_letters_find_their_phones() {
        let word = |letters: &str, phones: &[u8]| (letters.bytes().collect::<Vec<_>>(), phones.to_vec());
        let words = [
            word("at", &[40, 30]),
            word("bat", &[9, 40, 30]),
            word("hat", &[13, 40, 30]),
            word("that", &[10, 40, 30]),
            word("tab", &[30, 40, 9]),
            word("bath", &[9, 40, 25]),
        ];
        let aligned = align(&words, 8);
        let units = aligned[3].clone().unwrap();
        let joined: Vec<u8> = units.iter().flat_map(|u| u.letters.clone()).collect();
        assert_eq!(joined, b"that");
        assert_eq!(units.iter().flat_map(|u| u.phones.clone()).collect::<Vec<_>>(), [10, 40, 30]);
        assert_eq!(units[units.len() - 1], Graphone { letters: b"t".to_vec(), phones: vec![30] });
        assert_eq!(aligned[1].as_ref().unwrap().len(), 3);
        assert!(align(&[word("a", &[40, 30, 9])], 2)[0].is_none());
    }
}
