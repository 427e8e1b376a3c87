//! An order, and how it is said behind "I'd like a".

use rand::seq::{IndexedRandom, SliceRandom};
use rejoinder_models::llm::tools::coffee::{AMOUNTS, DRINKS, MILKS, ROASTS, SHOTS, SIZES, SUGARS};
use serde_json::{Value, json};

use super::super::phrase::{Chance, chance, pick, say, say_one, tidy};

/// An order, by the values of the order form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct Order {
    pub(in super::super) drink: Option<&'static str>,
    pub(in super::super) size: Option<&'static str>,
    pub(in super::super) roast: Option<&'static str>,
    pub(in super::super) shots: Option<&'static str>,
    /// Amount and kind.
    pub(in super::super) milk: Option<(&'static str, &'static str)>,
    /// Amount and kind.
    pub(in super::super) sugar: Option<(&'static str, &'static str)>,
}

/// One of the values, each as likely.
pub(super) fn one_of(rng: &mut Chance, values: &[&'static str]) -> Option<&'static str> {
    values.choose(rng).copied()
}

fn extra(rng: &mut Chance, kinds: &[&'static str]) -> Option<(&'static str, &'static str)> {
    let amount = if chance(rng, 40) { "" } else { one_of(rng, &AMOUNTS)? };
    Some((amount, one_of(rng, kinds)?))
}

impl Order {
    /// A random order with a drink.
    pub(in super::super) fn random(rng: &mut Chance) -> Self {
        let density = pick(rng, &[&25u32, &50, &50, &75]);
        let mut order = Self { drink: one_of(rng, &DRINKS), ..Self::default() };
        for slot in 0..5 {
            if chance(rng, *density) {
                order.redraw(rng, slot);
            }
        }
        order
    }

    /// Draws one of the five options anew: size, roast, shots, milk, sugar.
    pub(in super::super) fn redraw(&mut self, rng: &mut Chance, slot: usize) {
        match slot {
            0 => self.size = one_of(rng, &SIZES),
            1 => self.roast = one_of(rng, &ROASTS),
            2 => self.shots = one_of(rng, &SHOTS),
            3 => self.milk = extra(rng, &MILKS),
            _ => self.sugar = extra(rng, &SUGARS),
        }
    }

    /// The arguments of the call.
    pub(in super::super) fn arguments(&self) -> Value {
        let joined = |(amount, kind): (&str, &str)| format!("{amount} {kind}").trim().to_owned();
        let fields = [
            ("coffeeDrink", self.drink.map(str::to_owned)),
            ("size", self.size.map(str::to_owned)),
            ("roast", self.roast.map(str::to_owned)),
            ("numberOfShots", self.shots.map(str::to_owned)),
            ("milkAmount", self.milk.map(joined)),
            ("sugarAmount", self.sugar.map(joined)),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
    }
}

fn size_before(rng: &mut Chance, size: &str) -> String {
    match size.strip_suffix(" ounce") {
        Some(number) if chance(rng, 15) => format!("{number} ounces"),
        _ => size.to_owned(),
    }
}

fn size_after(rng: &mut Chance, size: &str) -> String {
    if size.ends_with("ounce") {
        let templates = [
            "{s}",
            "in a {s} (cup|mug|glass|)",
            "(make it|make that) (a|) {s}",
            "{s} (size|please|cup)",
            "and {s}",
            "the {s} (one|size)",
            "(in|) {s}s",
            "(and|) (i'd like|i want|make) it {s}",
            "(size|and the size is|in a size of) {s}",
        ];
        return say_one(rng, &templates, &[("s", size)]);
    }
    let templates = [
        "{s}",
        "in a {s} (cup|size|)",
        "(make it|make that) (a|) {s}",
        "{s} (size|please|one|cup)",
        "and {s}",
        "in {s}",
        "(and|) (i'd like|i want|make) it {s}",
        "(size|in size|and the size is|in a size) {s}",
        "the {s} (one|size|)",
    ];
    say_one(rng, &templates, &[("s", size)])
}

fn roast_after(rng: &mut Chance, roast: &str) -> String {
    let templates = [
        "{r}",
        "{r}",
        "with (a|) {r}",
        "in (a|) {r}",
        "(make it|make that) (a|) {r}",
        "and {r}",
        "{r} please",
        "on {r} beans",
        "using {r}",
        "(with|of|from|made with) {r} (beans|coffee)",
        "(the|a) {r} (one|please|)",
        "(and|) (i'd like|i want|make) it {r}",
        "{b} roasted",
        "(the|and the|with the) roast (is|should be) {b}",
    ];
    say_one(rng, &templates, &[("r", roast), ("b", roast.trim_end_matches(" roast"))])
}

fn shots_before(rng: &mut Chance, shots: &str) -> String {
    if chance(rng, 88) { shots.to_owned() } else { shots.trim_end_matches(" shot").to_owned() }
}

fn shots_after(rng: &mut Chance, shots: &str) -> String {
    let counted = match shots {
        "single shot" => "one shot",
        "double shot" => "two shots",
        _ => "three shots",
    };
    let templates = [
        "{s}",
        "with a {s}",
        "with (a|) {s}",
        "with a {s} of espresso",
        "(make it|make that) a {s}",
        "and a {s}",
        "a {s}",
        "{s} please",
        "(with|and|) {n} (of espresso|)",
        "add a {s}",
        "plus a {s}",
        "(and|) (i'd like|i want|make) it (a|) {s}",
        "(and|with|) {n} (in it|please|of coffee)",
        "(with|and) a {s} (in it|added|of coffee)",
        "{s} (of|) espresso",
    ];
    say_one(rng, &templates, &[("s", shots), ("n", counted)])
}

/// Another word for an amount, now and then.
fn colloquial(rng: &mut Chance, amount: &'static str) -> &'static str {
    if !chance(rng, 6) {
        return amount;
    }
    match amount {
        "a lot of" => "loads of",
        "lots of" => "plenty of",
        "a little bit of" => "just a little bit of",
        "a bit of" => "just a bit of",
        "some" => "maybe some",
        other => other,
    }
}

fn extra_after(rng: &mut Chance, (amount, kind): (&'static str, &'static str)) -> String {
    let templates = [
        "with {a} {k}",
        "with {a} {k}",
        "with {a} {k}",
        "and {a} {k}",
        "{a} {k}",
        "(add|and add|plus|also|and also with|and with) {a} {k}",
        "with {a} {k} (in it|added|please)",
        "{a} {k} (in it|please|on the side|on top|too|as well)",
        "(and|) (can you|could you|please) (add|put) {a} {k} (in|in it|to it|)",
        "(and|) (i'd like|i want|i'll have|i'll take) {a} {k} (in it|with it|with that|)",
        "(made|sweetened|topped|served|mixed) with {a} {k}",
        "(and|) (don't forget|also) {a} {k}",
    ];
    let amount = colloquial(rng, amount);
    say_one(rng, &templates, &[("a", amount), ("k", kind)])
}

/// What stands before the drink: each named option with some chance, in any order. Takes out of `order` what it says.
fn before_drink(rng: &mut Chance, order: &mut Order) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(size) = order.size.take_if(|_| chance(rng, 65)) {
        parts.push(size_before(rng, size));
    }
    if let Some(roast) = order.roast.take_if(|_| chance(rng, 50)) {
        parts.push(roast.to_owned());
    }
    if let Some(shots) = order.shots.take_if(|_| chance(rng, 50)) {
        parts.push(shots_before(rng, shots));
    }
    if chance(rng, 70) {
        parts.shuffle(rng);
    }
    if let Some((_, kind)) =
        order.milk.take_if(|(amount, kind)| amount.is_empty() && *kind != "cream" && chance(rng, 12))
    {
        parts.push(kind.to_owned());
    }
    parts
}

/// What stands behind the drink, in any order.
pub(super) fn after_drink(rng: &mut Chance, order: &Order) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(size) = order.size {
        parts.push(size_after(rng, size));
    }
    if let Some(roast) = order.roast {
        parts.push(roast_after(rng, roast));
    }
    if let Some(shots) = order.shots {
        parts.push(shots_after(rng, shots));
    }
    if let (Some(milk), Some(sugar)) = (order.milk, order.sugar) {
        if chance(rng, 35) {
            let (first, second) = if chance(rng, 50) { (milk, sugar) } else { (sugar, milk) };
            parts.push(format!("with {} {} and {} {}", first.0, first.1, second.0, second.1));
        } else {
            parts.push(extra_after(rng, milk));
            parts.push(extra_after(rng, sugar));
        }
    } else if let Some(one) = order.milk.or(order.sugar) {
        parts.push(extra_after(rng, one));
    }
    parts.shuffle(rng);
    parts
}

/// What is said of options that are not wanted.
fn without(rng: &mut Chance, order: &Order) -> String {
    match (order.milk.is_none(), order.sugar.is_none()) {
        (true, true) => say(rng, "(no milk no sugar|black|no milk and no sugar|nothing in it|nothing else)", &[]),
        (true, false) => say(rng, "(no milk|without milk|hold the milk|no cream)", &[]),
        (false, true) => say(rng, "(no sugar|without sugar|hold the sugar|no sweetener|unsweetened)", &[]),
        (false, false) => String::new(),
    }
}

/// A drink by its name, at times in other words or in a cup.
fn drink_as_said(rng: &mut Chance, drink: &'static str) -> String {
    let said = match drink {
        _ if !chance(rng, 8) => drink,
        "latte" => pick(rng, &["cafe latte", "caffe latte", "coffee latte", "latte coffee"]),
        "mocha" => pick(rng, &["cafe mocha", "caffe mocha", "mocha coffee", "hot mocha"]),
        "iced mocha" => pick(rng, &["ice mocha", "cold mocha", "mocha on ice", "mocha over ice"]),
        "iced coffee" => pick(rng, &["ice coffee", "cold coffee", "coffee on ice", "coffee over ice"]),
        "americano" => pick(rng, &["cafe americano", "caffe americano", "americano coffee"]),
        "drip coffee" => pick(rng, &["dripped coffee", "drip brew coffee", "drip brewed coffee"]),
        "house coffee" => pick(rng, &["house blend coffee", "house blend", "coffee of the house"]),
        "coffee" => pick(rng, &["regular coffee", "plain coffee", "normal coffee", "hot coffee"]),
        other => other,
    };
    let cup = if chance(rng, 9) { pick(rng, &["cup of", "cup of", "mug of", "glass of", "order of"]) } else { "" };
    format!("{cup} {said}")
}

/// The order as a noun phrase: "large dark roast latte with soy milk".
pub(in super::super) fn noun_phrase(rng: &mut Chance, order: &Order) -> String {
    let mut left = order.clone();
    let before = before_drink(rng, &mut left).join(" ");
    let after = after_drink(rng, &left).join(if chance(rng, 15) { " and " } else { " " });
    let none = if chance(rng, 6) { without(rng, order) } else { String::new() };
    let drink = order.drink.map_or(String::new(), |drink| drink_as_said(rng, drink));
    let said = format!("{before} {drink} {after} {none}");
    tidy(&said.replace(" and and ", " and ").replace(" and with and ", " and "))
}
