//! The phones that this family speaks: ARPAbet with lexical stress, and tokens for silence and punctuation.
//!
//! The names are those of the CMU pronouncing dictionary, so that its entries read without translation.

/// The number of tokens: silence and punctuation, then consonants, then vowels with three stresses each.
pub const TOKENS: usize = 7 + CONSONANTS.len() + 3 * VOWELS.len();

/// Fills the unused end of a row in a batch.
pub const PAD: u8 = 0;
/// The silence before an utterance.
pub const SILENCE: u8 = 1;
/// A pause that no punctuation asks for.
pub const PAUSE: u8 = 2;
/// A comma, semicolon, colon, dash or bracket.
pub const COMMA: u8 = 3;
/// A full stop.
pub const STOP: u8 = 4;
/// A question mark.
pub const QUESTION: u8 = 5;
/// An exclamation mark.
pub const EXCLAMATION: u8 = 6;
/// The first token that is a phone.
pub const FIRST_PHONE: u8 = 7;

const SPECIAL: [&str; 7] = ["_", "sil", "sp", ",", ".", "?", "!"];
const CONSONANTS: [&str; 24] = [
    "B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG", "P", "R", "S", "SH", "T", "TH", "V", "W",
    "Y", "Z", "ZH",
];
const VOWELS: [&str; 15] = ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"];
const FIRST_VOWEL: u8 = FIRST_PHONE + CONSONANTS.len() as u8;

/// How many phones there are when stresses are not told apart.
pub const UNSTRESSED: usize = CONSONANTS.len() + VOWELS.len();

/// The number of a phone when stresses are not told apart, below [`UNSTRESSED`]; none for silence and punctuation.
pub fn unstressed(token: u8) -> Option<usize> {
    let (first, vowels) = (usize::from(token.checked_sub(FIRST_PHONE)?), CONSONANTS.len());
    match first.checked_sub(vowels) {
        None => Some(first),
        Some(vowel) => (vowel < 3 * VOWELS.len()).then_some(vowels + vowel / 3),
    }
}

/// The token of a phone whose number [`unstressed`] gives; unstressed for a vowel.
pub fn of_unstressed(number: usize) -> Option<u8> {
    let token = match number.checked_sub(CONSONANTS.len()) {
        None => usize::from(FIRST_PHONE) + number,
        Some(vowel) => usize::from(FIRST_VOWEL) + 3 * vowel,
    };
    (number < UNSTRESSED).then_some(token as u8)
}

/// The name of a phone without stress, such as `AH` or `K`, by its number.
pub fn unstressed_name(number: usize) -> Option<&'static str> {
    CONSONANTS.iter().chain(&VOWELS).nth(number).copied()
}

/// The token of a name such as `AH0`, `K` or `,`. A vowel without a stress digit counts as stressed.
pub fn id(name: &str) -> Option<u8> {
    let find = |list: &[&str], name: &str| list.iter().position(|n| *n == name).map(|i| i as u8);
    if let Some(i) = find(&SPECIAL, name) {
        return Some(i);
    }
    if let Some(i) = find(&CONSONANTS, name) {
        return Some(FIRST_PHONE + i);
    }
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let stress = match &name[base.len()..] {
        "" | "1" => 1,
        "0" => 0,
        "2" => 2,
        _ => return None,
    };
    find(&VOWELS, base).map(|i| FIRST_VOWEL + 3 * i + stress)
}

/// The name of a token; `?` beyond the inventory is impossible for tokens that [`id`] gave.
pub fn name(token: u8) -> String {
    let token = usize::from(token);
    let phones = usize::from(FIRST_PHONE);
    let vowels = usize::from(FIRST_VOWEL);
    match token {
        t if t < phones => SPECIAL[t].to_owned(),
        t if t < vowels => CONSONANTS[t - phones].to_owned(),
        t if t < TOKENS => format!("{}{}", VOWELS[(t - vowels) / 3], (t - vowels) % 3),
        t => format!("<{t}>"),
    }
}

/// Whether the token is a vowel.
pub fn is_vowel(token: u8) -> bool {
    token >= FIRST_VOWEL && usize::from(token) < TOKENS
}

/// Whether the token is a phone rather than silence or punctuation.
pub fn is_phone(token: u8) -> bool {
    token >= FIRST_PHONE && usize::from(token) < TOKENS
}

/// The token with its stress removed, for models that do not tell stresses apart: unstressed for every vowel.
pub fn without_stress(token: u8) -> u8 {
    if is_vowel(token) { token - (token - FIRST_VOWEL) % 3 } else { token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_a_name_that_leads_back() {
        for token in 0..TOKENS as u8 {
            assert_eq!(id(&name(token)), Some(token));
        }
        assert_eq!(id("AH"), id("AH1"));
        assert_eq!(id("AH3"), None);
        assert_eq!(id("Q"), None);
    }

    #[test]
    fn stress_is_removed_from_vowels_only() {
        let plain = |n: &str| id(n).map(without_stress);
        assert_eq!(plain("EY1"), id("EY0"));
        assert_eq!(plain("EY2"), id("EY0"));
        assert_eq!(plain("K"), id("K"));
    }
}
