//! Whole numbers within bounds, by their digits: the range is cut into blocks whose numbers begin alike, as in
//! llama.cpp's `json_schema_to_grammar`.

use serde_json::Value;

use super::literal;

/// The largest number of 18 digits: what a range reaches that has no bound on one side.
const OPEN: i128 = 999_999_999_999_999_999;

/// An expression for the integers that keep the `minimum` and `maximum` of `schema`. None where it has neither, or
/// where no integer keeps both. A side without a bound reaches to 18 digits, or, where the other bound lies beyond, to
/// the last integer that a tool can be given.
pub(super) fn integers(schema: &Value) -> Option<String> {
    let bound = |key, round: fn(f64) -> f64| {
        let value = schema.get(key)?;
        let whole = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
        whole.or_else(|| value.as_f64().map(|value| round(value) as i128))
    };
    let (first, last) = (i128::from(i64::MIN), i128::from(u64::MAX));
    let (least, most) = match (bound("minimum", f64::ceil), bound("maximum", f64::floor)) {
        (None, None) => return None,
        (Some(least), None) => (least, if least > OPEN { last } else { OPEN }),
        (None, Some(most)) => (if most < -OPEN { first } else { -OPEN }, most),
        (Some(least), Some(most)) => (least, most),
    };
    let (least, most) = (least.max(first), most.min(last));
    if least > most {
        return None;
    }
    let mut blocks = Vec::new();
    if least < 0 {
        blocks.push(format!("\"-\" {}", group(&naturals((-most).max(1), -least))));
    }
    if most >= 0 {
        blocks.extend(naturals(least.max(0), most));
    }
    Some(blocks.join(" | "))
}

/// The numbers from `least` to `most`, neither below zero. Those of each length are a range of their own; lengths all
/// of whose numbers are within go together.
fn naturals(least: i128, most: i128) -> Vec<String> {
    let length = |number: i128| number.max(1).ilog10();
    let (mut blocks, mut whole) = (Vec::new(), None);
    for zeros in length(least)..=length(most) {
        let (shortest, longest) = (if zeros == 0 { 0 } else { 10_i128.pow(zeros) }, 10_i128.pow(zeros + 1) - 1);
        let (from, to) = (least.max(shortest), most.min(longest));
        if zeros > 0 && (from, to) == (shortest, longest) {
            whole = Some((whole.map_or(zeros, |(shortest, _)| shortest), zeros));
        } else {
            blocks.extend(alike(from.to_string().as_bytes(), to.to_string().as_bytes()));
        }
    }
    blocks.extend(whole.map(|(from, to)| format!("[1-9] [0-9]{{{from},{to}}}")));
    blocks
}

/// The numbers from `from` to `to`, which have equally many digits.
fn alike(from: &[u8], to: &[u8]) -> Vec<String> {
    let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let (prefix, from) = from.split_at(common);
    let (Some((&low, from)), Some((&high, to))) = (from.split_first(), to[common..].split_first()) else {
        return vec![digits(prefix)];
    };
    let (begins, ends) = (from.iter().all(|digit| *digit == b'0'), to.iter().all(|digit| *digit == b'9'));
    let mut blocks = Vec::new();
    if !begins {
        blocks.push(format!("{} {}", digits(&[low]), group(&alike(from, &vec![b'9'; from.len()]))));
    }
    let (least, most) = (low + u8::from(!begins), high - u8::from(!ends));
    if least <= most {
        let class = match least == most {
            true => digits(&[least]),
            false => format!("[{}-{}]", char::from(least), char::from(most)),
        };
        let rest = if from.is_empty() { String::new() } else { format!(" [0-9]{{{}}}", from.len()) };
        blocks.push(class + &rest);
    }
    if !ends {
        blocks.push(format!("{} {}", digits(&[high]), group(&alike(&vec![b'0'; to.len()], to))));
    }
    if prefix.is_empty() { blocks } else { vec![format!("{} {}", digits(prefix), group(&blocks))] }
}

fn digits(ascii: &[u8]) -> String {
    literal(&String::from_utf8_lossy(ascii))
}

