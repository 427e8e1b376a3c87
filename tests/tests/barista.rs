//! Spoken orders of coffee, each a whole conversation in virtual time: does the right order reach the counter?
//!
//! Runs where `REJOINDER_DATA` names the folder of the unpacked recordings, on some of the orders. `make barista` runs
//! all of them, clean and in two strengths of cafe noise, prints the table and saves `target/barista.json`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test panics where it fails, and prints its table")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rejoinder::sim::MOMENT;
use rejoinder::{Assistant, Calendar, Config, Cost, Event, EventKind, History, SessionBuilder, TurnId};
use rejoinder_models::audio::{self, Clip};
use rejoinder_models::llm::{Cancel, Finish};
use rejoinder_models::units::SampleRate;
use rejoinder_training::data::prepare::Set;
use serde_json::{Map, Value, json};

/// The tool that takes an order.
const TOOL: &str = "order_coffee";
/// Every how many orders one is run in the default tests, and what must come of them, in percent: of the orders as
/// text, and as sound without noise.
const STEP: usize = 20;
const LEAST_FROM_TEXT: usize = 90;
const LEAST_FROM_SOUND: usize = 40;
/// Voices that talk in the background of the cafe, and how long its noise is before it begins again.
const BABBLE_VOICES: usize = 8;
const CAFE_SECONDS: usize = 60;
/// Virtual costs, so that a run comes out the same on every machine.
const COST: Cost = Cost::Fixed { step: Duration::from_millis(2), output: Duration::from_millis(2) };

/// What was said at the counter.
struct Order {
    id: String,
    path: PathBuf,
    slots: Map<String, Value>,
}

/// What became of it.
struct Outcome {
    heard: Vec<String>,
    calls: Vec<Value>,
    reply: String,
    verdict: Verdict,
}

/// The first thing that went wrong on the way, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Right,
    /// The last call is right, but another was made before it.
    RightAfterWrong,
    /// All words of the order were understood, but the call differs.
    WrongCall,
    /// All words of the order were understood, but nothing was ordered.
    NoCall,
    /// Some words of the order were not understood.
    Misheard,
    /// Nothing was understood.
    Unheard,
}

impl Verdict {
    const ALL: [Self; 6] =
        [Self::Right, Self::RightAfterWrong, Self::WrongCall, Self::NoCall, Self::Misheard, Self::Unheard];

    fn of(expected: &Map<String, Value>, heard: &str, calls: &[Value]) -> Self {
        let right = calls.last().is_some_and(|call| call.as_object() == Some(expected));
        match (right, calls.len()) {
            (true, 1) => Self::Right,
            (true, _) => Self::RightAfterWrong,
            _ if heard.is_empty() => Self::Unheard,
            _ if !unheard_slots(expected, heard).is_empty() => Self::Misheard,
            (false, 0) => Self::NoCall,
            (false, _) => Self::WrongCall,
        }
    }
}

/// The slots of an order of which a word is missing in what was heard.
fn unheard_slots<'a>(expected: &'a Map<String, Value>, heard: &str) -> Vec<&'a str> {
    let words: Vec<&str> = heard.split_whitespace().collect();
    let has = |word: &str| match word {
        "ounce" => words.contains(&"ounce") || words.contains(&"ounces"),
        // People order "a double", "two shots", "a light latte" and "a little sugar".
        "single" => words.contains(&word) || words.contains(&"one"),
        "double" => words.contains(&word) || words.contains(&"two"),
        "triple" => words.contains(&word) || words.contains(&"three"),
        "shot" | "roast" | "a" | "of" => true,
        _ => words.contains(&word),
    };
    let missing = |value: &Value| value.as_str().unwrap_or_default().split_whitespace().any(|word| !has(word));
    expected.iter().filter(|(_, value)| missing(value)).map(|(slot, _)| slot.as_str()).collect()
}

