//! A small phrase language: `(can|could) i (please|) have {drink}` stands for all its readings.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// The generator's source of chance: the same seed gives the same text on every machine.
pub(crate) type Chance = ChaCha8Rng;

/// One of `choices`, which is not empty.
pub(crate) fn pick<'a, T: ?Sized>(rng: &mut Chance, choices: &[&'a T]) -> &'a T {
    choices.choose(rng).copied().unwrap_or(choices[0])
}

/// True `percent` times of a hundred.
pub(crate) fn chance(rng: &mut Chance, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

/// One reading of `template`: each `(a|b|)` becomes one of its branches, which may nest; each `{name}` becomes the
/// value of that name in `values`. Spaces are single in the result.
pub(crate) fn say(rng: &mut Chance, template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    read(rng, template, values, &mut out);
    tidy(&out)
}

/// One reading of one of `templates`.
pub(crate) fn say_one(rng: &mut Chance, templates: &[&str], values: &[(&str, &str)]) -> String {
    let template = pick(rng, templates);
    say(rng, template, values)
}

fn read(rng: &mut Chance, template: &str, values: &[(&str, &str)], out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find(['(', '{']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('{') {
            let end = rest.find('}').unwrap_or(rest.len() - 1);
            let name = &rest[1..end];
            out.push_str(values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value));
            rest = &rest[end + 1..];
        } else {
            let (branches, end) = branches(rest);
            let branch = pick(rng, &branches);
            read(rng, branch, values, out);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
}

/// The branches of the group that `text` starts with, and where the group ends.
fn branches(text: &str) -> (Vec<&str>, usize) {
    let (mut depth, mut start, mut found) = (0, 1, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            '|' if depth == 1 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            ')' if depth == 1 => {
                found.push(&text[start..at]);
                return (found, at + 1);
            }
            ')' => depth -= 1,
            _ => {}
        }
    }
    found.push(&text[start..]);
    (found, text.len())
}

/// Single spaces, none at the ends, and "an" before a vowel.
pub(crate) fn tidy(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut out = String::with_capacity(text.len());
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        let vowel = words.get(at + 1).is_some_and(|next| {
            next.starts_with(['a', 'e', 'i', 'o', 'u']) && !["one", "um", "uh", "a", "unit"].contains(next)
        });
        out.push_str(if *word == "a" && vowel { "an" } else { word });
    }
    out
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_branch_is_reached_and_names_are_filled() {
        let mut rng = Chance::seed_from_u64(1);
        let mut seen: Vec<String> =
            (0..200).map(|_| say(&mut rng, "(can|could (we|i)) get a {x}", &[("x", "espresso")])).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, ["can get an espresso", "could i get an espresso", "could we get an espresso"]);
    }
}
