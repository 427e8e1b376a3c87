//! Numbers in English words.

const ONES: [&str; 20] = [
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
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(u64, &str); 4] =
    [(1_000_000_000_000, "trillion"), (1_000_000_000, "billion"), (1_000_000, "million"), (1000, "thousand")];

/// The largest number that is read as a number; a longer one is read digit by digit.
const LARGEST: u64 = 999_999_999_999_999;

/// `1205` as "one thousand two hundred five"; beyond a thousand trillion digit by digit.
pub(crate) fn cardinal(n: u64) -> String {
    if n > LARGEST { digits(&n.to_string()) } else { in_words(n, false) }
}

/// `1205` as "one thousand two hundred and five".
pub(crate) fn cardinal_with_and(n: u64) -> String {
    in_words(n, true)
}

fn in_words(n: u64, with_and: bool) -> String {
    let mut words = Vec::new();
    push_cardinal(n, with_and, &mut words);
    words.join(" ")
}

fn push_cardinal(mut n: u64, with_and: bool, words: &mut Vec<&str>) {
    if n == 0 {
        words.push(ONES[0]);
    }
    let before = words.len();
    for (scale, name) in SCALES {
        if n >= scale {
            push_cardinal(n / scale, with_and, words);
            words.push(name);
            n %= scale;
        }
    }
    if n >= 100 {
        words.extend([ONES[n as usize / 100], "hundred"]);
        n %= 100;
    }
    if with_and && n > 0 && words.len() > before {
        words.push("and");
    }
    if n >= 20 {
        words.push(TENS[n as usize / 10]);
        n %= 10;
    }
    if n > 0 {
        words.push(ONES[n as usize]);
    }
}

/// `21` as "twenty first".
pub(crate) fn ordinal(n: u64) -> String {
    ordinal_of(&cardinal(n))
}

/// "twenty one" as "twenty first".
pub(crate) fn ordinal_of(cardinal: &str) -> String {
    let (head, last) = cardinal.rsplit_once(' ').map_or(("", cardinal), |(head, last)| (head, last));
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", &tens[..tens.len() - 1]),
        other => format!("{other}th"),
    };
    if head.is_empty() { last } else { format!("{head} {last}") }
}

/// The plural of a number's last word: "nineteen eighties", "sixes".
pub(super) fn plural(words: &str) -> String {
    match words.chars().last() {
        Some('y') => format!("{}ies", &words[..words.len() - 1]),
        Some('x') => format!("{words}es"),
        _ => format!("{words}s"),
    }
}

/// Each digit by itself.
pub(crate) fn digits(text: &str) -> String {
    let words: Vec<&str> = text.chars().filter_map(|c| c.to_digit(10)).map(|d| ONES[d as usize]).collect();
    words.join(" ")
}

/// A year as it is said: "nineteen oh five", "eighteen hundred", "two thousand nine".
pub(super) fn year(n: u64) -> String {
    year_or(n, cardinal)
}

/// A year as it is said, or, where it is no number of hundreds and what is left, as `whole` says it.
pub(crate) fn year_or(n: u64, whole: impl Fn(u64) -> String) -> String {
    match (n / 100, n % 100) {
        (century, _) if !(10..100).contains(&century) || century.is_multiple_of(10) && n % 100 < 10 => whole(n),
        (century, 0) => format!("{} hundred", cardinal(century)),
        (century, rest @ 1..=9) => format!("{} oh {}", cardinal(century), cardinal(rest)),
        (century, rest) => format!("{} {}", cardinal(century), cardinal(rest)),
    }
}

/// A number as it is written: an optional sign, digits with or without thousands commas, an optional fraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    pub(super) whole: String,
    pub(super) fraction: Option<String>,
    pub(super) commas: bool,
}

impl Number {
    /// The number that begins `text`, and what follows it.
    pub(super) fn split(text: &str) -> Option<(Self, &str)> {
        let unsigned = text.strip_prefix(['-', '−', '+']).unwrap_or(text);
        let negative = unsigned.len() < text.len() && !text.starts_with('+');
        let (mut whole, mut rest) = take_digits(unsigned);
        let mut commas = false;
        if (1..=3).contains(&whole.len()) {
            let mut grouped = whole.to_owned();
            while let Some((group, after)) = rest.strip_prefix(',').map(take_digits).filter(|(g, _)| g.len() == 3) {
                grouped.push_str(group);
                (rest, commas) = (after, true);
            }
            if commas {
                let (fraction, rest) = take_fraction(rest);
                return Some((Self { negative, whole: grouped, fraction, commas }, rest));
            }
        }
        let (fraction, rest) = take_fraction(rest);
        if whole.is_empty() {
            fraction.as_ref()?;
            whole = "0";
        }
        Some((Self { negative, whole: whole.to_owned(), fraction, commas }, rest))
    }

    /// The number that is all of `text`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::split(text).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
    }

    /// The whole part where it is small enough to be a number.
    pub(super) fn value(&self) -> Option<u64> {
        self.whole.parse().ok()
    }

    /// Whether it is exactly one.
    pub(super) fn is_one(&self) -> bool {
        self.whole == "1" && self.fraction.is_none()
    }

    /// The number in words: long numbers without commas and those with leading zeros digit by digit.
    pub(super) fn words(&self) -> String {
        let spelled = self.whole.len() > 1 && self.whole.starts_with('0') || !self.commas && self.whole.len() > 9;
        let mut words = match self.value() {
            Some(n) if !spelled => cardinal(n),
            _ => digits(&self.whole),
        };
        if let Some(fraction) = &self.fraction {
            words = format!("{words} point {}", digits(fraction));
        }
        if self.negative { format!("minus {words}") } else { words }
    }

    /// As [`words`](Self::words), but a bare number from 1100 to 2099 is read as a year.
    pub(super) fn words_or_year(&self) -> String {
        match self.value() {
            Some(n @ 1100..=2099) if !self.negative && !self.commas && self.fraction.is_none() => year(n),
            _ => self.words(),
        }
    }
}

fn take_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn take_fraction(text: &str) -> (Option<String>, &str) {
    match text.strip_prefix('.').map(take_digits) {
        Some((fraction, rest)) if !fraction.is_empty() => (Some(fraction.to_owned()), rest),
        _ => (None, text),
    }
}

/// `3/4` as "three quarters".
pub(super) fn fraction(above: u64, below: u64) -> String {
    let name = match below {
        2 => "half".to_owned(),
        4 => "quarter".to_owned(),
        n => ordinal(n),
    };
    let name = match (above, name.as_str()) {
        (1, _) => name,
        (_, "half") => "halves".to_owned(),
        _ => format!("{name}s"),
    };
    format!("{} {name}", cardinal(above))
}
