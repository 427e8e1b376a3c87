//! What a recogniser makes of speech: words dropped, misheard, misspelt, joined and split.

use std::collections::{HashMap, HashSet};

use rand::Rng;
use rand::seq::IndexedRandom;

use super::phrase::{Chance, chance};

/// Words whose loss does not change what was meant.
const LIGHT: [&str; 50] = [
    "a", "an", "the", "i", "i'd", "i'll", "i'm", "can", "could", "may", "me", "my", "to", "of", "is", "it", "and",
    "with", "in", "please", "like", "get", "have", "you", "would", "want", "for", "on", "we", "that", "this", "do",
    "does", "are", "just", "um", "uh", "okay", "hi", "hey", "hello", "so", "well", "thanks", "need", "let", "what's",
    "what", "am", "going",
];

/// What recognisers make of the menu's words and of words beside each other, across word boundaries.
const CONFUSIONS: [(&str, &[&str]); 46] = [
    ("a lot of", &["lot of", "a lotta", "allot of", "a lot a", "a load of", "a lot"]),
    ("lots of", &["lotsa", "lots a", "loss of", "lots", "lot so"]),
    ("a little bit of", &["little bit of", "a little bit a", "a little bit", "a little bid of", "a little but of"]),
    ("a bit of", &["bit of", "a bit a", "a bid of", "abit of", "a bit", "a big of"]),
    ("some", &["sum", "som", "summer", "same"]),
    ("drip coffee", &["trip coffee", "grip coffee", "drip copy", "the rip coffee", "dripped coffee"]),
    ("house coffee", &["how's coffee", "house copy", "hose coffee", "the house coffee"]),
    ("iced coffee", &["ice coffee", "ice copy", "i's coffee", "nice coffee", "icecoffee"]),
    ("iced mocha", &["ice mocha", "ice moka", "i smoke a", "nice mocha", "ice mock a", "iced moca"]),
    ("coffee", &["coffe", "cofee", "copy", "caffee", "coughing", "coffees"]),
    ("mocha", &["moca", "moka", "mock a", "mocker", "moker", "moacha", "milk a"]),
    ("latte", &["lotte", "lattay", "late", "lot a", "latay", "ladder", "latta", "law day"]),
    ("cappuccino", &["cappucino", "capuchino", "cup of chino", "cappa chino", "capacino", "cup a chino", "kappuccino"]),
    ("americano", &["americana", "a merry cano", "american o", "american", "ameri cano", "a mericano"]),
    ("espresso", &["expresso", "express o", "espreso", "a spresso", "as presso", "express"]),
    ("sweetener", &["sweetner", "sweeten her", "sweetener's", "sweet nor", "sweeter", "sweden her"]),
    ("brown sugar", &["brown shugar", "browns sugar", "round sugar", "brow sugar", "brown suger", "bran sugar"]),
    ("sugar", &["suger", "shugar", "sugars", "shook her"]),
    ("almond milk", &["almon milk", "all men milk", "armand milk", "almond mill", "amond milk", "almonds milk"]),
    ("soy milk", &["so milk", "soymilk", "soil milk", "soya milk", "sore milk", "toy milk", "soi milk"]),
    ("skim milk", &["skin milk", "scheme milk", "skimmed milk", "skimilk", "scam milk", "ski milk"]),
    ("whole milk", &["hole milk", "home milk", "hol milk", "whole mill", "hold milk", "all milk"]),
    ("cream", &["creme", "cram", "green", "crean", "creams"]),
    ("milk", &["melk", "milks", "mill", "mik", "milke"]),
    ("light roast", &["like roast", "lite roast", "light rost", "light rose", "light toast", "lightroast"]),
    ("medium roast", &["media roast", "medium rose", "medium rost", "medium's roast"]),
    ("dark roast", &["dock roast", "dark rost", "dark rose", "dar roast", "duck roast", "dark roasts"]),
    ("single shot", &["single shut", "singl shot", "single shop", "single short", "signal shot"]),
    ("double shot", &["double shut", "doubl shot", "double shop", "dubble shot", "double shots"]),
    ("triple shot", &["tripple shot", "ripple shot", "triple shop", "triple shut", "trouble shot", "tripleshot"]),
    ("shots", &["shot", "shops", "short"]),
    ("eight ounce", &["ate ounce", "eighth ounce", "eight ounces", "eight ons", "hate ounce"]),
    ("twelve ounce", &["twelve ounces", "twelve ons", "twelf ounce", "tell ounce", "twelve pounds"]),
    ("sixteen ounce", &["sixteen ounces", "sixteen ons", "sixteenth ounce", "sixteen pounds"]),
    ("twenty ounce", &["twenty ounces", "twenty ons", "twentieth ounce", "twenny ounce", "plenty ounce"]),
    ("small", &["smal", "smaller", "smell", "mall", "smoll"]),
    ("medium", &["median", "media", "midium", "medim"]),
    ("large", &["larg", "lodge", "lard", "larger", "larch"]),
    ("timer", &["time her", "timber", "time or", "tymer", "timers"]),
    ("minutes", &["minute", "minuts", "minits", "menus"]),
    ("seconds", &["second", "seckons", "sickens"]),
    ("shopping list", &["shop in list", "shopping lists", "shopping least", "chopping list"]),
    ("what's", &["what is", "was", "what", "wats"]),
    ("times", &["time", "timed", "tines"]),
    ("divided by", &["divide by", "the vided by", "divided buy"]),
    ("plus", &["pluss", "plush", "bus"]),
];

