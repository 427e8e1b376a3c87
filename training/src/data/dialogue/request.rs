//! Requests that one call of a tool fulfils.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::phrase::{Chance, chance};
use super::{Noise, coffee, shopping, sums, timers};

/// What a person asks for, the call that fulfils it, and how its result is told.
pub(super) struct Request {
    pub(super) said: String,
    /// Words that nobody could restore, had a recogniser misheard them.
    pub(super) keep: Vec<String>,
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
    /// The reply to a result that is no apology.
    told: fn(&str) -> String,
}

impl Request {
    /// The reply to a result of the tool.
    pub(super) fn reply(&self, result: &str) -> String {
        result.strip_prefix("sorry, ").map_or_else(|| (self.told)(result), |why| format!("Sorry, {why}."))
    }

    /// A question about the clock or the calendar.
    pub(super) fn clock(rng: &mut Chance) -> Self {
        let (said, arguments) = timers::clock(rng);
        let told: fn(&str) -> String = if arguments.get("days").is_some() { that_is } else { it_is };
        Self { said, keep: Vec::new(), tool: "clock", arguments, told }
    }

    /// A sum, now and then one without a result.
    pub(super) fn sum(rng: &mut Chance) -> Self {
        let (said, arguments) = if chance(rng, 3) { sums::by_zero(rng) } else { sums::sum(rng) };
        Self::calculation(said, arguments)
    }

    pub(super) fn calculation(said: String, arguments: Value) -> Self {
        Self { said, keep: Vec::new(), tool: "calculate", arguments, told: that_is }
    }

    /// A conversion of units.
    pub(super) fn conversion(rng: &mut Chance) -> Self {
        let (said, arguments) = sums::conversion(rng);
        Self { said, keep: Vec::new(), tool: "convert", arguments, told: that_is }
    }

    /// A timer to set, to look at or to cancel.
    pub(super) fn timer(rng: &mut Chance, noise: &Noise) -> Self {
        let label = timers::Label::random(rng, noise);
        match rng.random_range(0..10) {
            0..6 => Self::timer_for(rng, label.as_ref()),
            6 | 7 => {
                let said = timers::query(rng, label.as_ref());
                Self::about_timer(said, timers::with_label("list", label.as_ref()), label.as_ref(), you_have)
            }
            _ => {
                let said = timers::cancel(rng, label.as_ref());
                Self::about_timer(said, timers::with_label("cancel", label.as_ref()), label.as_ref(), okay)
            }
        }
    }

    /// A timer to set, whose length is taken back and said anew now and then.
    pub(super) fn timer_for(rng: &mut Chance, label: Option<&timers::Label>) -> Self {
        let length = timers::Length::random(rng);
        let (mut said, mut arguments) = timers::set(rng, &length, label);
        if said.ends_with(&length.said) && chance(rng, 15) {
            let meant = timers::Length::random(rng);
            said = timers::correct(rng, &said, &meant);
            arguments = timers::arguments(&meant, label);
        }
        Self::about_timer(said, arguments, label, okay)
    }

    /// The length of a timer that was asked for without one.
    pub(super) fn timer_length(rng: &mut Chance, label: Option<&timers::Label>) -> Self {
        let length = timers::Length::random(rng);
        let said = timers::answer(rng, &length);
        Self { keep: Vec::new(), ..Self::about_timer(said, timers::arguments(&length, label), label, okay) }
    }

    fn about_timer(said: String, arguments: Value, label: Option<&timers::Label>, told: fn(&str) -> String) -> Self {
        let keep = label.map(|label| label.uncommon.clone()).unwrap_or_default();
        Self { said, keep, tool: "timer", arguments, told }
    }

    /// Something about the shopping list, on which `added` stands or stood.
    pub(super) fn shopping(rng: &mut Chance, noise: &Noise, added: &[String]) -> Self {
        let any = |rng: &mut Chance| noise.any_word(rng);
        let plain = |said, action, told| Self {
            said,
            keep: Vec::new(),
            tool: "shopping",
            arguments: json!({"action": action}),
            told,
        };
        match rng.random_range(0..10) {
            0..5 => {
                let items = shopping::open_items(rng, any);
                Self::items(rng, "add", shopping::add, &items)
            }
            5 | 6 => {
                let known = !added.is_empty() && !chance(rng, 20);
                let items = if known { unwanted(rng, added) } else { shopping::open_items(rng, any) };
                Self::items(rng, "remove", shopping::remove, &items)
            }
            7 | 8 => plain(shopping::read(rng), "read", |result| match result {
                "nothing" => "Your list is empty.".to_owned(),
                items => format!("Your list has {items}."),
            }),
            _ => plain(shopping::clear(rng), "clear", okay),
        }
    }

    /// Items to put on the list or to take off it, whose uncommon words are heard right.
    pub(super) fn items(
        rng: &mut Chance,
        action: &str,
        ask: fn(&mut Chance, &[&str]) -> String,
        items: &[String],
    ) -> Self {
        let names: Vec<&str> = items.iter().map(String::as_str).collect();
        let uncommon = names.iter().filter(|name| !shopping::ITEMS.contains(name));
        let keep = uncommon.flat_map(|name| name.split(' ').chain(["and"])).map(str::to_owned).collect();
        let named = shopping::with_articles(rng, &names);
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let arguments = json!({"action": action, "items": items});
        Self { said: ask(rng, &named), keep, tool: "shopping", arguments, told: okay }
    }

