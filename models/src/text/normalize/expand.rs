//! The spoken form of one written word, with a look at those that follow.

mod amounts;
mod moments;
mod roman;

use std::ops::Range;

use amounts::{equation, money, number_form, operator, phone, quantity};
use moments::{date, time};
use roman::roman;

use super::numbers::Number;
use super::tables::{ABBREVIATIONS, BEFORE_NUMBER, COUNTRIES, LEADING_APOSTROPHE, SPELLED, SYMBOLS, Stop, is_currency};

/// A written word: what stands between white space, folded to plain letters.
#[derive(Clone, Debug, Default)]
pub(super) struct Lexeme {
    pub(super) text: String,
    pub(super) source: Range<usize>,
}

/// What lexemes are spoken as.
#[derive(Clone, Debug, Default)]
pub(super) struct Expansion {
    pub(super) words: String,
    /// How many lexemes it covers.
    pub(super) taken: usize,
    pub(super) pause: Option<char>,
    pub(super) spelled: bool,
}

impl Expansion {
    fn of(words: impl Into<String>, taken: usize, pause: Option<char>) -> Self {
        Self { words: words.into(), taken, pause, spelled: false }
    }
}

/// A lexeme without the punctuation around it.
#[derive(Clone, Copy)]
struct Parts<'a> {
    core: &'a str,
    tail: &'a str,
}

impl<'a> Parts<'a> {
    fn of(lexeme: &'a Lexeme) -> Self {
        let text = lexeme.text.as_str();
        let sign = |c: char| c == '-' || SYMBOLS.iter().any(|(sign, _)| *sign == c) || is_currency(c);
        let opening = |c: char| !c.is_alphanumeric() && !sign(c) && !".'".contains(c);
        let mut core = text.trim_start_matches(opening);
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let numeric = |text: &str| digit(text.strip_prefix(|c| c == '.' || is_currency(c)).unwrap_or(text));
        if let Some(rest) = core.strip_prefix(['.', '-', '−', '+']).filter(|rest| !numeric(rest) && !rest.is_empty())
        {
            core = rest.trim_start_matches(['.', '-']);
        }
        let lower = core.to_lowercase();
        if !LEADING_APOSTROPHE.iter().any(|word| lower.trim_end_matches(|c: char| !c.is_alphabetic()) == *word) {
            core = core.trim_start_matches(|c: char| c == '\'' || opening(c));
        }
        let end = core.trim_end_matches(|c: char| !c.is_alphanumeric() && (!sign(c) || "-−".contains(c))).len();
        let (core, tail) = core.split_at(end);
        Self { core, tail }
    }

    /// The strongest pause of the punctuation behind it.
    fn pause(self) -> Option<char> {
        ['?', '!', '.', ':', ';', ',', '—']
            .into_iter()
            .find(|&c| self.tail.contains(c))
            .map(|c| if c == '—' { ',' } else { c })
    }

    /// The pause when a full stop directly behind the core belongs to an abbreviation.
    fn pause_after_stop(self, stop: Stop, next: Option<Parts>) -> Option<char> {
        let rest = Self { core: self.core, tail: self.tail.strip_prefix('.').unwrap_or(self.tail) };
        let ends = || next.is_none_or(|next| next.core.starts_with(char::is_uppercase));
        rest.pause().or_else(|| (stop == Stop::Maybe && self.tail.starts_with('.') && ends()).then_some('.'))
    }
}

/// The spoken form of the first of `lexemes`, which are not empty, and of those after it that belong to it. `previous` is
/// what stands before them.
pub(super) fn expand(previous: Option<&Lexeme>, lexemes: &[Lexeme], spell_capitals: bool) -> Expansion {
    let parts = Parts::of(&lexemes[0]);
    let next = lexemes.get(1).map(Parts::of);
    if let Some(operator) = previous.and_then(|previous| operator(previous, lexemes)) {
        return operator;
    }
    if parts.core.is_empty() {
        return alone(lexemes[0].text.as_str());
    }
    date(parts, next)
        .or_else(|| roman(previous, parts, next))
        .or_else(|| equation(parts))
        .or_else(|| abbreviation(parts, next))
        .or_else(|| dotted_letters(parts, next))
        .or_else(|| time(parts, next))
        .or_else(|| money(parts, next))
        .or_else(|| phone(&lexemes[0], parts, next))
        .or_else(|| quantity(lexemes, parts, next))
        .or_else(|| number_form(parts, next))
        .unwrap_or_else(|| word(parts, spell_capitals))
}

/// Punctuation without a word.
fn alone(text: &str) -> Expansion {
    let pause = Parts { core: "", tail: text }.pause().or_else(|| (text == "-").then_some(','));
    Expansion::of("", 1, pause)
}

