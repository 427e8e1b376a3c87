//! How people speak of timers and of the time of day.

use rand::Rng;
use rand::seq::IndexedRandom;
use rejoinder_models::llm::tools::spoken::cardinal;
use serde_json::{Value, json};

use super::Noise;
use super::phrase::{Chance, chance, pick, say, say_one, tidy};

/// A length of time, as said and as the call states it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Length {
    pub(crate) said: String,
    /// The same before a noun: "ten minute" in "a ten minute timer".
    pub(crate) before_noun: String,
    pub(crate) fields: Vec<(&'static str, u64)>,
}

const THINGS: [&str; 26] = [
    "pasta", "eggs", "pizza", "tea", "rice", "bread", "cake", "cookies", "chicken", "laundry", "workout", "nap",
    "break", "meeting", "oven", "potatoes", "soup", "dishes", "homework", "reading", "coffee", "steak", "lasagna",
    "garden", "parking", "yoga",
];

/// What there is to do; `{w}`, `{v}` and `{u}` stand for any words.
const TASKS: &[&str] = &[
    "call (mom|dad|my (wife|husband|boss|brother|sister)|the (doctor|bank|school|office|{w}|{w} {v})|{w}|my {w}|{w} {v}|{w} about the {v})",
    "check (the|my|on the|on) (oven|mail|laundry|dog|roast|{w}|{w} {v})",
    "turn (off|on|down|up) the (oven|stove|heating|lights|{w}|{w} {v})",
    "take (out the (trash|cake|bread|garbage|{w}|{w} {v})|my (pills|medicine|{w})|the {w} out|the {w} to the {v}|a break|a shower|a {w})",
    "(feed|walk|wash|brush) the (dog|cat|fish|baby|{w})",
    "water the (plants|flowers|{w})",
    "(leave|go|get ready) (for (work|school|the {w}|{w})|)",
    "(go to bed|go home|wake up|stand up|stretch|drink (some|) water)",
    "go to the {w} (with {v}|)",
    "(pick up|drop off|bring|buy|get|order|pay|print|book) (the kids|{w}|my {w}|the {w}|the {w} {v}|{w} {v}|{w} and {v})",
    "(send|write|text|email|ask|tell|answer|thank) (the {w}|{w}|{w} about {v}|{w} about the {v}|my {w})",
    "(finish|clean|wash|move|start|stir|fix|charge|return|open|close|lock|read|put away) (the {w}|my {w}|the {w} {v}|the {w} and the {v})",
    "{w} (the|my|a|with|for|to|) {v} (|||{u})",
    "(do|make) (my|the|some|a) {w} ({v}|)",
];

/// What a timer is named after.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    name: String,
    /// Whether it is something to do, as "call mom", in place of a thing that takes its time.
    task: bool,
    /// Its words that nobody could restore, had a recogniser misheard them.
    pub(crate) uncommon: Vec<String>,
}

impl Label {
    /// A label, where the timer has one.
    pub(crate) fn random(rng: &mut Chance, noise: &Noise) -> Option<Self> {
        match rng.random_range(0..100) {
            0..34 => Some(Self::thing(rng, noise)),
            34..56 => Some(Self::task(rng, noise)),
            _ => None,
        }
    }

    /// A thing that takes its time.
    pub(crate) fn thing(rng: &mut Chance, noise: &Noise) -> Self {
        let thing = THINGS.choose(rng).copied().unwrap_or("tea");
        let word = |rng: &mut Chance| noise.any_word(rng).unwrap_or(thing);
        let (name, uncommon) = match rng.random_range(0..12) {
            0..3 => {
                let word = word(rng);
                (word.to_owned(), vec![word])
            }
            3 => {
                let words = [word(rng), word(rng)];
                (words.join(" "), words.to_vec())
            }
            4 => {
                let word = word(rng);
                (format!("{word} {thing}"), vec![word])
            }
            _ => (thing.to_owned(), Vec::new()),
        };
        Self { uncommon: uncommon.into_iter().map(str::to_owned).collect(), name, task: false }
    }