/// The order as somebody might say it who says every slot in full.
fn true_text(slots: &Map<String, Value>) -> String {
    let slot = |name: &str| slots.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("can i get a {} {} {}", slot("size"), slot("roast"), slot("coffeeDrink"));
    if !slot("numberOfShots").is_empty() {
        text = format!("{text} with a {}", slot("numberOfShots"));
    }
    let extras: Vec<&str> = ["milkAmount", "sugarAmount"].map(slot).into_iter().filter(|v| !v.is_empty()).collect();
    if !extras.is_empty() {
        let joint = if slot("numberOfShots").is_empty() { "with" } else { "and" };
        text = format!("{text} {joint} {}", extras.join(" and "));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_orders(sets: &Path, step: usize) -> Vec<Order> {
    let set = Set::open(sets, sets, "intent_barista").unwrap();
    let order = |clip: &rejoinder_training::data::prepare::SetClip| {
        let slots: Map<String, Value> = serde_json::from_str(clip.get("slots").unwrap()).unwrap();
        let trimmed = |(name, value): (String, Value)| (name, json!(value.as_str().unwrap().trim()));
        Order {
            id: clip.id.clone(),
            path: set.folder.join(&clip.path),
            slots: slots.into_iter().map(trimmed).collect(),
        }
    };
    set.clips.iter().filter(|clip| clip.get("intent").unwrap() == "orderDrink").step_by(step).map(order).collect()
}

/// A kitchen and people talking, equally loud.
fn cafe(sets: &Path) -> Vec<f32> {
    let length = CAFE_SECONDS * SampleRate::INTERNAL.get() as usize;
    let read = |path: PathBuf| audio::read_at(path, SampleRate::INTERNAL).unwrap().samples;
    let kitchen = read(sets.join("noise_misc/kitchen.opus"));
    let loudness = level(&kitchen);
    let mut noise: Vec<f32> = kitchen.iter().cycle().take(length).map(|x| x / loudness).collect();
    let speech = Set::open(sets, sets, "librispeech_sub").unwrap();
    let talk: Vec<_> = speech.clips.iter().filter(|clip| clip.get("part").unwrap() == "train-clean-100").collect();
    let mut babble = vec![0.0; length];
    for voice in 0..BABBLE_VOICES {
        let mut at = 0;
        for clip in talk.iter().skip(voice * talk.len() / BABBLE_VOICES) {
            let samples = read(speech.folder.join(&clip.path));
            let loudness = level(&samples);
            babble[at..].iter_mut().zip(&samples).for_each(|(sum, x)| *sum += x / loudness);
            at += samples.len();
            if at >= length {
                break;
            }
        }
    }
    let loudness = level(&babble);
    noise.iter_mut().zip(&babble).for_each(|(sum, x)| *sum += x / loudness);
    noise
}

/// The root mean square of the louder parts: of the blocks of 20 ms within 30 dB of the loudest.
fn level(samples: &[f32]) -> f32 {
    let power = |block: &[f32]| block.iter().map(|x| x * x).sum::<f32>() / block.len() as f32;
    let blocks: Vec<f32> = samples.chunks(320).map(power).collect();
    let floor = 1e-3 * blocks.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let loud: Vec<f32> = blocks.into_iter().filter(|power| *power > floor).collect();
    (loud.iter().sum::<f32>() / loud.len().max(1) as f32).sqrt().max(1e-6)
}

/// Noise from another place for each order, also before and after the words.
fn in_noise(clip: &Clip, noise: &[f32], snr_db: f32, number: usize) -> Clip {
    let gain = level(&clip.samples) / level(noise) * 10f32.powf(-snr_db / 20.0);
    let from = number * 7_919 * 16 % noise.len();
    let noise = noise.iter().cycle().skip(from);
    let mixed: Vec<f32> = clip.samples.iter().zip(noise).map(|(x, n)| x + gain * n).collect();
    let peak = mixed.iter().fold(1.0f32, |peak, x| peak.max(x.abs()));
    Clip::new(mixed.into_iter().map(|x| x / peak).collect(), clip.rate)
}

fn converse(assistant: &Assistant, order: &Order, caller: &Clip) -> Outcome {
    let conversation = SessionBuilder::new(assistant).begins_at(MOMENT).simulate(caller, COST).unwrap();
    outcome(order, &conversation.events)
}

fn outcome(order: &Order, events: &[Event]) -> Outcome {
    let (mut heard, mut calls, mut reply) = (Vec::new(), Vec::new(), String::new());
    for event in events {
        match &event.kind {
            EventKind::Final { text, .. } if !text.is_empty() => heard.push(text.clone()),
            EventKind::ToolCalled { name, arguments } if name == TOOL => calls.push(arguments.clone()),
            EventKind::ReplyFinished { text } => reply.clone_from(text),
            EventKind::Failed { stage, reason } => panic!("{}: {stage} failed: {reason}", order.id),
            _ => {}
        }
    }
    let verdict = Verdict::of(&order.slots, &heard.join(" "), &calls);
    Outcome { heard, calls, reply, verdict }
}

/// The same assistant, told the order in writing.
fn from_text(assistant: &Assistant, order: &Order) -> Outcome {
    let (text, mut reply) = (true_text(&order.slots), String::new());
    let mut history = History::new(&assistant.instructions, assistant.memory);
    history.heard(TurnId::new(1), &text);
    let mut dialogue = assistant.responder.dialogue(MOMENT).unwrap();
    let tools = (assistant.tools)(Calendar::Since(MOMENT));
    let finish = dialogue.reply(history.messages(), tools.specs(), &Cancel::default(), &mut |piece| {
        reply.push_str(piece);
        std::ops::ControlFlow::Continue(())
    });
    let calls = match finish.unwrap() {
        Finish::Tool(call) if call.name == TOOL => vec![call.arguments],
        _ => Vec::new(),
    };
    let verdict = Verdict::of(&order.slots, &text, &calls);
    Outcome { heard: vec![text], calls, reply, verdict }
}

/// Runs all orders on two threads, in their order.
fn run(what: &str, orders: &[Order], work: impl Fn(usize, &Order) -> Outcome + Sync) -> Row {
    let (next, slots) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(orders.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, order)) = orders.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = work(number, order);
                    slots.lock().unwrap().push((number, outcome));
                }
            });
        }
    });
    let mut outcomes = slots.into_inner().unwrap();
    outcomes.sort_by_key(|(number, _)| *number);
    let row = Row { what: what.to_owned(), outcomes: outcomes.into_iter().map(|(_, outcome)| outcome).collect() };
    println!("{}", row.line());
    row
}

