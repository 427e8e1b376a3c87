//! The spoken form of one written word, with a look at those that follow.

mod moments;

use std::ops::Range;

use moments::{date, time};

use super::numbers::{Number, cardinal, digits, fraction, ordinal, plural};
use super::tables::{
    ABBREVIATIONS, BEFORE_NUMBER, CURRENCIES, LEADING_APOSTROPHE, SCALES, SYMBOLS, Stop, TOUCHING, UNITS,
};

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
        let opening = |c: char| !c.is_alphanumeric() && !"$£€¥#&@+-−=×÷±<>%°½¼¾.'".contains(c);
        let mut core = text.trim_start_matches(opening);
        let numeric = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        if let Some(rest) = core.strip_prefix(['.', '-', '−', '+']).filter(|rest| !numeric(rest) && !rest.is_empty())
        {
            core = rest.trim_start_matches(['.', '-']);
        }
        let lower = core.to_lowercase();
        if !LEADING_APOSTROPHE.iter().any(|word| lower.trim_end_matches(|c: char| !c.is_alphabetic()) == *word) {
            core = core.trim_start_matches(|c: char| c == '\'' || opening(c));
        }
        let end = core.trim_end_matches(|c: char| !c.is_alphanumeric() && !"%°$£€&@+=×÷±<>½¼¾#".contains(c)).len();
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

/// The spoken form of the first of `lexemes`, which are not empty, and of those after it that belong to it.
pub(super) fn expand(lexemes: &[Lexeme], spell_capitals: bool) -> Expansion {
    let parts = Parts::of(&lexemes[0]);
    let next = lexemes.get(1).map(Parts::of);
    if parts.core.is_empty() {
        return alone(lexemes[0].text.as_str());
    }
    abbreviation(parts, next)
        .or_else(|| dotted_letters(parts, next))
        .or_else(|| date(parts, next))
        .or_else(|| time(parts, next))
        .or_else(|| money(parts, next))
        .or_else(|| quantity(parts, next))
        .or_else(|| number_form(parts))
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
    let before_number = next.is_some_and(|next| next.core.starts_with(|c: char| c.is_ascii_digit()));
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
    let stop = if initial { Stop::Never } else { Stop::Maybe };
    let pause = parts.pause_after_stop(stop, next);
    Some(Expansion { words: letters.join(" ").to_lowercase(), taken: 1, pause, spelled: true })
}

/// `$4`, `£3.50`, `$4 million`.
fn money(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let unsigned = parts.core.strip_prefix(['-', '−']).unwrap_or(parts.core);
    let minus = if unsigned.len() < parts.core.len() { "minus " } else { "" };
    let (sign, names) = CURRENCIES.iter().find(|(sign, _)| unsigned.starts_with(*sign) || unsigned.ends_with(*sign))?;
    let (number, rest) = Number::split(unsigned.strip_prefix(*sign).unwrap_or(unsigned))?;
    let rest = rest.strip_suffix(*sign).unwrap_or(rest);
    let scale = |word: &str| SCALES.iter().find(|(name, _)| *name == word.to_lowercase()).map(|(_, words)| *words);
    let [one, several, cent, cents] = names;
    if let Some(scale) = scale(rest).or(if rest == "M" || rest == "m" { Some("million") } else { None }) {
        return Some(Expansion::of(format!("{minus}{} {scale} {several}", number.words()), 1, parts.pause()));
    }
    if !rest.is_empty() {
        return None;
    }
    let scaled = next.filter(|_| parts.tail.is_empty()).and_then(|next| Some((scale(next.core)?, next)));
    if let Some((scale, next)) = scaled {
        return Some(Expansion::of(format!("{minus}{} {scale} {several}", number.words()), 2, next.pause()));
    }
    let whole = Number { fraction: None, ..number.clone() };
    let unit = if whole.is_one() { one } else { several };
    let words = match number.fraction.as_deref() {
        Some(hundredths) if hundredths.len() == 2 => {
            let hundredths: u64 = hundredths.parse().unwrap_or(0);
            let small = format!("{} {}", cardinal(hundredths), if hundredths == 1 { cent } else { cents });
            match (whole.whole.as_str(), hundredths) {
                (_, 0) => format!("{} {unit}", whole.words()),
                ("0", _) => small,
                _ => format!("{} {unit} and {small}", whole.words()),
            }
        }
        Some(_) => format!("{} {several}", number.words()),
        None => format!("{} {unit}", number.words()),
    };
    Some(Expansion::of(format!("{minus}{words}"), 1, parts.pause()))
}

