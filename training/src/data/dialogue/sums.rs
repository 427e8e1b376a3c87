//! How people ask for sums and for conversions of units.

use rand::Rng;
use rejoinder_models::llm::tools::spoken::cardinal;
use serde_json::{Value, json};

use super::phrase::{Chance, chance, pick, say, say_one, tidy};
use super::timers::{polite_end, polite_start};

fn operand(rng: &mut Chance) -> u64 {
    match rng.random_range(0..10) {
        0..3 => rng.random_range(1..13),
        3..7 => rng.random_range(1..100),
        7..9 => rng.random_range(100..1000),
        _ => *pick(rng, &[&100, &200, &250, &500, &1000, &1500, &2000, &10000, &50, &144]),
    }
}

const ASK: &str = "(what's|what is|how much is|what does|calculate|compute|can you calculate|tell me|work out|can you tell me|can you work out|what do you get for|do you know|add up||)";

fn binary(rng: &mut Chance) -> (String, String) {
    let (mut a, mut b) = (operand(rng), operand(rng));
    let (sign, words) = match rng.random_range(0..4) {
        0 => ('+', pick(rng, &["plus", "plus", "and", "added to"])),
        1 => {
            (a, b) = (a.max(b), a.min(b));
            ('-', pick(rng, &["minus", "minus", "take away", "less"]))
        }
        2 => {
            b = if chance(rng, 70) { b % 20 + 1 } else { b };
            ('*', pick(rng, &["times", "times", "multiplied by"]))
        }
        _ => {
            b = b % 20 + 1;
            a = if chance(rng, 60) { b * rng.random_range(1..30) } else { a };
            ('/', pick(rng, &["divided by", "divided by", "over"]))
        }
    };
    let tail = if chance(rng, 8) { " (equal|make)" } else { "" };
    (format!("{} {words} {}{tail}", cardinal(a), cardinal(b)), format!("{a} {sign} {b}"))
}

fn special(rng: &mut Chance) -> (String, String) {
    let (a, b, c) = (operand(rng), operand(rng), operand(rng));
    let percent = *pick(rng, &[&5u64, &10, &15, &18, &20, &25, &30, &40, &50, &75]);
    match rng.random_range(0..7) {
        0 | 1 => (format!("{} percent of {}", cardinal(percent), cardinal(a)), format!("{a} * {percent} / 100")),
        2 => (format!("half of {}", cardinal(a)), format!("{a} / 2")),
        3 => (format!("{} squared", cardinal(a % 40)), format!("{} * {}", a % 40, a % 40)),
        4 => (format!("twice {}", cardinal(a)), format!("2 * {a}")),
        5 => (format!("{} plus {} plus {}", cardinal(a), cardinal(b), cardinal(c)), format!("{a} + {b} + {c}")),
        _ => (
            format!("{} times {} plus {}", cardinal(a % 20), cardinal(b % 20), cardinal(c % 100)),
            format!("{} * {} + {}", a % 20, b % 20, c % 100),
        ),
    }
}

/// A sum as asked for, and the arguments of the call.
pub(crate) fn sum(rng: &mut Chance) -> (String, Value) {
    let (words, expression) = if chance(rng, 72) { binary(rng) } else { special(rng) };
    let words = say(rng, &words, &[]);
    let said = match rng.random_range(0..20) {
        0 => format!("(i have a|a) (quick|) (math|) question (what's|what is) {words}"),
        1 => format!("if i have {words} (what do i get|how much is that|how many is that)"),
        _ => format!("{ASK} {words}"),
    };
    let said = say(rng, &said, &[]);
    (tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng))), json!({"expression": expression}))
}

/// A division that has no result, and the arguments of the call.
pub(crate) fn by_zero(rng: &mut Chance) -> (String, Value) {
    let a = operand(rng);
    let said = say(rng, &format!("{ASK} {} (divided by|over) zero", cardinal(a)), &[]);
    (tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng))), json!({"expression": format!("{a} / 0")}))
}

/// A further step on the last result: "and times two". The last result stands as `last`.
pub(crate) fn further(rng: &mut Chance, last: u64) -> (String, Value) {
    let b = rng.random_range(2..20u64);
    let (words, sign) = *pick(rng, &[&("plus", '+'), &("minus", '-'), &("times", '*'), &("divided by", '/')]);
    let said = format!("(and|now|okay and|and that|now|take that) {words} {}", cardinal(b));
    (say(rng, &said, &[]), json!({"expression": format!("{last} {sign} {b}")}))
}

