//! How people order coffee at a counter.

mod order;

use rand::Rng;
use rejoinder_models::llm::tools::coffee::DRINKS;

use super::phrase::{Chance, chance, pick, say, say_one, tidy};
pub(super) use order::{Order, noun_phrase};
use order::{after_drink, one_of};

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

/// A change to an order that was placed before: "actually make it large", "and with milk". Returns what is said and the new order.
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
    // What is only added is often said as if the sentence had not ended.
    let added = only.drink.is_none() && chance(rng, 40);
    let opener = match added {
        true => "(||and|and|oh and|oh|plus|also)",
        false => {
            "(actually|oh|sorry|wait|oh and|hmm|) (can you|could you|can we|) (make it|make that|change (it|that) to|i want it)"
        }
    };
    let said = format!("{} {phrase}", say(rng, opener, &[])).replace("and and ", "and ");
    (tidy(&said.replace("make it make it", "make it").replace("make that make that", "make that")), meant)
}

/// Two orders in one sentence.
pub(crate) fn two(rng: &mut Chance, orders: &[Order; 2]) -> String {
    let (first, second) = (sentence(rng, &orders[0]), noun_phrase(rng, &orders[1]));
    let joint = say(rng, "(and|and|and also|plus|and then|as well as) (a|a|a|one|) ", &[]);
    let end = say(rng, "(|||please|thanks)", &[]);
    tidy(&format!("{first} {joint} {second} {end}"))
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
