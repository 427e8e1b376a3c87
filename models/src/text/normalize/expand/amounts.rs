//! Numbers, and what is counted and measured by them.

use super::super::numbers::{Number, cardinal, digits, fraction, ordinal, plural};
use super::super::tables::{CURRENCIES, SCALES, Stop, TOUCHING, UNITS};
use super::{Expansion, Lexeme, Parts};

/// A sign that stands alone between two numbers: `12 * 7`, `10 / 2`, `10 - 3 = 7`.
pub(super) fn operator(previous: &Lexeme, lexemes: &[Lexeme]) -> Option<Expansion> {
    let number = |lexeme: &Lexeme| lexeme.text.trim_start_matches(['(', '-', '−', '$']).starts_with(is_digit);
    let [sign, next, later @ ..] = lexemes else { return None };
    if !previous.text.trim_end_matches([')', '%']).ends_with(is_digit) || !number(next) {
        return None;
    }
    let sum = || later.iter().take(6).any(|lexeme| ["=", "is", "equals", "makes"].contains(&lexeme.text.as_str()));
    let rises = || Some(Number::parse(&previous.text)?.value()? < Number::parse(Parts::of(next).core)?.value()?);
    let words = match sign.text.as_str() {
        "*" | "x" | "X" => "times",
        "/" => "divided by",
        "−" => "minus",
        "-" | "—" if sum() => "minus",
        "-" | "—" if rises() == Some(true) => "to",
        _ => return None,
    };
    Some(Expansion::of(words, 1, None))
}