/// Families of units: what a person says for one and for many, and the name in a call.
pub(crate) const FAMILIES: [&[(&str, &str)]; 4] = [
    &[
        ("inch", "inches"),
        ("foot", "feet"),
        ("yard", "yards"),
        ("mile", "miles"),
        ("millimeter", "millimeters"),
        ("centimeter", "centimeters"),
        ("meter", "meters"),
        ("kilometer", "kilometers"),
    ],
    &[("ounce", "ounces"), ("pound", "pounds"), ("gram", "grams"), ("kilogram", "kilograms")],
    &[
        ("teaspoon", "teaspoons"),
        ("tablespoon", "tablespoons"),
        ("cup", "cups"),
        ("pint", "pints"),
        ("quart", "quarts"),
        ("gallon", "gallons"),
        ("milliliter", "milliliters"),
        ("liter", "liters"),
    ],
    &[("second", "seconds"), ("minute", "minutes"), ("hour", "hours"), ("day", "days"), ("week", "weeks")],
];

fn colloquial(rng: &mut Chance, unit: &str) -> String {
    match unit {
        "kilometers" => pick(rng, &["kilometers", "kilometers", "k"]).to_owned(),
        "kilograms" => pick(rng, &["kilograms", "kilograms", "kilos"]).to_owned(),
        "kilogram" => pick(rng, &["kilogram", "kilo"]).to_owned(),
        other => other.to_owned(),
    }
}

/// A conversion as asked for, and the arguments of the call.
pub(crate) fn conversion(rng: &mut Chance) -> (String, Value) {
    if chance(rng, 15) {
        return temperature(rng);
    }
    let family = pick(rng, &[FAMILIES[0], FAMILIES[0], FAMILIES[1], FAMILIES[2], FAMILIES[3]]);
    let from = rng.random_range(0..family.len());
    let to = (from + rng.random_range(1..family.len())) % family.len();
    let value = if chance(rng, 25) {
        1
    } else {
        *pick(
            rng,
            &[
                &2u64, &3, &4, &5, &6, &8, &10, &12, &15, &20, &25, &30, &50, &100, &200, &500, &7, &9, &11, &40, &60,
                &75,
            ],
        )
    };
    let half = value < 13 && chance(rng, 8);
    let from_name = if value == 1 && !half { family[from].0 } else { family[from].1 };
    let from_said = colloquial(rng, from_name);
    let to_said = colloquial(rng, family[to].1);
    let count = match (value, half) {
        (1, false) => pick(rng, &["one", "a"]).to_owned(),
        (n, false) => cardinal(n),
        (n, true) => pick(rng, &["{n} and a half", "{n} point five"]).replace("{n}", &cardinal(n)),
    };
    let value = if half { json!(value as f64 + 0.5) } else { json!(value) };
    let templates = [
        "how many {t} (are|are there) in {v} {f}",
        "how many {t} is {v} {f}",
        "(convert|please convert|can you convert|could you convert|change) {v} {f} (to|into) {t}",
        "(what's|what is|how much is) {v} {f} in {t}",
        "{v} {f} (in|to) {t}",
        "how many {t} in {v} {f}",
    ];
    let said = say_one(rng, &templates, &[("t", &to_said), ("f", &from_said), ("v", &count)]);
    let said = tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)));
    (said, json!({"value": value, "from": family[from].1, "to": family[to].1}))
}

fn temperature(rng: &mut Chance) -> (String, Value) {
    let celsius = chance(rng, 50);
    let (from, to) = if celsius { ("celsius", "fahrenheit") } else { ("fahrenheit", "celsius") };
    let value = if celsius { rng.random_range(0..41u64) } else { rng.random_range(30..110) };
    let value = if chance(rng, 20) { *pick(rng, &[&100u64, &180, &200, &220, &350, &400, &425]) } else { value };
    let templates = [
        "(what's|what is|how much is) {v} degrees {f} in {t}",
        "(convert|change) {v} (degrees|) {f} to {t}",
        "{v} (degrees|) {f} in {t}",
        "how many degrees {t} is {v} (degrees|) {f}",
    ];
    let said = say_one(rng, &templates, &[("v", &cardinal(value)), ("f", from), ("t", to)]);
    (tidy(&format!("{} {said}", polite_start(rng))), json!({"value": value, "from": from, "to": to}))
}