struct Row {
    what: String,
    outcomes: Vec<Outcome>,
}

impl Row {
    fn count(&self, verdict: Verdict) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.verdict == verdict).count()
    }

    /// Orders whose last call is right, in percent.
    fn percent(&self) -> f64 {
        let right = self.count(Verdict::Right) + self.count(Verdict::RightAfterWrong);
        100.0 * right as f64 / self.outcomes.len().max(1) as f64
    }

    fn line(&self) -> String {
        let counts = Verdict::ALL.map(|verdict| format!("{:>16}", self.count(verdict)));
        format!("{:<24}{:>7.1} %{}", self.what, self.percent(), counts.concat())
    }

    /// How often each slot was right in the last call, of the orders that have it.
    fn slots(&self, orders: &[Order]) -> BTreeMap<String, f64> {
        let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (order, outcome) in orders.iter().zip(&self.outcomes) {
            for (slot, value) in &order.slots {
                let (right, all) = counts.entry(slot.clone()).or_default();
                *right += usize::from(outcome.calls.last().is_some_and(|call| call.get(slot) == Some(value)));
                *all += 1;
            }
        }
        counts.into_iter().map(|(slot, (right, all))| (slot, right as f64 / all as f64)).collect()
    }

    fn json(&self, orders: &[Order]) -> Value {
        let verdicts: BTreeMap<String, usize> =
            Verdict::ALL.into_iter().map(|verdict| (format!("{verdict:?}"), self.count(verdict))).collect();
        let turns = self.outcomes.iter().filter(|outcome| outcome.heard.len() > 1).count();
        let details = orders.iter().zip(&self.outcomes).map(|(order, outcome)| {
            json!({
                "id": order.id, "expected": order.slots, "verdict": format!("{:?}", outcome.verdict),
                "heard": outcome.heard, "unheard": unheard_slots(&order.slots, &outcome.heard.join(" ")),
                "calls": outcome.calls, "reply": outcome.reply,
            })
        });
        json!({
            "right_percent": self.percent(), "verdicts": verdicts, "in_several_turns": turns,
            "slots_right": self.slots(orders), "orders": details.collect::<Vec<_>>(),
        })
    }
}

