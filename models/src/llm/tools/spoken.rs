//! Numbers, times, dates and durations as words that a voice reads aloud.

use crate::text::numbers;

/// From here on a number is too large to be said, and to be exact.
pub(super) const LARGEST: f64 = 1e15;

/// What is said of such a number.
pub(super) const TOO_LARGE: &str = "that number is too big for me";

/// A whole number in words, without hyphens: `1234` is "one thousand two hundred and thirty four".
pub fn cardinal(n: u64) -> String {
    numbers::cardinal_with_and(n)
}

/// A number in words, rounded to two decimals: `-3.243` is "minus three point two four". Of one that is closer to zero
/// than a hundredth, two digits that are not zero: `0.00333` is "zero point zero zero three three".
pub fn number(value: f64) -> String {
    if (NOTHING..0.01).contains(&value.abs()) {
        return small(value);
    }
    let hundredths = (value.abs() * 100.0).round() as u64;
    let (whole, part) = (hundredths / 100, hundredths % 100);
    let mut text = String::new();
    if value < 0.0 && hundredths > 0 {
        text.push_str("minus ");
    }
    text.push_str(&cardinal(whole));
    if part > 0 {
        text.push_str(" point ");
        text.push_str(&numbers::digits(format!("{part:02}").trim_end_matches('0')));
    }
    text
}

/// What is closer to zero is what a sum of fractions leaves.
const NOTHING: f64 = 1e-9;

fn small(value: f64) -> String {
    let decimals = (1.0 - value.abs().log10().floor()) as usize;
    let text = format!("{:.decimals$}", value.abs());
    let minus = if value < 0.0 { "minus " } else { "" };
    format!("{minus}zero point {}", numbers::digits(text.trim_end_matches('0').trim_start_matches("0.")))
}

/// An ordinal: `23` is "twenty third".
pub fn ordinal(n: u64) -> String {
    numbers::ordinal_of(&cardinal(n))
}

/// A year in words: `2026` is "twenty twenty six", `2005` "two thousand and five".
pub fn year(year: u64) -> String {
    numbers::year_or(year, cardinal)
}

/// A time of day in words: `(17, 5)` is "five oh five in the afternoon".
pub fn time_of_day(hour: u32, minute: u32) -> String {
    match (hour, minute) {
        (0, 0) => return "midnight".to_owned(),
        (12, 0) => return "noon".to_owned(),
        _ => {}
    }
    let clock = cardinal(u64::from(if hour.is_multiple_of(12) { 12 } else { hour % 12 }));
    let minutes = match minute {
        0 => " o'clock".to_owned(),
        1..=9 => format!(" oh {}", cardinal(u64::from(minute))),
        _ => format!(" {}", cardinal(u64::from(minute))),
    };
    let part = match hour {
        0..=11 => "in the morning",
        12..=17 => "in the afternoon",
        18..=21 => "in the evening",
        _ => "at night",
    };
    format!("{clock}{minutes} {part}")
}

/// A length of time in words: `3661` is "one hour, one minute and one second".
pub fn duration(seconds: u64) -> String {
    let parts: Vec<String> = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{} {unit}{}", cardinal(n), if n == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "zero seconds".to_owned() } else { list(&parts) }
}

/// Items as a spoken list: "milk, eggs and bread"; empty for no items.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_words() {
        assert_eq!(cardinal(0), "zero");
        assert_eq!(cardinal(40), "forty");
        assert_eq!(cardinal(115), "one hundred and fifteen");
        assert_eq!(cardinal(1_000), "one thousand");
        assert_eq!(cardinal(1_007), "one thousand and seven");
        assert_eq!(cardinal(21_345), "twenty one thousand three hundred and forty five");
        assert_eq!(number(-3.243), "minus three point two four");
        assert_eq!(number(8.05), "eight point zero five");
        assert_eq!(number(2.5), "two point five");
        assert_eq!(number(-0.001), "minus zero point zero zero one");
        assert_eq!(
            (number(1.0 / 300.0), number(0.1 + 0.2 - 0.3)),
            ("zero point zero zero three three".into(), "zero".into())
        );
        assert_eq!(ordinal(12), "twelfth");
        assert_eq!(ordinal(20), "twentieth");
        assert_eq!(ordinal(31), "thirty first");
    }

    #[test]
    fn times_are_read_as_words() {
        assert_eq!(time_of_day(0, 5), "twelve oh five in the morning");
        assert_eq!(time_of_day(17, 42), "five forty two in the afternoon");
        assert_eq!(time_of_day(23, 0), "eleven o'clock at night");
        assert_eq!(duration(5400), "one hour and thirty minutes");
        assert_eq!(duration(3661), "one hour, one minute and one second");
        assert_eq!(year(2026), "twenty twenty six");
        assert_eq!(year(2005), "two thousand and five");
        assert_eq!(year(1907), "nineteen oh seven");
    }
}
