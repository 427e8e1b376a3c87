//! The turns of a dialogue, by what they are about.

use rand::Rng;
use rand::seq::IndexedRandom;
use rejoinder_models::llm::tools::{Moment, Tools, evaluate};
use rejoinder_models::llm::{ChatMessage, Role, ToolCall};

use super::phrase::{Chance, chance, say, tidy};
use super::request::Request;
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
                let request = Request::clock(self.rng);
                self.fulfil(&request);
            }
            Domain::Timers => self.timers(),
            Domain::Sums => self.sums(),
            Domain::Units => {
                let request = Request::conversion(self.rng);
                self.fulfil(&request);
            }
            Domain::Shopping => self.shopping(),
            Domain::Two => self.two(),
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

    /// Hears a request, and answers it with what its tool says.
    fn fulfil(&mut self, request: &Request) {
        let result = self.hear_request(request);
        self.say(request.reply(&result));
    }

    /// Hears a request, and calls its tool.
    fn hear_request(&mut self, request: &Request) -> String {
        let keep: Vec<&str> = request.keep.iter().map(String::as_str).collect();
        self.hear_all_but(&request.said, &keep);
        self.call(request)
    }

    fn call(&mut self, request: &Request) -> String {
        let call = ToolCall { name: request.tool.to_owned(), arguments: request.arguments.clone() };
        let result = self.tools.answer(&call, self.now);
        self.push(Role::Assistant, String::new(), Some(call), true);
        self.push(Role::Tool, result.clone(), None, false);
        result
    }

    /// Two requests in one sentence: a call for each, then one reply.
    fn two(&mut self) {
        let (said, requests) = Request::two(self.rng, self.noise);
        let keep: Vec<&str> = requests.iter().flat_map(|request| &request.keep).map(String::as_str).collect();
        self.hear_all_but(&said, &keep);
        let [first, second] = requests.map(|request| {
            let result = self.call(&request);
            request.reply(&result)
        });
        let second = match second.strip_prefix("Okay, ") {
            Some(rest) if first.starts_with("Okay, ") => capitalised(rest),
            _ => second,
        };
        self.say(format!("{first} {second}"));
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
        self.fulfil(&Request::order(said.to_owned(), order));
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
                let request = Request::order(coffee::sentence(self.rng, &order), &order);
                let result = self.hear_request(&request);
                self.push(Role::Assistant, request.reply(&result), None, true);
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
                if !chance(self.rng, 20) {
                    self.say("What kind of coffee would you like?".to_owned());
                }
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
                match chance(self.rng, 35) {
                    // Who goes on hears nothing of the reply.
                    true => drop(self.hear_request(&Request::order(said, &order))),
                    false => self.order(&said, &order),
                }
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
        if chance(self.rng, 12) {
            return self.timer_without_length();
        }
        let request = Request::timer(self.rng, self.noise);
        self.fulfil(&request);
    }

    /// A timer of which nobody said how long it runs.
    fn timer_without_length(&mut self) {
        let label = timers::Label::random(self.rng, self.noise);
        let (said, question) = timers::without_length(self.rng, label.as_ref());
        let keep: Vec<&str> = label.iter().flat_map(|label| &label.uncommon).map(String::as_str).collect();
        self.hear_all_but(&said, &keep);
        self.push(Role::Assistant, question.to_owned(), None, true);
        let answer = Request::timer_length(self.rng, label.as_ref());
        self.fulfil(&answer);
    }

    fn sums(&mut self) {
        let request = Request::sum(self.rng);
        self.fulfil(&request);
        let last = request.arguments["expression"].as_str().and_then(|text| evaluate(text).ok());
        if let Some(last) = last.filter(|value| value.fract() == 0.0 && (0.0..10_000.0).contains(value))
            && chance(self.rng, 15)
        {
            let (said, arguments) = sums::further(self.rng, last as u64);
            self.fulfil(&Request::calculation(said, arguments));
        }
    }

    fn shopping(&mut self) {
        let request = if chance(self.rng, 5) {
            let said = shopping::add_something(self.rng);
            self.hear(&said);
            self.push(Role::Assistant, "What should I add?".to_owned(), None, true);
            let noise = self.noise;
            let items = shopping::open_items(self.rng, |rng| noise.any_word(rng));
            Request::items(self.rng, "add", shopping::answer, &items)
        } else {
            let added = self.added();
            Request::shopping(self.rng, self.noise, &added)
        };
        self.fulfil(&request);
    }

    /// Items that were put on the list before.
    fn added(&self) -> Vec<String> {
        let calls = self.lines.iter().filter_map(|line| line.message.tool_call.as_ref());
        let items = calls
            .filter(|call| call.arguments["action"] == "add")
            .filter_map(|call| call.arguments["items"].as_array());
        items.flatten().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Single spaces; leaves the recogniser's articles alone.
fn tidy_only(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
