//! Dialogues that a generator writes: one assistant, "Rejoinder", and people who talk to it by voice.
//!
//! Everything follows from a seed. What a person says is drawn from a phrase language; what the tools answer is
//! computed by the very tools of the assistant ([`rejoinder_models::llm::tools`]).

use rand::SeedableRng;
use rand::seq::IndexedRandom;

mod chat;
mod coffee;
mod noise;
mod phrase;
mod request;
mod scene;
mod shopping;
mod sums;
mod timers;
mod writer;

pub use noise::Noise;
pub use writer::{Dialogue, Line, Writer, WriterConfig};

use phrase::{Chance, chance};
use request::Request;

/// What a turn is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// A coffee order.
    Coffee,
    /// Small talk and questions about the assistant.
    Chat,
    /// Time and date.
    Clock,
    /// Timers.
    Timers,
    /// Arithmetic.
    Sums,
    /// Conversion of units.
    Units,
    /// The shopping list.
    Shopping,
    /// Two requests in one sentence.
    Two,
    /// Words that the assistant is to repeat.
    Echo,
    /// Requests that the assistant cannot fulfil.
    Refusal,
    /// Input that makes no sense.
    Unclear,
}

impl Domain {
    /// All domains.
    pub const ALL: [Self; 11] = [
        Self::Coffee,
        Self::Chat,
        Self::Clock,
        Self::Timers,
        Self::Sums,
        Self::Units,
        Self::Shopping,
        Self::Two,
        Self::Echo,
        Self::Refusal,
        Self::Unclear,
    ];
}

/// How often each domain comes, relative to the others.
pub type Weights = [(Domain, f64)];

/// The usual mix of what people say, rich in coffee orders.
pub const SPOKEN_MIX: &Weights = &[
    (Domain::Coffee, 5.0),
    (Domain::Chat, 1.2),
    (Domain::Clock, 0.8),
    (Domain::Timers, 1.5),
    (Domain::Sums, 1.2),
    (Domain::Units, 1.0),
    (Domain::Shopping, 1.2),
    (Domain::Two, 0.5),
    (Domain::Refusal, 1.0),
];

pub(crate) fn draw(rng: &mut Chance, weights: &Weights) -> Domain {
    weights.choose_weighted(rng, |(_, weight)| *weight).map_or(Domain::Chat, |(domain, _)| *domain)
}

/// `n` sentences as people would say them to the assistant: lower case, numbers as words, apostrophes but no other
/// punctuation, no recognition errors. For synthetic speech and for counting n-grams. The same seed gives the same
/// sentences. For [`Domain::Unclear`] and [`Domain::Echo`], of which anything may be a sentence, small talk stands in.
pub fn spoken_sentences(seed: u64, n: usize, weights: &Weights) -> Vec<String> {
    let mut rng = Chance::seed_from_u64(seed);
    (0..n)
        .map(|_| {
            let domain = draw(&mut rng, weights);
            spoken_sentence(&mut rng, domain)
        })
        .collect()
}

fn spoken_sentence(rng: &mut Chance, domain: Domain) -> String {
    match domain {
        Domain::Coffee => {
            let order = coffee::Order::random(rng);
            match rand::Rng::random_range(rng, 0..20) {
                0 => coffee::corrected_sentence(rng).0,
                1 => coffee::change(rng, &order).0,
                2 => coffee::without_drink(rng).0,
                3 => coffee::noun_phrase(rng, &order),
                4 => {
                    let clean = coffee::sentence(rng, &order);
                    coffee::hesitate(rng, &clean)
                }
                5 if chance(rng, 40) => coffee::off_menu(rng).0,
                _ => coffee::sentence(rng, &order),
            }
        }
        Domain::Chat | Domain::Unclear | Domain::Echo => match rand::Rng::random_range(rng, 0..10) {
            0 => chat::go_on(rng),
            1 | 2 => chat::STORIES.choose(rng).map(|(asks, ..)| chat::ask(rng, asks, &[])).unwrap_or_default(),
            _ => chat::TOPICS.choose(rng).map(|topic| chat::ask(rng, topic.asks, &[])).unwrap_or_default(),
        },
        Domain::Refusal => chat::REFUSALS.choose(rng).map(|topic| chat::ask(rng, topic.asks, &[])).unwrap_or_default(),
        Domain::Clock => Request::clock(rng).said,
        Domain::Timers => timers::spoken(rng),
        Domain::Sums if chance(rng, 8) => sums::further(rng, 10).0,
        Domain::Sums => Request::sum(rng).said,
        Domain::Units => Request::conversion(rng).said,
        Domain::Shopping => Request::shopping(rng, &Noise::default(), &[]).said,
        Domain::Two => Request::two(rng, &Noise::default()).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_follow_from_the_seed_and_are_clean() {
        let sentences = spoken_sentences(7, 5000, SPOKEN_MIX);
        assert_eq!(sentences, spoken_sentences(7, 5000, SPOKEN_MIX));
        assert_ne!(sentences[..50], spoken_sentences(8, 50, SPOKEN_MIX)[..]);
        for sentence in &sentences {
            assert!(!sentence.is_empty());
            assert!(sentence.chars().all(|c| c.is_ascii_lowercase() || c == ' ' || c == '\''), "{sentence:?}");
            assert!(!sentence.contains("  ") && sentence.trim() == sentence, "{sentence:?}");
        }
        let distinct: std::collections::HashSet<&String> = sentences.iter().collect();
        assert!(distinct.len() > 3500, "only {} of 5000 sentences differ", distinct.len());
        assert!(
            sentences.iter().filter(|s| s.contains("latte") || s.contains("mocha") || s.contains("coffee")).count()
                > 1200
        );
    }
}