/// A model of recognition errors: neighbours by sound from a pronouncing dictionary, and misspellings as a recogniser
/// without a dictionary makes them.
#[derive(Clone, Debug, Default)]
pub struct Noise {
    neighbours: HashMap<String, Vec<String>>,
    anything: Vec<String>,
}

impl Noise {
    /// Errors for `words`, by a dictionary in the form of the CMU's: a word and its phones a line. A word of `words`
    /// is never taken for another of `words` that is heavy with meaning: "fifteen" stays apart from "fifty".
    pub fn from_lexicon(lexicon: &str, words: &HashSet<String>) -> Self {
        let entries: Vec<(&str, Vec<&str>)> = lexicon
            .lines()
            .filter_map(|line| {
                let (word, phones) = line.split_once(' ')?;
                let plain = word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
                (plain || word == "a" || word == "i").then(|| (word, phones.split_whitespace().collect()))
            })
            .collect();
        let sounds: HashMap<&str, &Vec<&str>> = entries.iter().map(|(word, phones)| (*word, phones)).collect();
        let light: HashSet<&str> = LIGHT.into_iter().collect();
        let mut neighbours = HashMap::new();
        for word in words {
            let Some(phones) = sounds.get(word.as_str()) else { continue };
            let limit = 0.2 + 0.26 * phones.len() as f32;
            let mut near: Vec<(f32, &str)> = entries
                .iter()
                .filter(|(other, heard)| {
                    other != word
                        && heard.len().abs_diff(phones.len()) <= 1
                        && (light.contains(other) || !words.contains(*other))
                })
                .filter_map(|(other, heard)| Some((distance(phones, heard, limit)?, *other)))
                .collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
            neighbours.insert(word.clone(), near.into_iter().take(10).map(|(_, other)| other.to_owned()).collect());
        }
        let anything = entries
            .iter()
            .filter(|(word, _)| word.len() < 9 && !light.contains(word))
            .map(|(word, _)| (*word).to_owned())
            .collect();
        Self { neighbours, anything }
    }

    /// `sentence` as a recogniser might write it, with about `rate` errors a word. Words that nobody could restore,
    /// which stand in `keep`, are heard right.
    pub(crate) fn garble(&self, rng: &mut Chance, sentence: &str, rate: f64, keep: &[&str]) -> String {
        let confused = confuse(rng, sentence, rate * 0.5, keep);
        let mut out: Vec<String> = Vec::new();
        for (word, done) in confused.iter().flat_map(|(part, done)| part.split(' ').map(move |word| (word, *done))) {
            if done || keep.contains(&word) {
                out.push(word.to_owned());
                continue;
            }
            let light = LIGHT.contains(&word);
            if light && rng.random_bool(rate * 0.5) {
                continue;
            }
            if rng.random_bool(rate * 0.12) {
                out.extend(LIGHT.choose(rng).map(|word| (*word).to_owned()));
            }
            let heard = if rng.random_bool(rate * 0.65) { self.mishear(rng, word) } else { word.to_owned() };
            match out.last_mut() {
                Some(last) if rng.random_bool(rate * 0.06) => last.push_str(&heard),
                _ => out.push(heard),
            }
        }
        if out.is_empty() { sentence.to_owned() } else { out.join(" ") }
    }

    fn mishear(&self, rng: &mut Chance, word: &str) -> String {
        match self.neighbours.get(word) {
            Some(near) if !near.is_empty() && chance(rng, 60) => near.choose(rng).cloned().unwrap_or_default(),
            _ => misspell(rng, word),
        }
    }

    /// A word of the dictionary.
    pub(crate) fn any_word(&self, rng: &mut Chance) -> Option<&str> {
        self.anything.choose(rng).map(String::as_str)
    }

    /// Words that mean nothing together.
    pub(crate) fn nonsense(&self, rng: &mut Chance) -> String {
        let count = rng.random_range(1..7);
        let words: Vec<String> = (0..count)
            .map(|_| {
                let any = if chance(rng, 60) { self.anything.choose(rng).cloned() } else { None };
                any.unwrap_or_else(|| {
                    let word = meaningless(rng);
                    misspell(rng, word)
                })
            })
            .collect();
        words.join(" ")
    }
}

