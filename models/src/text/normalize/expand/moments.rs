//! Dates and times of day.

use super::super::numbers::{cardinal, ordinal, year};
use super::super::tables::{MONTHS, Stop};
use super::{Expansion, Parts};

/// A month by its name, or in short.
fn month(word: &str) -> Option<&'static str> {
    let lower = word.to_lowercase();
    let short = |name: &str| lower == name[..3] || (lower == "sept" && name == "september");
    MONTHS.into_iter().find(|name| *name == lower || short(name))
}

/// `March 4`, `Mar. 4`, `4 March`, `3/14/2015`, `2015-03-14`.
pub(super) fn date(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    if let (Some(month), Some(next)) = (month(parts.core), next)
        && (parts.tail.is_empty() || parts.tail == "." && month.len() > parts.core.len())
        && parts.core.starts_with(char::is_uppercase)
        && let Ok(day @ 1..=31) = next.core.parse::<u64>()
        && !next.core.starts_with('0')
    {
        return Some(Expansion::of(format!("{month} {}", ordinal(day)), 2, next.pause()));
    }
    if let Some(next) = next.filter(|next| parts.tail.is_empty() && next.core.starts_with(char::is_uppercase))
        && let (Ok(day @ 1..=31), Some(month)) = (parts.core.parse::<u64>(), month(next.core))
        && !parts.core.starts_with(['0', '+'])
    {
        let abbreviated = next.tail == "." && month.len() > next.core.len();
        let pause = if abbreviated { None } else { next.pause() };
        return Some(Expansion::of(format!("the {} of {month}", ordinal(day)), 2, pause));
    }
    let numbers = |by: char| -> Option<Vec<u64>> {
        let fields: Vec<&str> = parts.core.split(by).collect();
        let digits = fields.len() == 3 && fields.iter().all(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()));
        digits.then(|| fields.iter().filter_map(|f| f.parse().ok()).collect())
    };
    let (year_number, month, day) = match (numbers('/').as_deref(), numbers('-').as_deref()) {
        (Some(&[month, day, year]), _) | (_, Some(&[year, month, day])) => (year, month, day),
        _ => return None,
    };
    let month = MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if !(1..=31).contains(&day) || !(1000..3000).contains(&year_number) {
        return None;
    }
    Some(Expansion::of(format!("{month} {} {}", ordinal(day), year(year_number)), 1, parts.pause()))
}

/// `5:30`, `5:30pm`, `17:05:20`, `7 p.m.`
pub(super) fn time(parts: Parts, next: Option<Parts>) -> Option<Expansion> {
    let lower = parts.core.to_lowercase().replace('.', "");
    let (clock, half) = match lower.strip_suffix("am").or_else(|| lower.strip_suffix("pm")) {
        Some(clock) if !clock.is_empty() => (clock, Some(if lower.ends_with("am") { "a m" } else { "p m" })),
        _ => (lower.as_str(), None),
    };
    let fields: Vec<&str> = clock.split(':').collect();
    let numbers: Vec<u64> =
        fields.iter().filter(|f| (1..=2).contains(&f.len())).filter_map(|f| f.parse().ok()).collect();
    let bare = fields.len() == 1;
    if numbers.len() != fields.len() || numbers[0] > 24 || numbers[1..].iter().any(|&n| n > 59) || fields.len() > 3 {
        return None;
    }
    if fields[1..].iter().any(|field| field.len() != 2) {
        return None;
    }
    let after = next.filter(|_| half.is_none() && parts.tail.is_empty()).and_then(|next| {
        match next.core.to_lowercase().as_str() {
            "a.m" | "am" => Some(("a m", next)),
            "p.m" | "pm" => Some(("p m", next)),
            _ => None,
        }
    });
    if bare && half.is_none() && after.is_none() {
        return None;
    }
    let half_words = half.or(after.map(|(words, _)| words));
    let mut words = clock_words(&numbers, half_words.is_some());
    if let Some(half) = half_words {
        words = format!("{words} {half}");
    }
    let taken = 1 + usize::from(after.is_some());
    // A stop behind "p.m." ends a sentence only when nothing else says so.
    let pause = match after {
        Some((_, next)) if next.core.contains('.') => next.pause_after_stop(Stop::Never, None),
        Some((_, next)) => next.pause(),
        None => parts.pause(),
    };
    Some(Expansion::of(words, taken, pause))
}

fn clock_words(numbers: &[u64], half_follows: bool) -> String {
    let hour = cardinal(numbers[0]);
    let mut words = match numbers.get(1) {
        None => hour,
        Some(0) if half_follows || numbers.len() > 2 => hour,
        Some(0) if (1..=12).contains(&numbers[0]) => format!("{hour} o'clock"),
        Some(0) => format!("{hour} hundred"),
        Some(minute @ 1..=9) => format!("{hour} oh {}", cardinal(*minute)),
        Some(minute) => format!("{hour} {}", cardinal(*minute)),
    };
    if let Some(&seconds) = numbers.get(2) {
        let name = if seconds == 1 { "second" } else { "seconds" };
        words = format!("{words} and {} {name}", cardinal(seconds));
    }
    words
}
