//! How people order coffee at a counter.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rejoinder_models::llm::tools::coffee::{AMOUNTS, DRINKS, MILKS, ROASTS, SHOTS, SIZES, SUGARS};
use serde_json::{Value, json};

use super::phrase::{Chance, chance, pick, say, say_one, tidy};

/// An order, by the values of the order form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Order {
    pub(crate) drink: Option<&'static str>,
    pub(crate) size: Option<&'static str>,
    pub(crate) roast: Option<&'static str>,
    pub(crate) shots: Option<&'static str>,
    /// Amount and kind.
    pub(crate) milk: Option<(&'static str, &'static str)>,
    /// Amount and kind.
    pub(crate) sugar: Option<(&'static str, &'static str)>,
}

const OPENERS: [&str; 20] = [
    "(can|could|may) (i|we) (please|) (get|have|order|grab)",
    "(can|could|may) i (get|have|order)",
    "(can|could) (i|we) (just|) (get|have)",
    "(i'd|i would|we'd) like (to (get|order|have)|)",
    "i'd (like|love)",
    "i want (to (order|get|have)|)",
    "i'll (have|take|get|go with|try)",
    "(please|) (give|get|make|bring) (me|us)",
    "(can|could|would|will) you (please|) (make|get|prepare|brew|fix|give) me",
    "let me (get|have)",
    "i need",
    "(i'm|i am) (gonna|going to) (have|get|take|do)",
    "(i was hoping to get|do you think i could get|would it be possible to get|any chance i can get)",
    "(how about|just|order me|order|make me|get me|prepare|brew|make)",
    "(can|could) you (get|give|make) (me|us|) (please|)",
    "(i'd|i would) (really|) (like|love) (to try|to get|to have|)",
    "(i'm|i am) (looking for|after|in the mood for|ready for|ordering|thinking of)",
    "(may|can) i (please|) (order|request|have)",
    "(one|just one|i'll do one)",
    "",
];
const GREETINGS: &str = "(hi|hello|hey|hi there|hey there|good morning|morning|good afternoon|yes|yeah|okay|so|um|uh|excuse me|alright|well)";
const ENDINGS: &str = "(please|thanks|thank you|please and thank you|to go|to go please|for here|if you can|if that's okay|that's all|that's it|that will be all)";
const FILLERS: &str = "(um|uh|like|you know|let's see|let me see|hmm|er|i think|maybe)";

