//! Roman numerals, where what stands before them makes clear that they are numbers.

use super::super::numbers::{cardinal, ordinal};
use super::super::tables::{NUMBERED, RULERS};
use super::{Expansion, Lexeme, Parts};

const SIGNS: [(&str, u64); 9] =
    [("XL", 40), ("L", 50), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1), ("XC", 90), ("C", 100)];

/// `World War II`, `Chapter IV`, `Henry VIII`, `Rocky III`. One letter is a number only after what is numbered or after a
/// ruler's name, for `Malcolm X` is none; `I` only in a title, such as `Part I`.
pub(super) fn roman(previous: Option<&Lexeme>, parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let previous = previous.map(Parts::of).filter(|previous| previous.tail.is_empty())?.core;
    let (core, of_it) = parts.core.strip_suffix("'s").map_or((parts.core, ""), |core| (core, "'s"));
    let number = value(core)?;
    let titled = previous.starts_with(char::is_uppercase);
    let single = core.len() == 1;
    let initial = parts.tail.starts_with('.') && next.is_some_and(|next| next.core.starts_with(char::is_uppercase));
    if single && initial || single && !(core == "V" || core == "X" || core == "I" && titled) {
        return None;
    }
    let lower = previous.to_lowercase();
    let words = if RULERS.contains(&lower.as_str()) && titled && core != "I" {
        format!("the {}", ordinal(number))
    } else if NUMBERED.contains(&lower.as_str()) || !single && is_name(previous) && !core.contains(['L', 'C']) {
        cardinal(number)
    } else {
        return None;
    };
    Some(Expansion::of(format!("{words}{of_it}"), 1, parts.pause()))
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
