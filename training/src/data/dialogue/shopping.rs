//! How people speak of their shopping list.

use std::sync::LazyLock;

use rand::Rng;
use rand::seq::IndexedRandom;
use rejoinder_models::llm::tools::spoken;

use super::phrase::{Chance, chance, say, say_one, tidy};
use super::timers::{polite_end, polite_start};

/// What everybody buys.
pub(crate) static ITEMS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("items.txt").lines().collect());

/// One to four different items, mostly one.
pub(crate) fn items(rng: &mut Chance) -> Vec<&'static str> {
    let count = match rng.random_range(0..10) {
        0..5 => 1,
        5..8 => 2,
        8 => 3,
        _ => 4,
    };
    ITEMS.choose_multiple(rng, count).copied().collect()
}

/// Items of which about half are none that everybody buys: `other` gives words for those.
pub(crate) fn open_items<'a>(rng: &mut Chance, mut other: impl FnMut(&mut Chance) -> Option<&'a str>) -> Vec<String> {
    const KINDS: [&str; 12] =
        ["fresh", "organic", "frozen", "green", "red", "sliced", "canned", "small", "dried", "sweet", "white", "two"];
    let known = items(rng);
    let mut chosen: Vec<String> = Vec::new();
    for item in known {
        let mut word = |rng: &mut Chance| other(rng).unwrap_or(item).to_owned();
        let item = match rng.random_range(0..20) {
            0 | 1 => format!("{} {item}", KINDS.choose(rng).unwrap_or(&"fresh")),
            2..6 => word(rng),
            6..9 => [word(rng), word(rng)].join(" "),
            9 => [word(rng), word(rng), word(rng)].join(" "),
            10 => format!("{} {item}", word(rng)),
            11 => format!("{} {}", say(rng, MEASURE, &[]), word(rng)),
            12 => format!("{} {item}", say(rng, MEASURE, &[])),
            _ => item.to_owned(),
        };
        if !chosen.contains(&item) {
            chosen.push(item);
        }
    }
    chosen
}

const MEASURE: &str =
    "((a|one|another) (bottle|bag|box|pack|can|jar|pound|bunch|loaf)|(two|three) (bottles|bags|boxes|cans)) of";

/// Items as people say them: now and then with an article, which is not part of what stands on the list.
pub(crate) fn with_articles(rng: &mut Chance, items: &[&str]) -> Vec<String> {
    let said = |item: &&str| match rng.random_range(0..20) {
        _ if item.contains(" of ") => (*item).to_owned(),
        0 | 1 => format!("some {item}"),
        2 => format!("the {item}"),
        3 => format!("a {item}"),
        _ => (*item).to_owned(),
    };
    items.iter().map(said).collect()
}

fn listed(rng: &mut Chance, items: &[&str]) -> String {
    let known = items.iter().all(|item| ITEMS.contains(item)); // where one ends and the next begins is clear
    if known && chance(rng, 60) { spoken::list(items).replace(',', "") } else { items.join(" and ") }
}

const LIST: &str = "(the|my) (shopping list|list|shopping list|grocery list)";

/// A request to put items on the list.
pub(crate) fn add(rng: &mut Chance, items: &[&str]) -> String {
    let templates = [
        "(add|put|please add|please put|can you add|could you add|can you put|write) {i} (to|on|onto) {list}",
        "add {i}",
        "(i need|we need|i need to buy|we need to buy|we're out of|i'm out of|remind me to buy|don't let me forget|buy|get) {i}",
        "add (some|) {i} to {list}",
        "(put|write down) {i}",
        "i (also|) (want|need) {i} on {list}",
        "and (add|) {i}",
        "{i} (on|to) {list}",
    ];
    wrap(rng, &templates, items)
}

/// A request to put items on the list that names the list.
pub(crate) fn add_to_list(rng: &mut Chance, items: &[&str]) -> String {
    let templates = [
        "(add|put|please add|please put|can you add|could you put|write) (some|) {i} (to|on|onto) {list}",
        "i (also|) (want|need) {i} on {list}",
    ];
    wrap(rng, &templates, items)
}

/// A request to put something on the list that does not say what.
pub(crate) fn add_something(rng: &mut Chance) -> String {
    let templates = [
        "(add|put) (something|an item|a thing|a few things) (to|on) {list}",
        "(i need to|i want to|can you|can i|let me) (add|put) something (to|on) {list}",
        "add to {list}",
    ];
    wrap(rng, &templates, &[])
}

/// The answer to what should be added.
pub(crate) fn answer(rng: &mut Chance, items: &[&str]) -> String {
    let items = listed(rng, items);
    tidy(&say(rng, "(|||||add|um|some|i need|we need) {i} (|||please)", &[("i", &items)]))
}

/// A request to take items off the list.
pub(crate) fn remove(rng: &mut Chance, items: &[&str]) -> String {
    let templates = [
        "(remove|take|delete|cross) {i} (from|off) {list}",
        "(remove|delete|cross off|take off) {i}",
        "(i don't need|we don't need) {i} (anymore|any more)",
        "(i already|i just|we already) (have|bought|got) {i}",
        "(can you|please) (remove|take) {i} (off|from) {list}",
        "take {i} off",
    ];
    wrap(rng, &templates, items)
}

/// A request to hear the list.
pub(crate) fn read(rng: &mut Chance) -> String {
    let templates = [
        "(read|read me|tell me|show me) {list}",
        "what's on {list}",
        "what (do i|do we) need (to buy|from the store|to get)",
        "(what|which things) (is|are) on {list}",
        "(can you|could you) read (out|) {list}",
        "is there anything on {list}",
        "what did i put on {list}",
    ];
    wrap(rng, &templates, &[])
}

/// A request to empty the list.
pub(crate) fn clear(rng: &mut Chance) -> String {
    wrap(
        rng,
        &[
            "(clear|empty|erase|delete|reset) {list}",
            "(remove|delete) everything from {list}",
            "start a new (shopping|) list",
        ],
        &[],
    )
}

fn wrap(rng: &mut Chance, templates: &[&str], items: &[&str]) -> String {
    let list = say(rng, LIST, &[]);
    let items = listed(rng, items);
    let said = say_one(rng, templates, &[("i", &items), ("list", &list)]);
    tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)))
}