    fn task(rng: &mut Chance, noise: &Noise) -> Self {
        let words: [String; 3] = std::array::from_fn(|_| noise.any_word(rng).unwrap_or("soup").to_owned());
        let [w, v, u] = words.each_ref().map(String::as_str);
        let name = say_one(rng, TASKS, &[("w", w), ("v", v), ("u", u)]);
        let uncommon = name.split(' ').filter(|part| [w, v, u].contains(part)).map(str::to_owned).collect();
        Self { name, task: true, uncommon }
    }
}

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
pub(crate) fn set(rng: &mut Chance, length: &Length, label: Option<&Label>) -> (String, Value) {
    let name = label.map_or("", |label| &label.name);
    let values = [("d", length.said.as_str()), ("n", length.before_noun.as_str()), ("l", name)];
    let mut templates: Vec<&str> = match label {
        Some(label) if label.task => vec![
            "remind me to {l} in {d}",
            "remind me in {d} to {l}",
            "(set a reminder|make a reminder|i need a reminder|give me a reminder) to {l} in {d}",
            "in {d} remind me to {l}",
            "(tell me|don't let me forget) to {l} in {d}",
            "(set|make) a reminder (in|for) {d} to {l}",
        ],
        Some(_) => vec![
            "{set} a {l} timer for {d}",
            "{set} a timer for {d} for the {l}",
            "{d} for the {l}",
            "{set} a timer called {l} for {d}",
            "remind me about the {l} in {d}",
        ],
        None => vec![
            "{set} a (timer|countdown|timer) for {d}",
            "{set} a timer for {d}",
            "(timer for {d}|{d} timer|start counting down {d}|count down {d}|wake me up in {d}|time {d})",
            "{set} the timer (for|to) {d}",
            "(tell|alert|remind|ping) me (in|after) {d}",
        ],
    };
    if !length.before_noun.is_empty() {
        templates.extend_from_slice(match label {
            Some(label) if label.task => &[],
            Some(_) => &["{set} a {n} {l} timer", "{set} a {n} timer for (the|my) {l}"],
            None => &["{set} a {n} timer", "(a|) {n} timer"],
        });
    }
    let template = pick(rng, &templates).replace("{set}", &set_verb(rng));
    let said = say(rng, &template, &values);
    let said = match label {
        Some(label) if label.task => format!("{} {said}", polite_ask(rng)),
        _ => said,
    };
    (tidy(&format!("{said} {}", polite_end(rng))), arguments(length, label))
}

fn set_verb(rng: &mut Chance) -> String {
    say(
        rng,
        "(set|start|set|set up|give me|make|create|begin|can you set|could you set|could you start|can you start|i need|i want|please set|please start|would you set|let's set)",
        &[],
    )
}

fn polite_ask(rng: &mut Chance) -> String {
    say(rng, "(||||can you|could you|please|will you|would you)", &[])
}

/// A request for two timers in one sentence.
pub(crate) fn set_two(rng: &mut Chance, lengths: &[Length; 2], labels: [Option<&Label>; 2]) -> String {
    let templates: &[&str] = match labels {
        [Some(_), Some(_)] => &[
            "{set} a {l} timer for {d} and (a|another) {m} timer for {e}",
            "{set} a timer for {d} for the {l} and (one|another|another one) for {e} for the {m}",
            "{set} two timers {d} for the {l} and {e} for the {m}",
        ],
        _ => &[
            "{set} a timer for {d} and (another|another one|one|a second one|one more) for {e}",
            "{set} two timers (one|) for {d} and (one|another|the other|) for {e}",
            "{set} two timers for {d} and {e}",
            "a timer for {d} and (one|another one) for {e}",
        ],
    };
    let template = pick(rng, templates).replace("{set}", &set_verb(rng));
    let [l, m] = labels.map(|label| label.map_or("", |label| label.name.as_str()));
    let said = say(rng, &template, &[("d", &lengths[0].said), ("e", &lengths[1].said), ("l", l), ("m", m)]);
    tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)))
}

