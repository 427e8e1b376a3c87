//! Texts of numbers, as people say them.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const ORDINALS: [&str; 19] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];

/// One text: half of them digit strings, the rest numbers, times, dates, money and decimals.
pub(super) fn text(rng: &mut ChaCha8Rng) -> String {
    match rng.random_range(0..10) {
        0..5 => digits(rng),
        5 | 6 => {
            let limit = [100, 1000, 10_000][rng.random_range(0..3)];
            cardinal(rng.random_range(0..limit), rng.random_bool(0.5))
        }
        7 => time(rng),
        8 => date(rng),
        _ => amount(rng),
    }
}

fn digits(rng: &mut ChaCha8Rng) -> String {
    let length = rng.random_range(1..=8);
    let zero = if rng.random_bool(0.2) { "oh" } else { "zero" };
    let digit = |_| match rng.random_range(0..10) {
        0 => zero,
        n => SMALL[n],
    };
    (0..length).map(digit).collect::<Vec<_>>().join(" ")
}

/// `n` below a million in words; `and` as the British say it.
fn cardinal(n: usize, and: bool) -> String {
    let join = |head: String, rest: usize, with_and: bool| match rest {
        0 => head,
        _ => format!("{head} {}{}", if with_and { "and " } else { "" }, cardinal(rest, and)),
    };
    match n {
        0..20 => SMALL[n].to_owned(),
        20..100 => join(TENS[n / 10].to_owned(), n % 10, false),
        100..1000 => join(format!("{} hundred", SMALL[n / 100]), n % 100, and),
        _ => join(format!("{} thousand", cardinal(n / 1000, and)), n % 1000, and && n % 1000 < 100),
    }
}

fn time(rng: &mut ChaCha8Rng) -> String {
    let hour = SMALL[rng.random_range(1..=12)];
    let part = ["", " a m", " p m", " in the morning", " in the evening"].choose(rng).copied().unwrap_or_default();
    match rng.random_range(0..5) {
        0 => format!("half past {hour}"),
        1 => format!("quarter to {hour}"),
        2 => format!("{hour} o'clock"),
        3 => format!("{hour} {}{part}", cardinal(rng.random_range(10..60), false)),
        _ => format!("at {hour}{part}"),
    }
}

fn date(rng: &mut ChaCha8Rng) -> String {
    let month = MONTHS[rng.random_range(0..12)];
    let day = match rng.random_range(1..=31) {
        n @ 1..20 => ORDINALS[n - 1].to_owned(),
        20 => "twentieth".to_owned(),
        30 => "thirtieth".to_owned(),
        n => format!("{} {}", TENS[n / 10], ORDINALS[n % 10 - 1]),
    };
    match rng.random_range(0..4) {
        0 => format!("the {day} of {month}"),
        1 => format!("{month} {day}"),
        2 => format!("{} the {day}", DAYS[rng.random_range(0..7)]),
        _ => format!("{month} {day} twenty {}", cardinal(rng.random_range(10..40), false)),
    }
}

fn amount(rng: &mut ChaCha8Rng) -> String {
    let whole = cardinal(rng.random_range(1..200), rng.random_bool(0.5));
    let small = cardinal(rng.random_range(2..100), false);
    match rng.random_range(0..4) {
        0 => format!("{whole} point {}", SMALL[rng.random_range(0..10)]),
        1 => format!("{whole} percent"),
        2 => format!("{small} dollars and {} cents", cardinal(rng.random_range(2..100), false)),
        _ => format!("{small} minutes and {} seconds", cardinal(rng.random_range(2..60), false)),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn numbers_are_said_in_full() {
        let cases = [
            (0, false, "zero"),
            (21, false, "twenty one"),
            (105, true, "one hundred and five"),
            (1999, false, "one thousand nine hundred ninety nine"),
            (2026, true, "two thousand and twenty six"),
        ];
        for (n, and, expected) in cases {
            assert_eq!(cardinal(n, and), expected);
        }
    }

    #[test]
    fn all_texts_are_words() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..2000 {
            let text = text(&mut rng);
            assert_eq!(crate::data::text::words(&text).as_deref(), Some(text.as_str()));
        }
    }
}
