//! Roman numerals, where what stands before them makes clear that they are numbers.

use super::super::numbers::{cardinal, ordinal};
use super::super::tables::{NUMBERED, RULERS};
use super::{Expansion, Lexeme, Parts};

const SIGNS: [(&str, u64); 9] =
    [("XL", 40), ("L", 50), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1), ("XC", 90), ("C", 100)];

/// Numerals that are no other word or abbreviation, so that any name may be before them.
const SEQUELS: [&str; 8] = ["II", "III", "VII", "VIII", "IX", "XII", "XIII", "XIV"];

/// `World War II`, `Chapter IV`, `Henry VIII`, `Rocky III`. One letter is a number only after what is numbered or after a
/// ruler's name, for `Malcolm X` is none; `I` only in a title, such as `Part I`.
pub(super) fn roman(previous: Option<&Lexeme>, parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let previous = previous.map(Parts::of)?;
    if !(previous.tail.is_empty() || previous.tail == "." && previous.core.eq_ignore_ascii_case("vol")) {
        return None;
    }
    let previous = previous.core;
    let (core, of_it) = parts.core.strip_suffix("'s").map_or((parts.core, ""), |core| (core, "'s"));
    let number = value(core)?;
    let titled = previous.starts_with(char::is_uppercase);
    let single = core.len() == 1;
    if single && !(core == "V" || core == "X" || core == "I" && titled) {
        return None;
    }
    let lower = previous.to_lowercase();
    let initial =
        single && parts.tail.starts_with('.') && next.is_some_and(|next| next.core.starts_with(char::is_uppercase));
    let words = if RULERS.contains(&lower.as_str()) && titled && core != "I" && !initial {
        format!("the {}", ordinal(number))
    } else if NUMBERED.contains(&lower.as_str()) || SEQUELS.contains(&core) && is_name(previous) {
        cardinal(number)
    } else {
        return None;
    };
    Some(Expansion::of(format!("{words}{of_it}"), 1, parts.pause()))
}

/// Whether a word is a numeral of several letters, where a number is to be expected.
pub(super) fn is_clear_numeral(word: &str) -> bool {
    SEQUELS.contains(&word) || ["IV", "VI"].contains(&word)
}

/// A word with a capital and small letters behind it.
fn is_name(word: &str) -> bool {
    word.len() > 1 && word.starts_with(char::is_uppercase) && word.chars().skip(1).all(char::is_lowercase)
}

/// Below 400, and written in the one right way: neither `IIII` nor `VX`.
fn value(text: &str) -> Option<u64> {
    let mut sum = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let longest = SIGNS.iter().filter(|(sign, _)| rest.starts_with(sign)).max_by_key(|(sign, _)| sign.len())?;
        sum += longest.1;
        rest = &rest[longest.0.len()..];
    }
    ((1..400).contains(&sum) && written(sum) == text).then_some(sum)
}

fn written(mut number: u64) -> String {
    let mut signs = SIGNS;
    signs.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
    let mut text = String::new();
    for (sign, value) in signs {
        while number >= value {
            text.push_str(sign);
            number -= value;
        }
    }
    text
}