/// Cuts a sentence into parts, and puts what a recogniser makes of it, with a chance of `rate`, in the place of each
/// that stands in [`CONFUSIONS`]. The second value tells the parts that were changed.
fn confuse<'a>(rng: &mut Chance, sentence: &'a str, rate: f64, keep: &[&str]) -> Vec<(&'a str, bool)> {
    let (mut parts, mut rest) = (Vec::new(), sentence);
    while !rest.is_empty() {
        let starts =
            |phrase: &str| rest.strip_prefix(phrase).is_some_and(|more| more.is_empty() || more.starts_with(' '));
        let known = CONFUSIONS.iter().find(|(phrase, _)| starts(phrase) && !keep.contains(phrase));
        let (length, heard) = match known {
            Some((phrase, heard)) if rng.random_bool(rate) => (phrase.len(), heard.choose(rng).copied()),
            _ => (rest.find(' ').unwrap_or(rest.len()), None),
        };
        parts.push((heard.unwrap_or(&rest[..length]), heard.is_some()));
        rest = rest[length..].trim_start();
    }
    parts
}

/// A light word that is no greeting, which would mean something by itself.
fn meaningless(rng: &mut Chance) -> &'static str {
    const MEANT: [&str; 7] = ["hi", "hey", "hello", "okay", "well", "thanks", "please"];
    let words: Vec<&str> = LIGHT.into_iter().filter(|word| !MEANT.contains(word)).collect();
    words.choose(rng).copied().unwrap_or("the")
}

fn misspell(rng: &mut Chance, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    for _ in 0..if letters.len() > 5 && chance(rng, 40) { 2 } else { 1 } {
        if letters.len() < 2 {
            break;
        }
        let at = rng.random_range(0..letters.len());
        match rng.random_range(0..6) {
            0 | 1 => {
                letters.remove(at);
            }
            2 | 3 => {
                let similar: &[char] = match letters[at] {
                    'a' | 'e' | 'i' | 'o' | 'u' | 'y' => &['a', 'e', 'i', 'o', 'u'],
                    'c' | 'k' | 'g' | 'q' => &['c', 'k', 'g'],
                    't' | 'd' => &['t', 'd'],
                    's' | 'z' | 'x' => &['s', 'z', 'c'],
                    'p' | 'b' => &['p', 'b'],
                    'f' | 'v' => &['f', 'v'],
                    'm' | 'n' => &['m', 'n'],
                    _ => &['l', 'r', 'h'],
                };
                letters[at] = *similar.choose(rng).unwrap_or(&'e');
            }
            4 => letters.insert(at, letters[at]),
            _ if at > 1 && at + 2 < letters.len() => letters.insert(at, ' '),
            _ => {}
        }
    }
    letters.into_iter().collect()
}

/// A coarse class of sounds; within one class a sound is easily taken for another.
fn class(phone: &str) -> u8 {
    match phone {
        "AA" | "AE" | "AH" | "AO" | "AW" | "AY" | "EH" | "ER" | "EY" | "IH" | "IY" | "OW" | "OY" | "UH" | "UW" => 0,
        "P" | "B" => 1,
        "T" | "D" | "DH" | "TH" => 2,
        "K" | "G" => 3,
        "F" | "V" => 4,
        "S" | "Z" | "SH" | "ZH" | "CH" | "JH" => 5,
        "M" | "N" | "NG" => 6,
        "L" | "R" | "W" | "Y" => 7,
        _ => 8,
    }
}

/// The weighted edit distance of two pronunciations, if it is at most `limit`.
fn distance(a: &[&str], b: &[&str], limit: f32) -> Option<f32> {
    let mut row: Vec<f32> = (0..=b.len()).map(|n| n as f32).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = (i + 1) as f32;
        for (j, y) in b.iter().enumerate() {
            let cost = if x == y {
                0.0
            } else if class(x) == class(y) {
                0.5
            } else {
                1.0
            };
            let best = (diagonal + cost).min(row[j] + 1.0).min(row[j + 1] + 1.0);
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
        if row.iter().all(|cost| *cost > limit) {
            return None;
        }
    }
    row.last().copied().filter(|cost| *cost <= limit)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn neighbours_sound_alike_and_keep_meanings_apart() {
        let lexicon = "latte L AA T EY\nlottie L AA T IY\nlate L EY T\nelephant EH L AH F AH N T\nfifty F IH F T IY\nfifteen F IH F T IY N\n";
        let words = ["latte", "fifty", "fifteen"].map(str::to_owned).into_iter().collect();
        let noise = Noise::from_lexicon(lexicon, &words);
        assert_eq!(noise.neighbours["latte"], ["lottie"]);
        assert!(noise.neighbours["fifty"].is_empty());
    }

    #[test]
    fn the_rate_is_kept() {
        let mut rng = Chance::seed_from_u64(5);
        let noise = Noise::default();
        let sentence = "can i get a large latte with soy milk and brown sugar please";
        assert_eq!(noise.garble(&mut rng, sentence, 0.0, &[]), sentence);
        let kept: usize = (0..400)
            .map(|_| {
                noise
                    .garble(&mut rng, sentence, 0.3, &[])
                    .split(' ')
                    .filter(|word| sentence.split(' ').any(|w| w == *word))
                    .count()
            })
            .sum();
        let share = kept as f64 / (400.0 * 13.0);
        assert!((0.6..0.9).contains(&share), "{share}");
    }
}
