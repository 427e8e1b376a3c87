//! The turns of a dialogue, by what they are about.

use rand::Rng;
use rand::seq::IndexedRandom;
use rejoinder_models::llm::tools::{Moment, Tools};
use rejoinder_models::llm::{ChatMessage, Role, ToolCall};
use serde_json::{Value, json};

use super::phrase::{Chance, chance, say, tidy};
use super::writer::{Line, WriterConfig};
use super::{Domain, Noise, chat, coffee, shopping, sums, timers};

/// A dialogue as it is written.
pub(super) struct Scene<'a> {
    pub(super) config: &'a WriterConfig,
    pub(super) noise: &'a Noise,
    pub(super) rng: &'a mut Chance,
    pub(super) tools: Tools,
    pub(super) now: Moment,
    pub(super) domain: Domain,
    pub(super) lines: Vec<Line>,
}

impl Scene<'_> {
    /// One turn of the domain that is set.
    pub(super) fn turn(&mut self) {
        match self.domain {
            Domain::Coffee => self.coffee(),
            Domain::Chat => self.chat(),
            Domain::Echo => self.echo(),
            Domain::Refusal => self.refusal(),
            Domain::Clock => {
                let (said, arguments) = timers::clock(self.rng);
                let opener = if arguments.get("days").is_some() { "That's" } else { "It's" };
                let result = self.ask_tool(&said, "clock", arguments);
                self.reply(&result, |result| format!("{opener} {result}."));
            }
            Domain::Timers => self.timers(),
            Domain::Sums => self.sums(),
            Domain::Units => {
                let (said, arguments) = sums::conversion(self.rng);
                let result = self.ask_tool(&said, "convert", arguments);
                self.reply(&result, |result| format!("That's {result}."));
            }
            Domain::Shopping => self.shopping(),
            Domain::Unclear => {
                let said = if chance(self.rng, 15) {
                    say(self.rng, "(um|uh|er|hmm|um uh|the|a|and|but|i)", &[])
                } else {
                    self.noise.nonsense(self.rng)
                };
                self.push(Role::User, said, None, false);
                self.say("Sorry, I didn't catch that. Could you say it again?".to_owned());
            }
        }
    }

    pub(super) fn push(&mut self, role: Role, content: String, tool_call: Option<ToolCall>, learn: bool) {
        let message = ChatMessage { role, content, tool_call };
        self.lines.push(Line { message, domain: self.domain, learn });
    }

    /// What a person says, as it comes from the recogniser.
    fn hear(&mut self, said: &str) {
        self.hear_all_but(said, &[]);
    }

    /// As [`hear`](Self::hear), with words that are heard right.
    fn hear_all_but(&mut self, said: &str, keep: &[&str]) {
        let said = if chance(self.rng, 7) { coffee::hesitate(self.rng, said) } else { said.to_owned() };
        let said = if chance(self.rng, self.config.noisy_percent) {
            let rate = self.rng.random_range(0.0..=self.config.max_noise);
            self.noise.garble(self.rng, &said, rate, keep)
        } else {
            said
        };
        self.push(Role::User, tidy_only(&said), None, false);
    }

    /// What the assistant says; now and then a person cuts it short.
    fn say(&mut self, reply: String) {
        if chance(self.rng, 4) {
            let words: Vec<&str> = reply.split(' ').collect();
            let heard = words[..self.rng.random_range(1..=words.len())].join(" ");
            return self.push(Role::Assistant, heard, None, false);
        }
        self.push(Role::Assistant, reply, None, true);
    }

    fn ask_tool(&mut self, said: &str, name: &str, arguments: Value) -> String {
        self.hear(said);
        self.call(name, arguments)
    }

    fn call(&mut self, name: &str, arguments: Value) -> String {
        let call = ToolCall { name: name.to_owned(), arguments };
        let result = self.tools.answer(&call, self.now);
        self.push(Role::Assistant, String::new(), Some(call), true);
        self.push(Role::Tool, result.clone(), None, false);
        result
    }

    fn reply(&mut self, result: &str, usual: impl FnOnce(&str) -> String) {
        let reply = match result.strip_prefix("sorry, ") {
            Some(why) => format!("Sorry, {why}."),
            None => usual(result),
        };
        self.say(reply);
    }

    /// Asks for the last reply again, where there is a whole one.
    fn again(&mut self) {
        let last = self.lines.last().filter(|line| line.message.role == Role::Assistant && line.learn);
        if let Some(reply) = last.map(|line| line.message.content.clone()) {
            let said = chat::again(self.rng);
            self.hear(&said);
            self.say(reply);
        }
    }

    fn order(&mut self, said: &str, order: &coffee::Order) {
        let result = self.ask_tool(said, "order_coffee", order.arguments());
        self.reply(&result, |result| format!("Okay, one {result}, coming right up."));
    }

    fn coffee(&mut self) {
        match self.rng.random_range(0..26) {
            24 => {
                let (said, reply, mut order, slot) = coffee::impossible(self.rng);
                self.hear(&said);
                self.push(Role::Assistant, reply.to_owned(), None, true);
                order.redraw(self.rng, slot);
                let said = coffee::answer(self.rng, &order, slot);
                self.order(&said, &order);
            }
            25 => {
                let order = coffee::Order::random(self.rng);
                let said = coffee::sentence(self.rng, &order);
                let result = self.ask_tool(&said, "order_coffee", order.arguments());
                self.push(Role::Assistant, format!("Okay, one {result}, coming right up."), None, true);
                let said = chat::what_order(self.rng);
                self.hear(&said);
                self.say(format!("You ordered one {result}."));
            }
            0 | 1 => {
                let (said, order) = coffee::corrected_sentence(self.rng);
                self.order(&said, &order);
            }
            2 => {
                let (said, mut order) = coffee::without_drink(self.rng);
                self.hear(&said);
                self.say("What kind of coffee would you like?".to_owned());
                let choice = coffee::Order { drink: coffee::Order::random(self.rng).drink, ..coffee::Order::default() };
                order.drink = choice.drink;
                let phrase = coffee::noun_phrase(self.rng, &choice);
                let said =
                    tidy(&say(self.rng, "(a|i'd like a|make it a|let's do a|) {p} (please|)", &[("p", &phrase)]));
                self.order(&said, &order);
            }
            3 => {
                let (said, _) = coffee::off_menu(self.rng);
                self.hear(&said);
                self.say("I'm sorry, that's not on the menu.".to_owned());
            }
            4 | 5 => {
                let order = coffee::Order::random(self.rng);
                let said = coffee::sentence(self.rng, &order);
                self.order(&said, &order);
                let (said, order) = coffee::change(self.rng, &order);
                self.order(&said, &order);
            }
            6 => {
                let order = coffee::Order::random(self.rng);
                let said = coffee::noun_phrase(self.rng, &order);
                self.order(&said, &order);
            }
            _ => {
                let order = coffee::Order::random(self.rng);
                let said = coffee::sentence(self.rng, &order);
                self.order(&said, &order);
            }
        }
    }

    fn chat(&mut self) {
        if chance(self.rng, 22) {
            return self.story();
        }
        if !self.lines.is_empty() && chance(self.rng, 10) {
            self.again();
        }
        let usual = if chance(self.rng, 35) { chat::COURTESIES } else { chat::TOPICS.len() };
        if let Some(topic) = chat::TOPICS[..usual].choose(self.rng) {
            self.topic(topic);
        }
    }

    fn topic(&mut self, topic: &chat::Topic) {
        let said = chat::ask(self.rng, topic.asks, &[]);
        self.hear(&said);
        self.answer(topic);
    }

    fn answer(&mut self, topic: &chat::Topic) {
        if let Some(reply) = topic.replies.choose(self.rng) {
            self.say((*reply).to_owned());
        }
    }

    /// Any words at all, mostly few, to be said again.
    fn echo(&mut self) {
        let noise = self.noise;
        let most = *[2, 6, 12, 24].choose(self.rng).unwrap_or(&2);
        let count = self.rng.random_range(1..=most);
        let mut word =
            || noise.any_word(self.rng).or_else(|| shopping::ITEMS.choose(self.rng).copied()).unwrap_or("yes");
        let words: Vec<&str> = (0..count).map(|_| word()).collect();
        let text = words.join(" ");
        let said = chat::ask(self.rng, &[chat::ECHO], &[("w", &text)]);
        self.hear_all_but(&said, &words);
        self.say(text);
    }

    fn refusal(&mut self) {
        let noise = self.noise;
        let open = chat::OPEN_REFUSALS.choose(self.rng).filter(|_| chance(self.rng, 40));
        let words = open.and_then(|_| Some((noise.any_word(self.rng)?, noise.any_word(self.rng)?)));
        if let (Some(topic), Some((first, second))) = (open, words) {
            let said = chat::ask(self.rng, topic.asks, &[("w", first), ("v", second)]);
            self.hear_all_but(&said, &[first, second]);
            self.answer(topic);
        } else if let Some(topic) = chat::REFUSALS.choose(self.rng) {
            self.topic(topic);
        }
    }

    /// A longer answer, which a person may cut short and then ask to go on.
    fn story(&mut self) {
        let Some((asks, first, rest)) = chat::STORIES.choose(self.rng) else { return };
        let said = chat::ask(self.rng, asks, &[]);
        self.hear(&said);
        let whole = format!("{first} {rest}");
        if chance(self.rng, 50) {
            self.push(Role::Assistant, whole, None, true);
            let joke = asks.contains(&chat::JOKE);
            for answer in chat::ANOTHER.into_iter().filter(|_| joke) {
                if chance(self.rng, 40) {
                    break;
                }
                let said = chat::another(self.rng);
                self.hear(&said);
                self.push(Role::Assistant, answer.to_owned(), None, true);
            }
            return;
        }
        let words: Vec<&str> = whole.split(' ').collect();
        let heard = self.rng.random_range(1..words.len());
        self.push(Role::Assistant, words[..heard].join(" "), None, false);
        let said = chat::go_on(self.rng);
        self.hear(&said);
        let unheard = if heard < first.split(' ').count() { whole.as_str() } else { rest };
        self.push(Role::Assistant, format!("As I was saying. {unheard}"), None, true);
    }

    fn timers(&mut self) {
        let label = match self.rng.random_range(0..100) {
            0..27 => timers::LABELS.choose(self.rng).copied(),
            27..40 => self.noise.any_word(self.rng),
            _ => None,
        };
        let keep: Vec<&str> = label.into_iter().filter(|label| !timers::LABELS.contains(label)).collect();
        let mut arguments = match label {
            Some(label) => json!({"label": label}),
            None => json!({}),
        };
        match self.rng.random_range(0..10) {
            0..6 => {
                let length = timers::Length::random(self.rng);
                let (mut said, mut arguments) = timers::set(self.rng, &length, label);
                if said.ends_with(&length.said) && chance(self.rng, 15) {
                    let meant = timers::Length::random(self.rng);
                    said = timers::correct(self.rng, &said, &meant);
                    arguments = timers::arguments(&meant, label);
                }
                self.hear_all_but(&said, &keep);
                let result = self.call("timer", arguments);
                self.reply(&result, |result| format!("Okay, {result}."));
            }
            6 | 7 => {
                arguments["action"] = json!("list");
                let said = timers::query(self.rng, label);
                self.hear_all_but(&said, &keep);
                let result = self.call("timer", arguments);
                self.reply(&result, |result| format!("You have {result}."));
            }
            _ => {
                arguments["action"] = json!("cancel");
                let said = timers::cancel(self.rng, label);
                self.hear_all_but(&said, &keep);
                let result = self.call("timer", arguments);
                self.reply(&result, |result| format!("Okay, {result}."));
            }
        }
    }

    fn sums(&mut self) {
        let (said, arguments) = if chance(self.rng, 3) { sums::by_zero(self.rng) } else { sums::sum(self.rng) };
        let last = arguments["expression"].as_str().and_then(|text| rejoinder_models::llm::tools::evaluate(text).ok());
        let result = self.ask_tool(&said, "calculate", arguments);
        self.reply(&result, |result| format!("That's {result}."));
        if let Some(last) = last.filter(|value| value.fract() == 0.0 && (0.0..10_000.0).contains(value))
            && chance(self.rng, 15)
        {
            let (said, arguments) = sums::further(self.rng, last as u64);
            let result = self.ask_tool(&said, "calculate", arguments);
            self.reply(&result, |result| format!("That's {result}."));
        }
    }

    fn shopping(&mut self) {
        match self.rng.random_range(0..10) {
            0..5 => {
                let noise = self.noise;
                let items = shopping::open_items(self.rng, |rng| noise.any_word(rng));
                let result = self.shop("add", shopping::add, &items);
                self.reply(&result, |result| format!("Okay, {result}."));
            }
            5 | 6 => {
                let items = self.unwanted();
                let result = self.shop("remove", shopping::remove, &items);
                self.reply(&result, |result| format!("Okay, {result}."));
            }
            7 | 8 => {
                let said = shopping::read(self.rng);
                let result = self.ask_tool(&said, "shopping", json!({"action": "read"}));
                self.reply(&result, |result| match result {
                    "nothing" => "Your list is empty.".to_owned(),
                    items => format!("Your list has {items}."),
                });
            }
            _ => {
                let said = shopping::clear(self.rng);
                let result = self.ask_tool(&said, "shopping", json!({"action": "clear"}));
                self.reply(&result, |result| format!("Okay, {result}."));
            }
        }
    }

    /// Asks for an action with items, whose uncommon words are heard right.
    fn shop(&mut self, action: &str, ask: fn(&mut Chance, &[&str]) -> String, items: &[String]) -> String {
        let names: Vec<&str> = items.iter().map(String::as_str).collect();
        let uncommon = names.iter().filter(|name| !shopping::ITEMS.contains(name));
        let keep: Vec<&str> = uncommon.flat_map(|name| name.split(' ').chain(["and"])).collect();
        let named = shopping::with_articles(self.rng, &names);
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let said = ask(self.rng, &named);
        self.hear_all_but(&said, &keep);
        self.call("shopping", json!({"action": action, "items": items}))
    }

    /// Items to take off the list: mostly one or two that were put there before, by the last word of a name now and then.
    fn unwanted(&mut self) -> Vec<String> {
        let noise = self.noise;
        let added = self.lines.iter().filter_map(|line| line.message.tool_call.as_ref());
        let added = added
            .filter(|call| call.arguments["action"] == "add")
            .filter_map(|call| call.arguments["items"].as_array());
        let added: Vec<&str> = added.flatten().filter_map(Value::as_str).collect();
        if added.is_empty() || chance(self.rng, 20) {
            return shopping::open_items(self.rng, |rng| noise.any_word(rng));
        }
        let count = self.rng.random_range(1..=2);
        let chosen = added.choose_multiple(self.rng, count);
        let names: Vec<&str> = chosen.copied().collect();
        let name = |name: &str| match name.rsplit_once(' ') {
            Some((_, last)) if chance(self.rng, 20) => last.to_owned(),
            _ => name.to_owned(),
        };
        names.into_iter().map(name).collect()
    }
}

/// Single spaces; leaves the recogniser's articles alone.
fn tidy_only(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