fn group(blocks: &[String]) -> String {
    match blocks {
        [one] => one.clone(),
        several => format!("( {} )", several.join(" | ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The ends of all that `grammar` matches at the beginning of `text`, which it takes off up to a closing bracket.
    fn ends(grammar: &mut &[u8], text: &[u8]) -> Vec<usize> {
        let (mut all, mut open) = (Vec::new(), vec![0]);
        loop {
            let (next, rest) = grammar.split_first().map_or((b')', *grammar), |(next, rest)| (*next, rest));
            *grammar = rest;
            match next {
                b')' => return [all, open].concat(),
                b'|' => all.append(&mut std::mem::replace(&mut open, vec![0])),
                b' ' => {}
                b'(' => {
                    let (inside, mut after) = (*grammar, Vec::new());
                    for from in &open {
                        *grammar = inside;
                        after.extend(ends(grammar, &text[*from..]).into_iter().map(|end| from + end));
                    }
                    if open.is_empty() {
                        ends(grammar, text);
                    }
                    open = after;
                }
                b'"' => {
                    let length = grammar.iter().position(|c| *c == b'"').unwrap();
                    let word = &grammar[..length];
                    open = open.into_iter().filter(|at| text[*at..].starts_with(word)).map(|at| at + length).collect();
                    *grammar = &grammar[length + 1..];
                }
                b'[' => {
                    let class = grammar[0]..=grammar[2];
                    *grammar = &grammar[4..];
                    let (mut least, mut most) = (1, 1);
                    if let Some(rest) = grammar.strip_prefix(b"{") {
                        let close = rest.iter().position(|c| *c == b'}').unwrap();
                        let counts = std::str::from_utf8(&rest[..close]).unwrap();
                        let (from, to) = counts.split_once(',').unwrap_or((counts, counts));
                        (least, most) = (from.parse().unwrap(), to.parse().unwrap());
                        *grammar = &rest[close + 1..];
                    }
                    let reach = |at: usize| text[at..].iter().take(most).take_while(|c| class.contains(c)).count();
                    open = open.into_iter().flat_map(|at| (least..=reach(at)).map(move |count| at + count)).collect();
                }
                other => panic!("{other} before {:?}", String::from_utf8_lossy(grammar)),
            }
        }
    }

    fn accepts(grammar: &str, text: &str) -> bool {
        let mut rest = grammar.as_bytes();
        let ends = ends(&mut rest, text.as_bytes());
        assert!(rest.is_empty(), "{grammar}");
        ends.contains(&text.len())
    }

    #[test]
    fn exactly_the_integers_within_the_bounds_are_accepted() {
        let bounds = [-1_001, -1_000, -366, -100, -99, -12, -10, -9, -1, 0, 1, 5, 9, 10, 11, 42, 99, 100, 234, 1_099];
        let window = -1_250..=1_250;
        let mut checked = 0;
        for (i, least) in bounds.into_iter().enumerate() {
            let mut check = |schema: Value, within: &dyn Fn(i64) -> bool| {
                let grammar = integers(&schema).unwrap();
                for number in window.clone() {
                    assert_eq!(accepts(&grammar, &number.to_string()), within(number), "{number}: {schema}: {grammar}");
                }
                for text in ["", "-", "-0", "00", "01", "-01", "1.0", "+1"] {
                    assert!(!accepts(&grammar, text), "{text}: {schema}: {grammar}");
                }
                checked += 1;
            };
            check(json!({"minimum": least}), &|number| number >= least);
            check(json!({"maximum": least}), &|number| number <= least);
            for most in &bounds[i..] {
                check(json!({"minimum": least, "maximum": most}), &|number| (least..=*most).contains(&number));
            }
        }
        assert_eq!(checked, 250);
    }

    #[test]
    fn bounds_may_be_fractions_or_far_or_leave_nothing() {
        assert_eq!(integers(&json!({"minimum": -0.5, "maximum": 2.5})).unwrap(), "[0-2]");
        assert_eq!(integers(&json!({"minimum": 0, "maximum": 86_400})).unwrap().matches('|').count(), 5);
        assert_eq!(integers(&json!({"minimum": 1})).unwrap(), "[1-9] | [1-9] [0-9]{1,17}");
        let far = integers(&json!({"minimum": i64::MAX})).unwrap();
        assert!(accepts(&far, &i64::MAX.to_string()) && accepts(&far, &u64::MAX.to_string()));
        assert!(!accepts(&far, &(i64::MAX - 1).to_string()) && !accepts(&far, "18446744073709551616"));
        let low = integers(&json!({"maximum": i64::MIN})).unwrap();
        assert_eq!(low, format!("\"-\" \"{}\"", i64::MIN.unsigned_abs()));
        for schema in [json!({}), json!({"minimum": 3, "maximum": 2}), json!({"minimum": 0.2, "maximum": 0.8})] {
            assert_eq!(integers(&schema), None, "{schema}");
        }
    }
}
