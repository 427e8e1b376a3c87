//! How people speak of timers and of the time of day.

use rand::Rng;
use rejoinder_models::llm::tools::spoken::cardinal;
use serde_json::{Value, json};

use super::phrase::{Chance, chance, pick, say, say_one, tidy};

/// A length of time, as said and as the call states it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Length {
    pub(crate) said: String,
    /// The same before a noun: "ten minute" in "a ten minute timer".
    pub(crate) before_noun: String,
    pub(crate) fields: Vec<(&'static str, u64)>,
}

pub(crate) const LABELS: [&str; 26] = [
    "pasta", "eggs", "pizza", "tea", "rice", "bread", "cake", "cookies", "chicken", "laundry", "workout", "nap",
    "break", "meeting", "oven", "potatoes", "soup", "dishes", "homework", "reading", "coffee", "steak", "lasagna",
    "garden", "parking", "yoga",
];

fn amount(rng: &mut Chance, unit: &str) -> u64 {
    let usual: &[&u64] = match unit {
        "hour" => &[&1, &2, &3, &4, &5, &6, &8, &10, &12],
        "minute" => {
            &[&1, &2, &3, &4, &5, &5, &7, &8, &10, &10, &12, &15, &15, &20, &20, &25, &30, &35, &40, &45, &50, &90]
        }
        _ => &[&5, &10, &15, &20, &30, &30, &40, &45, &50, &60, &90],
    };
    if chance(rng, 60) { *pick(rng, usual) } else { rng.random_range(1..if unit == "hour" { 13 } else { 60 }) }
}

fn unit_name(unit: &str) -> &'static str {
    match unit {
        "hour" => "hours",
        "minute" => "minutes",
        _ => "seconds",
    }
}

fn plain(rng: &mut Chance, units: &[&'static str]) -> Length {
    let parts: Vec<(&str, u64)> = units.iter().map(|unit| (*unit, amount(rng, unit))).collect();
    let words = |(unit, n): &(&str, u64)| {
        let n_words = if *n == 1 && parts.len() == 1 && *unit != "second" { "one".to_owned() } else { cardinal(*n) };
        format!("{n_words} {unit}{}", if *n == 1 { "" } else { "s" })
    };
    let said: Vec<String> = parts.iter().map(words).collect();
    let before: Vec<String> = parts.iter().map(|(unit, n)| format!("{} {unit}", cardinal(*n))).collect();
    let joint = pick(rng, &[" and ", " ", " and "]);
    let fields = parts.iter().map(|(unit, n)| (unit_name(unit), *n)).collect();
    Length { said: said.join(joint), before_noun: before.join(joint), fields }
}

fn idiom(rng: &mut Chance) -> Length {
    let n = rng.random_range(1..6u64);
    let (said, fields) = match rng.random_range(0..7) {
        0 => ("an hour".to_owned(), vec![("hours", 1)]),
        1 => (say(rng, "(half an hour|a half hour)", &[]), vec![("minutes", 30)]),
        2 => ("a minute".to_owned(), vec![("minutes", 1)]),
        3 => ("an hour and a half".to_owned(), vec![("hours", 1), ("minutes", 30)]),
        4 => (format!("{} and a half minutes", cardinal(n)), vec![("minutes", n), ("seconds", 30)]),
        5 => (format!("{} and a half hours", cardinal(n)), vec![("hours", n), ("minutes", 30)]),
        _ => (say(rng, "(a quarter of an hour|quarter of an hour)", &[]), vec![("minutes", 15)]),
    };
    Length { before_noun: String::new(), said, fields }
}

impl Length {
    pub(crate) fn random(rng: &mut Chance) -> Self {
        match rng.random_range(0..10) {
            0..6 => {
                let unit = pick(rng, &["minute", "minute", "minute", "minute", "second", "hour"]);
                plain(rng, &[unit])
            }
            6 => plain(rng, &["hour", "minute"]),
            7 => plain(rng, &["minute", "second"]),
            _ => idiom(rng),
        }
    }
}

/// A request for a timer, and the arguments of the call.
pub(crate) fn set(rng: &mut Chance, length: &Length, label: Option<&str>) -> (String, Value) {
    let values = [("d", length.said.as_str()), ("n", length.before_noun.as_str()), ("l", label.unwrap_or(""))];
    let named = label.is_some();
    let mut templates = vec![
        if named { "{set} a {l} timer for {d}" } else { "{set} a (timer|countdown|timer) for {d}" },
        if named { "{set} a timer for {d} for the {l}" } else { "{set} a timer for {d}" },
        if named {
            "{d} for the {l}"
        } else {
            "(timer for {d}|{d} timer|start counting down {d}|count down {d}|wake me up in {d}|time {d})"
        },
        if named { "{set} a timer called {l} for {d}" } else { "{set} the timer (for|to) {d}" },
        if named { "remind me about the {l} in {d}" } else { "(tell|alert|remind|ping) me (in|after) {d}" },
    ];
    if !length.before_noun.is_empty() {
        templates.push(if named { "{set} a {n} {l} timer" } else { "{set} a {n} timer" });
        templates.push(if named { "{set} a {n} timer for (the|my) {l}" } else { "(a|) {n} timer" });
    }
    let verb = say(
        rng,
        "(set|start|set|set up|give me|make|create|begin|can you set|could you set|could you start|can you start|i need|i want|please set|please start|would you set|let's set)",
        &[],
    );
    let template = pick(rng, &templates).replace("{set}", &verb);
    let said = tidy(&format!("{} {}", say(rng, &template, &values), polite_end(rng)));
    (said, arguments(length, label))
}

/// The arguments of the call that sets a timer.
pub(crate) fn arguments(length: &Length, label: Option<&str>) -> Value {
    let mut arguments = serde_json::Map::new();
    arguments.insert("action".into(), json!("set"));
    if let Some(label) = label {
        arguments.insert("label".into(), json!(label));
    }
    arguments.extend(length.fields.iter().map(|(name, n)| ((*name).to_owned(), json!(n))));
    Value::Object(arguments)
}

/// Says a length, takes it back and says another, which is meant.
pub(crate) fn correct(rng: &mut Chance, said: &str, meant: &Length) -> String {
    let oops =
        say(rng, "(no|no wait|sorry|i mean|no sorry|no make it|actually|actually make it|make that|or rather)", &[]);
    tidy(&format!("{said} {oops} {}", meant.said))
}

/// A question about timers.
pub(crate) fn query(rng: &mut Chance, label: Option<&str>) -> String {
    let templates: &[&str] = match label {
        Some(_) => &[
            "how (much time is|long is|many minutes are) left on the {l} timer",
            "how (long|much longer) for the {l}",
            "(check|what about|how's) the {l} timer",
            "how much time (do i have|is left) (for|on) the {l}",
        ],
        None => &[
            "how (much time is|long is|many minutes are) left (on the timer|on my timer|)",
            "how (much longer|long do i have)",
            "(what timers do i have|what are my timers|list my timers|check my timers|show me my timers|do i have any timers|are there any timers|what timers are (running|set))",
            "(check|what's on|status of) the timer",
            "is the timer still running",
            "how long until the timer (goes off|is done|rings)",
        ],
    };
    let said = say_one(rng, templates, &[("l", label.unwrap_or(""))]);
    tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)))
}