fn one_of(rng: &mut Chance, values: &[&'static str]) -> Option<&'static str> {
    values.choose(rng).copied()
}

fn extra(rng: &mut Chance, kinds: &[&'static str]) -> Option<(&'static str, &'static str)> {
    let amount = if chance(rng, 40) { "" } else { one_of(rng, &AMOUNTS)? };
    Some((amount, one_of(rng, kinds)?))
}

impl Order {
    /// A random order with a drink.
    pub(crate) fn random(rng: &mut Chance) -> Self {
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
    pub(crate) fn redraw(&mut self, rng: &mut Chance, slot: usize) {
        match slot {
            0 => self.size = one_of(rng, &SIZES),
            1 => self.roast = one_of(rng, &ROASTS),
            2 => self.shots = one_of(rng, &SHOTS),
            3 => self.milk = extra(rng, &MILKS),
            _ => self.sugar = extra(rng, &SUGARS),
        }
    }

    /// The arguments of the call.
    pub(crate) fn arguments(&self) -> Value {
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

fn after_drink(rng: &mut Chance, order: &Order) -> Vec<String> {
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
pub(crate) fn noun_phrase(rng: &mut Chance, order: &Order) -> String {
    let mut left = order.clone();
    let before = before_drink(rng, &mut left).join(" ");
    let after = after_drink(rng, &left).join(if chance(rng, 15) { " and " } else { " " });
    let none = if chance(rng, 6) { without(rng, order) } else { String::new() };
    let drink = order.drink.map_or(String::new(), |drink| drink_as_said(rng, drink));
    let said = format!("{before} {drink} {after} {none}");
    tidy(&said.replace(" and and ", " and ").replace(" and with and ", " and "))
}

/// A whole order as a person says it, clean: lower case, no punctuation.
pub(crate) fn sentence(rng: &mut Chance, order: &Order) -> String {
    let opener = say_one(rng, &OPENERS, &[]);
    let article =
        if opener.ends_with("one") { "" } else { pick(rng, &["a", "a", "a", "a", "one", "", "my usual", "the"]) };
    let article = if article == "my usual" && chance(rng, 80) { "a" } else { article };
    let phrase = noun_phrase(rng, order);
    let greeting = if chance(rng, 22) { say(rng, GREETINGS, &[]) } else { String::new() };
    let ending = if chance(rng, 30) { say(rng, ENDINGS, &[]) } else { String::new() };
    tidy(&format!("{greeting} {opener} {article} {phrase} {ending}"))
}

/// An order in which the speaker takes one thing back: "a small no wait a large latte". The second value is what is
/// meant in the end.
pub(crate) fn corrected_sentence(rng: &mut Chance) -> (String, Order) {
    let mut order = Order::random(rng);
    let slot = rng.random_range(0..6usize);
    if slot < 5 {
        order.redraw(rng, slot);
    }
    let mut meant = order.clone();
    let oops = say(
        rng,
        "(no wait|no|actually|sorry|i mean|sorry i mean|wait no|no sorry|oh actually|make that|or actually)",
        &[],
    );
    let fix = match slot {
        0..5 => {
            meant.redraw(rng, slot);
            let only = match slot {
                0 => Order { size: meant.size, ..Order::default() },
                1 => Order { roast: meant.roast, ..Order::default() },
                2 => Order { shots: meant.shots, ..Order::default() },
                3 => Order { milk: meant.milk, ..Order::default() },
                _ => Order { sugar: meant.sugar, ..Order::default() },
            };
            after_drink(rng, &only).join(" ")
        }
        _ => {
            meant.drink = one_of(rng, &DRINKS);
            format!("(a|make it a|the) {}", meant.drink.unwrap_or("latte"))
        }
    };
    let fix = say(rng, &fix, &[]);
    (tidy(&format!("{} {oops} {fix}", sentence(rng, &order))), meant)
}

/// A change to an order that was placed before: "actually make it large". Returns what is said and the new order.
pub(crate) fn change(rng: &mut Chance, order: &Order) -> (String, Order) {
    let mut meant = order.clone();
    let slot = rng.random_range(0..6usize);
    let only = match slot {
        0..5 => {
            meant.redraw(rng, slot);
            match slot {
                0 => Order { size: meant.size, ..Order::default() },
                1 => Order { roast: meant.roast, ..Order::default() },
                2 => Order { shots: meant.shots, ..Order::default() },
                3 => Order { milk: meant.milk, ..Order::default() },
                _ => Order { sugar: meant.sugar, ..Order::default() },
            }
        }
        _ => {
            meant.drink = one_of(rng, &DRINKS);
            Order { drink: meant.drink, ..Order::default() }
        }
    };
    let phrase = if only.drink.is_some() { noun_phrase(rng, &only) } else { after_drink(rng, &only).join(" ") };
    let opener = "(actually|oh|sorry|wait|oh and|hmm|) (can you|could you|can we|) (make it|make that|change (it|that) to|i want it)";
    let said = format!("{} {phrase}", say(rng, opener, &[]));
    (tidy(&said.replace("make it make it", "make it").replace("make that make that", "make that")), meant)
}

/// A request that names no drink: "can i get something with soy milk". Returns what is said and the order so far.
pub(crate) fn without_drink(rng: &mut Chance) -> (String, Order) {
    let mut order = Order::default();
    if chance(rng, 35) {
        let templates = [
            "(i'd like|i want|can i get|could i have) (something to drink|to order|to place an order|a drink)",
            "(can i order|i'd like to order) (please|something|a drink|)",
            "i'm ready to order",
            "can you take my order",
        ];
        return (say_one(rng, &templates, &[]), order);
    }
    let slot = rng.random_range(0..5usize);
    order.redraw(rng, slot);
    let what = pick(rng, &["something", "a drink", "something"]);
    let said = format!("{} {what} {}", say_one(rng, &OPENERS, &[]), after_drink(rng, &order).join(" "));
    (tidy(&said), order)
}

/// A drink that is not on the menu.
pub(crate) fn off_menu(rng: &mut Chance) -> (String, &'static str) {
    let drink = pick(
        rng,
        &[
            "flat white",
            "cortado",
            "macchiato",
            "hot chocolate",
            "green tea",
            "chai",
            "black tea",
            "lemonade",
            "orange juice",
            "smoothie",
            "beer",
            "milkshake",
            "matcha",
            "frappe",
            "water",
            "soda",
        ],
    );
    let opener = say_one(rng, &OPENERS[..13], &[]);
    (tidy(&format!("{opener} a {drink} {}", say(rng, "(please|thanks||)", &[]))), drink)
}

/// An order of something that there is, in a way that there is not: what is said, the reply, and the order without it.
pub(crate) fn impossible(rng: &mut Chance) -> (String, &'static str, Order, usize) {
    let mut order = Order::random(rng);
    if chance(rng, 50) {
        order.milk = None;
        let kind =
            pick(rng, &["oat milk", "coconut milk", "rice milk", "goat milk", "cashew milk", "oat milk", "hemp milk"]);
        let said = format!("{} with {kind} {}", sentence(rng, &order), say(rng, "(please|thanks||)", &[]));
        (tidy(&said), "Sorry, we have whole, skim, soy and almond milk, or cream. Which would you like?", order, 3)
    } else {
        order.size = None;
        let size = pick(rng, &["extra large", "huge", "tiny", "ten ounce", "giant", "fourteen ounce", "thirty ounce"]);
        let said = format!("{} a {size} {}", say_one(rng, &OPENERS[..13], &[]), noun_phrase(rng, &order));
        let reply = "Sorry, we have small, medium and large, or eight, twelve, sixteen and twenty ounces. Which would you like?";
        (tidy(&said), reply, order, 0)
    }
}

/// The answer to which size or milk it should be.
pub(crate) fn answer(rng: &mut Chance, order: &Order, slot: usize) -> String {
    let value = match slot {
        0 => order.size.unwrap_or_default().to_owned(),
        _ => order.milk.map(|(amount, kind)| format!("{amount} {kind}")).unwrap_or_default(),
    };
    tidy(&say(
        rng,
        "(|||then|okay|okay then|make it|i'll take|in that case|let's do) {v} (|||please|then|then please|is fine|is good)",
        &[("v", &value)],
    ))
}

/// Puts hesitations between the words of a sentence.
pub(crate) fn hesitate(rng: &mut Chance, sentence: &str) -> String {
    let mut words: Vec<String> = sentence.split(' ').map(str::to_owned).collect();
    for _ in 0..rng.random_range(1..3) {
        let at = rng.random_range(0..=words.len());
        words.insert(at, say(rng, FILLERS, &[]));
    }
    words.join(" ")
}