/// A sum written without spaces: `7-3=4`, `10/2=5`.
pub(super) fn equation(parts: Parts) -> Option<Expansion> {
    let sign = |c: char| match c {
        '=' => Some("equals"),
        '+' => Some("plus"),
        '-' | '−' => Some("minus"),
        '*' | '×' | 'x' => Some("times"),
        '/' | '÷' => Some("divided by"),
        _ => None,
    };
    if !parts.core.contains('=') {
        return None;
    }
    let mut words = Vec::new();
    let mut rest = parts.core;
    while !rest.is_empty() {
        let (number, behind) = Number::split(rest)?;
        words.push(number.words());
        rest = behind;
        if let Some(c) = behind.chars().next() {
            words.push(sign(c)?.to_owned());
            rest = &behind[c.len_utf8()..];
        }
    }
    (words.len() % 2 == 1).then(|| Expansion::of(words.join(" "), 1, parts.pause()))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `555-123-4567`, `555.123.4567`, `(555) 123-4567`, `+1-555-123-4567`, `555-1234`: digit by digit.
pub(super) fn phone(lexeme: &Lexeme, parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let area = lexeme.text.starts_with('(') && parts.core.len() == 3 && all_digits(parts.core) && parts.tail == ")";
    if let Some(next) = next.filter(|next| area && lengths(next.core, '-').is_some_and(|l| l == [3, 4])) {
        return Some(Expansion::of(format!("{} {}", digits(parts.core), digits(next.core)), 2, next.pause()));
    }
    let unsigned = parts.core.strip_prefix('+').unwrap_or(parts.core);
    let plus = if unsigned.len() < parts.core.len() { "plus " } else { "" };
    let phone = match (lengths(unsigned, '-'), lengths(unsigned, '.')) {
        (Some(lengths), _) => lengths == [3, 4] || lengths.len() >= 3,
        (_, Some(lengths)) => lengths.ends_with(&[3, 3, 4]),
        _ => false,
    };
    phone.then(|| Expansion::of(format!("{plus}{}", digits(unsigned)), 1, parts.pause()))
}

/// How long the runs of digits are that `by` parts; none where there is anything else.
fn lengths(text: &str, by: char) -> Option<Vec<usize>> {
    let fields: Vec<&str> = text.split(by).collect();
    (fields.len() >= 2 && fields.iter().all(|field| all_digits(field)))
        .then(|| fields.iter().map(|field| field.len()).collect())
}

/// `$4`, `£3.50`, `$4 million`, `-$12.50`, `$10-$20`, `$20/month`.
pub(super) fn money(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let unsigned = parts.core.strip_prefix(['-', '−']).unwrap_or(parts.core);
    let minus = if unsigned.len() < parts.core.len() { "minus " } else { "" };
    let (sign, names) = CURRENCIES.iter().find(|(sign, _)| unsigned.starts_with(*sign) || unsigned.ends_with(*sign))?;
    let bare = |text: &str| text.trim_matches(*sign).to_owned();
    if let Some((low, high)) = unsigned.split_once('-')
        && let Some(low) = Number::parse(&bare(low))
    {
        let high = bare(high);
        let most = sum_of_money(Parts { core: &high, ..parts }, names, next)?;
        return Some(Expansion { words: format!("{} to {}", low.words(), most.words), ..most });
    }
    let core = bare(unsigned);
    let sum = sum_of_money(Parts { core: &core, ..parts }, names, next)?;
    Some(Expansion { words: format!("{minus}{}", sum.words), ..sum })
}

/// A sum without its sign.
fn sum_of_money(parts: Parts, names: &[&str; 4], next: Option<Parts>) -> Option<Expansion> {
    let (number, rest) = Number::split(parts.core)?;
    let of = |words: String| Some(Expansion::of(words, 1, parts.pause()));
    let scale = |word: &str| SCALES.iter().find(|(name, _)| *name == word.to_lowercase()).map(|(_, words)| *words);
    let short = |word: &str| ["m", "b", "t"].iter().position(|letter| *letter == word.to_lowercase());
    let [one, several, cent, cents] = names;
    if let Some(scale) = scale(rest).or_else(|| Some(["million", "billion", "trillion"][short(rest)?])) {
        return of(format!("{} {scale} {several}", number.words()));
    }
    let scaled = next.filter(|_| parts.tail.is_empty() && rest.is_empty());
    if let Some((scale, next)) = scaled.and_then(|next| Some((scale(next.core)?, next))) {
        return Some(Expansion::of(format!("{} {scale} {several}", number.words()), 2, next.pause()));
    }
    let behind = match rest.strip_prefix('/') {
        Some(each) if !each.is_empty() && each.chars().all(|c| c.is_ascii_alphabetic()) => match each {
            "mo" => " per month".to_owned(),
            "yr" => " per year".to_owned(),
            "hr" | "h" => " per hour".to_owned(),
            each => format!(" per {}", each.to_lowercase()),
        },
        None if rest == "+" => " plus".to_owned(),
        None if rest.is_empty() => String::new(),
        _ => return None,
    };
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
    of(format!("{words}{behind}"))
}

/// A number, or two with what lies between, in words.
struct Amount<'a> {
    words: String,
    /// Whether what is counted is said as of one.
    one: bool,
    /// A number that is more than digits: it is said by itself too.
    composed: bool,
    rest: &'a str,
    tail: &'a str,
    taken: usize,
}

/// `5`, `2-3`, `1 1/2`, `1½`, `3/4`, and what touches it.
fn amount<'a>(parts: Parts<'a>, next: Option<Parts<'a>>) -> Option<Amount<'a>> {
    let Parts { core, tail } = parts;
    let composed = |words: String, one, rest, tail, taken| Amount { words, one, composed: true, rest, tail, taken };
    if let Some((above, below)) = vulgar(core) {
        return Some(composed(fraction(above, below), true, "", tail, 1));
    }
    if let Some(at) = core.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at)
        && let (Some(low), Some((high, rest))) = (Number::parse(&core[..at]), Number::split(&core[at + 1..]))
        && !high.negative
        && !rest.contains('-')
    {
        let say = |number: &Number| if rest.is_empty() { number.words_or_year() } else { number.words() };
        return Some(composed(format!("{} to {}", say(&low), say(&high)), false, rest, tail, 1));
    }
    let (number, rest) = Number::split(core)?;
    let whole = number.fraction.is_none();
    if let Some((above, below)) =
        next.filter(|_| whole && rest.is_empty() && tail.is_empty()).and_then(|n| vulgar(n.core))
    {
        let tail = next.map_or("", |next| next.tail);
        return Some(composed(and_part(&number, above, below), false, "", tail, 2));
    }
    let signs = [('½', (1, 2)), ('¼', (1, 4)), ('¾', (3, 4))];
    if let Some((sign, (above, below))) = signs.into_iter().find(|(sign, _)| whole && rest.starts_with(*sign)) {
        return Some(composed(and_part(&number, above, below), false, &rest[sign.len_utf8()..], tail, 1));
    }
    Some(Amount { words: number.words(), one: number.is_one(), composed: false, rest, tail, taken: 1 })
}