fn header() -> String {
    let names = Verdict::ALL.map(|verdict| format!("{:>16}", format!("{verdict:?}")));
    format!("{:<24}{:>9}{}", "orders", "right", names.concat())
}

#[test]
fn spoken_orders_reach_the_counter() {
    let Some(sets) = std::env::var_os("REJOINDER_DATA").map(PathBuf::from) else {
        println!("skipped: set REJOINDER_DATA to the folder of the unpacked recordings");
        return;
    };
    let step = std::env::var("REJOINDER_BARISTA_STEP").ok().map(|step| step.parse().unwrap());
    let orders = read_orders(&sets, step.unwrap_or(STEP));
    let assistant = Assistant::open(&Config::load_default().unwrap()).unwrap();
    let clips: Vec<Clip> =
        orders.iter().map(|order| audio::read_at(&order.path, SampleRate::INTERNAL).unwrap()).collect();
    let noise = cafe(&sets);
    println!("{} orders\n{}", orders.len(), header());
    let in_cafe = |snr_db| {
        let what = format!("cafe noise at {snr_db} dB");
        run(&what, &orders, |n, order| converse(&assistant, order, &in_noise(&clips[n], &noise, snr_db, n)))
    };
    let text = run("in writing", &orders, |_, order| from_text(&assistant, order));
    let clean = run("spoken, clean", &orders, |n, order| converse(&assistant, order, &clips[n]));
    let noisy = [in_cafe(20.0), in_cafe(10.0)];
    let all = [&text, &clean].into_iter().chain(&noisy);
    let saved: Map<String, Value> = all.map(|row| (row.what.clone(), row.json(&orders))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/barista.json");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, serde_json::to_string_pretty(&saved).unwrap()).unwrap();
    assert!(text.percent() >= LEAST_FROM_TEXT as f64, "too few orders come through in writing: {}", text.line());
    assert!(clean.percent() >= LEAST_FROM_SOUND as f64, "too few spoken orders come through: {}", clean.line());
}

#[test]
fn verdicts_name_what_went_wrong() {
    let order = json!({"coffeeDrink": "latte", "size": "twelve ounce", "numberOfShots": "double shot"});
    let order = order.as_object().unwrap();
    let said = "can i get a twelve ounce latte with a double shot";
    assert_eq!(true_text(order), said);
    let wrong = json!({"coffeeDrink": "latte"});
    let right = Value::Object(order.clone());
    assert_eq!(Verdict::of(order, said, std::slice::from_ref(&right)), Verdict::Right);
    assert_eq!(Verdict::of(order, said, &[wrong.clone(), right]), Verdict::RightAfterWrong);
    assert_eq!(Verdict::of(order, said, std::slice::from_ref(&wrong)), Verdict::WrongCall);
    assert_eq!(Verdict::of(order, said, &[]), Verdict::NoCall);
    assert_eq!(Verdict::of(order, "a twelve ounce lot day with two shots", &[wrong]), Verdict::Misheard);
    assert_eq!(unheard_slots(order, "a twelve ounce lot day with two shots"), ["coffeeDrink"]);
    assert_eq!(Verdict::of(order, "", &[]), Verdict::Unheard);
}