/// `20°C`, `5 km`, `3%`.
fn quantity(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let (number, rest) = Number::split(parts.core)?;
    let unit = |sign: &str| UNITS.iter().find(|(name, ..)| *name == sign);
    let named =
        |one: &str, several: &str| format!("{} {}", number.words(), if number.is_one() { one } else { several });
    if let Some((_, one, several)) = unit(rest) {
        // "the 1980s" are years, not seconds.
        let decade = rest == "s" && number.value().is_some_and(|n| n >= 20 && n.is_multiple_of(10));
        return (!decade).then(|| Expansion::of(named(one, several), 1, parts.pause()));
    }
    let next = next.filter(|next| rest.is_empty() && parts.tail.is_empty() && !TOUCHING.contains(&next.core))?;
    let (_, one, several) = unit(next.core)?;
    let abbreviated = next.core.len() <= 4 && next.tail.starts_with('.') && next.core.starts_with(char::is_alphabetic);
    let pause = if abbreviated { next.pause_after_stop(Stop::Maybe, None) } else { next.pause() };
    Some(Expansion::of(named(one, several), 2, pause))
}

/// Numbers by themselves: `1984`, `3.5`, `21st`, `1980s`, `1/2`, `5-10`, `555-1234`, `#3`.
fn number_form(parts: Parts) -> Option<Expansion> {
    let core = parts.core;
    let of = |words: String| Some(Expansion::of(words, 1, parts.pause()));
    if let Some(number) = core.strip_prefix('#').and_then(Number::parse) {
        return of(format!("number {}", number.words()));
    }
    if let Some(number) = Number::parse(core) {
        return of(number.words_or_year());
    }
    let (number, rest) = Number::split(core)?;
    let plain = number.fraction.is_none() && !number.negative;
    match rest.to_lowercase().as_str() {
        "st" | "nd" | "rd" | "th" if plain => return of(ordinal(number.value()?)),
        "s" | "'s" if plain => return of(plural(&number.words_or_year())),
        _ => {}
    }
    if let Some((above, below)) = core.split_once('/')
        && let (Ok(above), Ok(below @ 2..=100)) = (above.parse::<u64>(), below.parse::<u64>())
    {
        return of(fraction(above, below));
    }
    let fields: Vec<&str> = core.split('-').collect();
    let written = |f: &&str| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit());
    if fields.len() >= 2 && fields.iter().all(written) {
        let range = fields.len() == 2 && !(fields[0].len() == 3 && fields[1].len() == 4);
        let read = |f: &&str| Number::parse(f).map(|n| n.words_or_year());
        let words: Option<Vec<String>> =
            if range { fields.iter().map(read).collect() } else { Some(fields.iter().map(|f| digits(f)).collect()) };
        return of(words?.join(if range { " to " } else { " " }));
    }
    None
}

/// Anything else: split at signs within it and at the seams of letters and digits.
fn word(parts: Parts, spell_capitals: bool) -> Expansion {
    let letters = parts.core.chars().filter(|c| c.is_alphabetic()).count();
    let bare = parts.core.strip_suffix("'s").unwrap_or(parts.core);
    let capitals = letters >= 2 && bare.chars().all(|c| c.is_ascii_uppercase());
    if spell_capitals && capitals && letters <= 6 && !bare.contains(['A', 'E', 'I', 'O', 'U', 'Y']) {
        let mut words: Vec<String> = bare.chars().map(|c| c.to_ascii_lowercase().to_string()).collect();
        if bare.len() < parts.core.len()
            && let Some(last) = words.last_mut()
        {
            last.push_str("'s");
        }
        return Expansion { words: words.join(" "), taken: 1, pause: parts.pause(), spelled: true };
    }
    let mut words: Vec<String> = Vec::new();
    let mut rest = parts.core;
    while let Some(c) = rest.chars().next() {
        let same = |other: char| {
            if c.is_ascii_digit() { other.is_ascii_digit() } else { other.is_ascii_alphabetic() || other == '\'' }
        };
        let length = rest.find(|other: char| !same(other)).unwrap_or(rest.len());
        if c.is_ascii_digit() {
            words.extend(Number::parse(&rest[..length]).map(|n| n.words_or_year()));
        } else if length > 0 {
            let word = rest[..length].trim_matches('\'').to_lowercase();
            let apostrophe = LEADING_APOSTROPHE.iter().find(|w| w.strip_prefix('\'') == Some(&word));
            let kept = apostrophe.filter(|_| rest.starts_with('\''));
            words.extend(Some(kept.map_or(word, |w| (*w).to_owned())).filter(|word| !word.is_empty()));
        } else {
            words.extend(SYMBOLS.iter().find(|(sign, _)| *sign == c).map(|(_, name)| (*name).to_owned()));
            rest = &rest[c.len_utf8()..];
            continue;
        }
        rest = &rest[length..];
    }
    Expansion::of(words.join(" "), 1, parts.pause())
}
