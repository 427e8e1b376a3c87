//! Small talk, and requests that the assistant has to refuse.

mod refusals;
mod stories;
mod topics;

use super::phrase::{Chance, say, say_one, tidy};
use super::timers::{polite_end, polite_start};

pub(crate) use refusals::{OPEN_REFUSALS, REFUSALS};
pub(crate) use stories::{ANOTHER, JOKE, STORIES};
pub(crate) use topics::{COURTESIES, TOPICS};

/// What a person may say, and the answers to it.
pub(crate) struct Topic {
    pub(crate) asks: &'static [&'static str],
    pub(crate) replies: &'static [&'static str],
}

/// A small-talk, refusal or story sentence as said, with `values` in the place of their names.
pub(crate) fn ask(rng: &mut Chance, asks: &[&'static str], values: &[(&str, &str)]) -> String {
    let said = say_one(rng, asks, values);
    tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)))
}

/// How people ask for words to be repeated.
pub(crate) const ECHO: &str = "(repeat after me|repeat|say|please say|can you say|say after me|just say) {w}";

/// What a person says to hear another joke.
pub(crate) fn another(rng: &mut Chance) -> String {
    say(
        rng,
        "(another one|one more|tell me another one|another joke|tell me another joke|do you know another one|more)",
        &[],
    )
}

/// What a person says to hear the last reply once more.
pub(crate) fn again(rng: &mut Chance) -> String {
    let template = "(sorry|pardon||) (what did you say|what was that|say that again|can you repeat that|could you say that again|repeat that|please repeat that|i didn't (hear|get|catch) that|come again|once more please)";
    say(rng, template, &[])
}

/// What a person says to hear what they have ordered.
pub(crate) fn what_order(rng: &mut Chance) -> String {
    let template = "(what did i order|what's my order|can you repeat my order|read (me|) my order back|read back my order|what was my order|did you get my order|what have i ordered)";
    tidy(&format!("{} {} {}", polite_start(rng), say(rng, template, &[]), polite_end(rng)))
}

/// What a person says to hear the rest of a reply that was cut short.
pub(crate) fn go_on(rng: &mut Chance) -> String {
    let template = "(go on|please go on|continue|carry on|sorry go on|sorry continue|keep going|sorry what were you saying|what were you saying|you were saying|go ahead|and then|sorry i interrupted you|finish what you were saying)";
    say(rng, template, &[])
}