    /// A coffee order.
    pub(super) fn order(said: String, order: &coffee::Order) -> Self {
        let told = |result: &str| format!("Okay, one {result}, coming right up.");
        Self { said, keep: Vec::new(), tool: "order_coffee", arguments: order.arguments(), told }
    }

    /// Two requests in one sentence, each with what only it says.
    pub(super) fn two(rng: &mut Chance, noise: &Noise) -> (String, [Self; 2]) {
        match rng.random_range(0..10) {
            0 | 1 => two_timers(rng, noise),
            2 | 3 => two_orders(rng),
            4 => order_and_item(rng, noise),
            _ => two_of_any_kind(rng, noise),
        }
    }
}

fn two_timers(rng: &mut Chance, noise: &Noise) -> (String, [Request; 2]) {
    let lengths = [timers::Length::random(rng), timers::Length::random(rng)];
    let labels = if chance(rng, 40) {
        [timers::Label::thing(rng, noise), timers::Label::thing(rng, noise)].map(Some)
    } else {
        [None, None]
    };
    let said = timers::set_two(rng, &lengths, [labels[0].as_ref(), labels[1].as_ref()]);
    let request = |at: usize| {
        let label = labels[at].as_ref();
        Request::about_timer(String::new(), timers::arguments(&lengths[at], label), label, okay)
    };
    (said, [request(0), request(1)])
}

fn two_orders(rng: &mut Chance) -> (String, [Request; 2]) {
    let orders = [coffee::Order::random(rng), coffee::Order::random(rng)];
    let said = coffee::two(rng, &orders);
    (said, orders.map(|order| Request::order(String::new(), &order)))
}

/// An order and something for the list, which might go into the cup as well.
fn order_and_item(rng: &mut Chance, noise: &Noise) -> (String, [Request; 2]) {
    const IN_THE_CUP: [&str; 6] = ["milk", "sugar", "cream", "almond milk", "soy milk", "whole milk"];
    let order = coffee::Order::random(rng);
    let order = Request::order(coffee::sentence(rng, &order), &order);
    let items = match chance(rng, 70) {
        true => vec![(*IN_THE_CUP.choose(rng).unwrap_or(&"milk")).to_owned()],
        false => shopping::open_items(rng, |rng| noise.any_word(rng)),
    };
    let item = Request::items(rng, "add", shopping::add_to_list, &items);
    match chance(rng, 70) {
        true => (join(rng, &order.said, &item.said), [order, item]),
        false => (join(rng, &item.said, &order.said), [item, order]),
    }
}

fn two_of_any_kind(rng: &mut Chance, noise: &Noise) -> (String, [Request; 2]) {
    const KINDS: [fn(&mut Chance, &Noise) -> Request; 6] = [
        |rng, _| Request::clock(rng),
        |rng, _| Request::sum(rng),
        |rng, _| Request::conversion(rng),
        Request::timer,
        |rng, noise| Request::shopping(rng, noise, &[]),
        |rng, _| {
            let order = coffee::Order::random(rng);
            Request::order(coffee::sentence(rng, &order), &order)
        },
    ];
    let kinds: Vec<_> = KINDS.choose_multiple(rng, 2).collect();
    let (first, second) = (kinds[0](rng, noise), kinds[1](rng, noise));
    (join(rng, &first.said, &second.said), [first, second])
}

fn join(rng: &mut Chance, first: &str, second: &str) -> String {
    let joint = ["and", "and", "and", "and then", "and also", "then", "oh and", "also"].choose(rng).unwrap_or(&"and");
    format!("{first} {joint} {}", without_opener(second))
}

/// A request without the words that open a sentence.
fn without_opener(said: &str) -> &str {
    const OPENERS: [&str; 24] = [
        "hey rejoinder ",
        "hey there ",
        "hey ",
        "hi there ",
        "hi ",
        "hello ",
        "okay ",
        "so ",
        "um ",
        "uh ",
        "please ",
        "and then ",
        "and ",
        "excuse me ",
        "sorry ",
        "well ",
        "oh ",
        "good morning ",
        "good afternoon ",
        "morning ",
        "yes ",
        "yeah ",
        "alright ",
        "then ",
    ];
    OPENERS.iter().find_map(|opener| said.strip_prefix(opener)).unwrap_or(said)
}

/// Items to take off the list: one or two that were put there, by the last word of a name now and then.
fn unwanted(rng: &mut Chance, added: &[String]) -> Vec<String> {
    let count = rng.random_range(1..=2);
    let names: Vec<&String> = added.choose_multiple(rng, count).collect();
    let name = |name: &String| match name.rsplit_once(' ') {
        Some((_, last)) if chance(rng, 20) => last.to_owned(),
        _ => name.clone(),
    };
    names.into_iter().map(name).collect()
}

fn it_is(result: &str) -> String {
    format!("It's {result}.")
}

fn that_is(result: &str) -> String {
    format!("That's {result}.")
}

fn you_have(result: &str) -> String {
    format!("You have {result}.")
}

fn okay(result: &str) -> String {
    format!("Okay, {result}.")
}