fn abbreviation(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let lower = parts.core.to_lowercase();
    let stopped = parts.tail.starts_with('.');
    let before_number = next
        .is_some_and(|next| next.core.starts_with(|c: char| c.is_ascii_digit()) || roman::is_clear_numeral(next.core));
    if stopped
        && before_number
        && let Some((_, words)) = BEFORE_NUMBER.iter().find(|(short, _)| *short == lower)
    {
        return Some(Expansion::of(*words, 1, parts.pause_after_stop(Stop::Never, next)));
    }
    let &(short, words, stop) = ABBREVIATIONS.iter().find(|(short, ..)| *short == lower)?;
    let title = matches!(short, "mr" | "mrs" | "ms" | "dr") && parts.core.starts_with(char::is_uppercase);
    let before_name = next.is_some_and(|next| next.core.starts_with(char::is_uppercase));
    if !(stopped || title && before_name) {
        return None;
    }
    if short == "st" {
        let saint = parts.tail == "." && before_name;
        let (words, stop) = if saint { ("saint", Stop::Never) } else { ("street", Stop::Maybe) };
        return Some(Expansion::of(words, 1, parts.pause_after_stop(stop, next)));
    }
    Some(Expansion::of(words, 1, parts.pause_after_stop(stop, next)))
}

/// `U.S.A.`, `p.m.`
fn dotted_letters(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let letters: Vec<&str> = parts.core.split('.').collect();
    let single = |letter: &&str| letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_alphabetic());
    let initial = letters.len() == 1 && parts.core.starts_with(char::is_uppercase) && parts.core != "I";
    let initial = initial && parts.tail == "." && next.is_some_and(|next| next.core.starts_with(char::is_uppercase));
    if !letters.iter().all(single) || letters.len() < 2 && !initial {
        return None;
    }
    let more = initial || COUNTRIES.contains(&parts.core) && next.is_some();
    let pause = parts.pause_after_stop(if more { Stop::Never } else { Stop::Maybe }, next);
    Some(Expansion { words: letters.join(" ").to_lowercase(), taken: 1, pause, spelled: true })
}

/// Anything else: split at signs within it and at the seams of letters and digits.
fn word(parts: Parts, spell_capitals: bool) -> Expansion {
    let bare = parts.core.strip_suffix("'s").or_else(|| parts.core.strip_suffix('s')).unwrap_or(parts.core);
    let capitals = (2..=6).contains(&bare.len()) && bare.chars().all(|c| c.is_ascii_uppercase());
    let unspeakable = SPELLED.contains(&bare) || !bare.contains(['A', 'E', 'I', 'O', 'U', 'Y']);
    if spell_capitals && capitals && unspeakable {
        let mut words: Vec<String> = bare.chars().map(|c| c.to_ascii_lowercase().to_string()).collect();
        if bare.len() < parts.core.len()
            && let Some(last) = words.last_mut()
        {
            last.push_str("'s");
        }
        return Expansion { words: words.join(" "), taken: 1, pause: parts.pause(), spelled: true };
    }
    // A note, or a language.
    if let [letter @ b'A'..=b'G', b'#'] = parts.core.as_bytes() {
        let words = format!("{} sharp", char::from(letter.to_ascii_lowercase()));
        return Expansion { words, taken: 1, pause: parts.pause(), spelled: true };
    }
    // An address or the name of a file, rather than two sentences without a space between them.
    let address = !parts.core.contains(char::is_uppercase);
    let mut words: Vec<String> = Vec::new();
    let mut rest = parts.core;
    while let Some(c) = rest.chars().next() {
        let same = |other: char| {
            if c.is_ascii_digit() { other.is_ascii_digit() } else { other.is_ascii_alphabetic() || other == '\'' }
        };
        let length = rest.find(|other: char| !same(other)).unwrap_or(rest.len());
        if let Some((number, behind)) = Number::split(rest).filter(|_| c.is_ascii_digit()) {
            words.push(number.words_or_year());
            rest = behind;
            continue;
        }
        if length > 0 {
            let word = rest[..length].trim_matches('\'').to_lowercase();
            let apostrophe = LEADING_APOSTROPHE.iter().find(|w| w.strip_prefix('\'') == Some(&word));
            let kept = apostrophe.filter(|_| rest.starts_with('\''));
            words.extend(Some(kept.map_or(word, |w| (*w).to_owned())).filter(|word| !word.is_empty()));
        } else {
            let dot = address && c == '.' && !words.is_empty() && rest[1..].starts_with(char::is_alphanumeric);
            let sign = SYMBOLS.iter().find(|(sign, _)| *sign == c).map(|(_, name)| *name);
            words.extend(sign.or(dot.then_some("dot")).map(str::to_owned));
            rest = &rest[c.len_utf8()..];
            continue;
        }
        rest = &rest[length..];
    }
    Expansion::of(words.join(" "), 1, parts.pause())
}