/// A request for a timer that does not say how long it runs, and the question that it is answered with.
pub(crate) fn without_length(rng: &mut Chance, label: Option<&Label>) -> (String, &'static str) {
    let task = label.is_some_and(|label| label.task);
    let template = match label {
        Some(_) if task => "(remind me to {l}|(set|make) a reminder to {l})",
        Some(_) => "{set} (a {l} timer|a timer for the {l}|the {l} timer)",
        None => "{set} (a|a|the|another|a new) (timer|countdown)",
    };
    let template = template.replace("{set}", &set_verb(rng));
    let said = say(rng, &template, &[("l", label.map_or("", |label| &label.name))]);
    let question = if task { "When should I remind you?" } else { "For how long?" };
    (tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng))), question)
}

/// The answer to how long a timer is to run.
pub(crate) fn answer(rng: &mut Chance, length: &Length) -> String {
    say(rng, "(|||for|in|make it|um|let's say|uh for) {d} (||||please|thanks)", &[("d", &length.said)])
}

/// A sentence about timers without words that may be any.
pub(crate) fn spoken(rng: &mut Chance) -> String {
    let label = Label::random(rng, &Noise::default());
    match rng.random_range(0..20) {
        0 => without_length(rng, label.as_ref()).0,
        1..12 => {
            let length = Length::random(rng);
            set(rng, &length, label.as_ref()).0
        }
        12..16 => query(rng, label.as_ref()),
        _ => cancel(rng, label.as_ref()),
    }
}

/// The arguments of the call that sets a timer.
pub(crate) fn arguments(length: &Length, label: Option<&Label>) -> Value {
    let mut arguments = with_label("set", label);
    for (name, n) in &length.fields {
        arguments[*name] = json!(n);
    }
    arguments
}

/// The arguments of a call for the timer of this label, or for any.
pub(crate) fn with_label(action: &str, label: Option<&Label>) -> Value {
    match label {
        Some(label) => json!({"action": action, "label": label.name}),
        None => json!({"action": action}),
    }
}

/// Says a length, takes it back and says another, which is meant.
pub(crate) fn correct(rng: &mut Chance, said: &str, meant: &Length) -> String {
    let oops =
        say(rng, "(no|no wait|sorry|i mean|no sorry|no make it|actually|actually make it|make that|or rather)", &[]);
    tidy(&format!("{said} {oops} {}", meant.said))
}

/// A question about timers.
pub(crate) fn query(rng: &mut Chance, label: Option<&Label>) -> String {
    let templates: &[&str] = match label {
        Some(label) if label.task => &[
            "(how long|how much time) (is there|do i have|have i got|is left|) (until|before) i (have to|should|need to|must) {l}",
            "when (do|should) i (have to|need to|) {l}",
            "(what about|check) the reminder to {l}",
            "when (will|are) you (remind|going to remind) me to {l}",
        ],
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
    let said = say_one(rng, templates, &[("l", label.map_or("", |label| &label.name))]);
    tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)))
}

/// A request to end timers.
pub(crate) fn cancel(rng: &mut Chance, label: Option<&Label>) -> String {
    let templates: &[&str] = match label {
        Some(label) if label.task => &[
            "{o} (cancel|delete|remove|forget) the reminder to {l}",
            "(i don't need to|i no longer have to) {l} (anymore|any more|)",
            "(please|) don't remind me to {l} (anymore|)",
        ],
        Some(_) => &[
            "{o} (cancel|stop|delete|remove|end|clear|turn off|kill) the {l} timer",
            "{o} (cancel|stop|end) the timer for the {l}",
            "(actually|) i don't need the {l} timer (anymore|any more)",
        ],
        None => &[
            "{o} (cancel|stop|delete|remove|end|clear|turn off|kill) (the|my) timer",
            "{o} (cancel|stop|clear|delete) (all|all my|all the|my) timers",
            "(actually|) i don't need the timer (anymore|any more)",
            "(forget|never mind) the timer",
        ],
    };
    let opener = say(rng, "(|||please|can you|could you|okay|actually)", &[]);
    let said = say_one(rng, templates, &[("l", label.map_or("", |label| &label.name)), ("o", &opener)]);
    tidy(&format!("{said} {}", polite_end(rng)))
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