/// A request to end timers.
pub(crate) fn cancel(rng: &mut Chance, label: Option<&str>) -> String {
    let templates: &[&str] = match label {
        Some(_) => &[
            "(cancel|stop|delete|remove|end|clear|turn off|kill) the {l} timer",
            "(cancel|stop|end) the timer for the {l}",
            "i don't need the {l} timer (anymore|any more)",
        ],
        None => &[
            "(cancel|stop|delete|remove|end|clear|turn off|kill) (the|my) timer",
            "(cancel|stop|clear|delete) (all|all my|all the|my) timers",
            "i don't need the timer (anymore|any more)",
            "(forget|never mind) the timer",
        ],
    };
    let said = say_one(rng, templates, &[("l", label.unwrap_or(""))]);
    let opener = say(rng, "(|||please|can you|could you|okay|actually)", &[]);
    tidy(&format!("{opener} {said} {}", polite_end(rng)))
}

/// A question about the clock or the calendar: what is said, and the arguments of the call.
pub(crate) fn clock(rng: &mut Chance) -> (String, Value) {
    let (said, arguments) = match rng.random_range(0..11) {
        0..5 => {
            let templates = [
                "what time is it (now|right now|)",
                "what's the time (now|right now|)",
                "(tell me|can you tell me|could you tell me|do you know|do you have) (the time|what time it is)",
                "(how late is it|the time please|what does the clock say|what hour is it|got the time|time please)",
                "is it (late|still morning|past noon) what time is it",
            ];
            (say_one(rng, &templates, &[]), json!({"what": "time"}))
        }
        5..8 => {
            let templates = [
                "what's (the|today's) date (today|)",
                "what (date is it|is the date) (today|)",
                "(tell me|can you tell me|could you tell me|do you know) (the date|today's date|what date it is)",
                "what is today's date",
                "which date is it",
            ];
            (say_one(rng, &templates, &[]), json!({"what": "date"}))
        }
        8 => {
            let templates = [
                "what day is it (today|)",
                "(which|what) day of the week is it",
                "what's today",
                "(tell me|do you know) what day it is",
                "is (it|today) (monday|friday|sunday|saturday) (today|)",
            ];
            (say_one(rng, &templates, &[]), json!({"what": "day"}))
        }
        9 => {
            let (when, days) = *pick(
                rng,
                &[
                    &("tomorrow", 1),
                    &("the day after tomorrow", 2),
                    &("in three days", 3),
                    &("in a week", 7),
                    &("yesterday", -1),
                ],
            );
            let (template, what) = *pick(
                rng,
                &[
                    &("what (day is|day is it|day of the week is) {w}", "day"),
                    &("what's the date {w}", "date"),
                    &("what (date|will the date be) {w}", "date"),
                ],
            );
            (say(rng, template, &[("w", when)]), json!({"what": what, "days": days}))
        }
        _ => (
            say(rng, "(what year is it|what year is this|which year is it|what's the year|tell me the year)", &[]),
            json!({"what": "year"}),
        ),
    };
    (tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng))), arguments)
}

/// A word or two before a request.
pub(crate) fn polite_start(rng: &mut Chance) -> String {
    say(rng, "(||||||hey|okay|so|um|hi|please|and|excuse me|sorry|well|hello|oh|hey rejoinder)", &[])
}

/// A word or two after a request.
pub(crate) fn polite_end(rng: &mut Chance) -> String {
    say(rng, "(||||||||please|please|thanks|thank you|for me)", &[])
}