/// `1 1/2` as "one and a half".
fn and_part(number: &Number, above: u64, below: u64) -> String {
    let part = if (above, below) == (1, 2) { "a half".to_owned() } else { fraction(above, below) };
    format!("{} and {part}", number.words())
}

/// A fraction below one, with a denominator that people say: neither `9/11` nor `24/7`.
fn vulgar(text: &str) -> Option<(u64, u64)> {
    let (above, below) = text.split_once('/').filter(|(above, below)| all_digits(above) && all_digits(below))?;
    let (above, below): (u64, u64) = (above.parse().ok()?, below.parse().ok()?);
    (above < below && above > 0 && matches!(below, 2..=10 | 12 | 16 | 32 | 64 | 100)).then_some((above, below))
}

/// `20°C`, `5 km`, `3%`, `20-25°C`, `1 1/2 tsp`.
pub(super) fn quantity(lexemes: &[Lexeme], parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let amount = amount(parts, next)?;
    let Amount { ref words, rest, tail, taken, .. } = amount;
    let unit = |sign: &str| UNITS.iter().find(|(name, ..)| *name == sign);
    let named = |one: &str, several: &str| format!("{words} {}", if amount.one { one } else { several });
    let pause = Parts { core: "", tail }.pause();
    if let Some((_, one, several)) = unit(rest) {
        // "the 1980s" are years, not seconds.
        let decade = rest == "s" && Number::split(parts.core).is_some_and(|(n, _)| is_decade(&n));
        return (!decade).then(|| Expansion::of(named(one, several), taken, pause));
    }
    let alone = || (amount.composed && rest.is_empty()).then(|| Expansion::of(words.clone(), taken, pause));
    let behind = lexemes.get(taken).map(Parts::of);
    let behind = behind.filter(|behind| rest.is_empty() && tail.is_empty() && !TOUCHING.contains(&behind.core));
    let Some((behind, (_, one, several))) = behind.and_then(|behind| Some((behind, unit(behind.core)?))) else {
        return alone();
    };
    let abbreviated =
        behind.core.len() <= 4 && behind.tail.starts_with('.') && behind.core.starts_with(char::is_alphabetic);
    let after = lexemes.get(taken + 1).map(Parts::of);
    let pause = if abbreviated { behind.pause_after_stop(Stop::Maybe, after) } else { behind.pause() };
    Some(Expansion::of(named(one, several), taken + 1, pause))
}

fn is_decade(number: &Number) -> bool {
    number.value().is_some_and(|n| n >= 20 && n.is_multiple_of(10))
}

/// Numbers by themselves: `1984`, `3.5`, `21st`, `1980s`, `24/7`, `10/2 = 5`, `192.168.1.1`, `#3`.
pub(super) fn number_form(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
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
    let fields = |by: char| -> Option<Vec<String>> {
        lengths(core, by)?;
        core.split(by).map(|field| Some(Number::parse(field)?.words())).collect()
    };
    if let Some(words) = fields('/') {
        let divided = words.len() == 2 && next.is_some_and(|next| next.core == "=");
        return of(words.join(if divided { " divided by " } else { " " }));
    }
    of(fields('.')?.join(" dot "))
}
