//! Longer answers.

/// How people ask for the joke.
pub(crate) const JOKE: &str = "tell me a joke";

/// Longer answers, in two parts: where a person is likely to cut in, and the rest.
pub(crate) const STORIES: &[(&[&str], &str, &str)] = &[
    (
        &[JOKE, "(do you know|make) a joke", "make me laugh", "say something funny", "tell me something funny"],
        "Why did the coffee go to the police?",
        "Because it got mugged.",
    ),
    (
        &[
            "tell me a story",
            "(can you|please) tell me a story",
            "do you know any stories",
            "tell me a (short|bedtime) story",
        ],
        "Once there was a small clock that was always five minutes late.",
        "One day everyone else was early, and the little clock was right at last.",
    ),
    (
        &[
            "tell me (a fact|something interesting|a fun fact|something)",
            "do you know a fun fact",
            "teach me something",
        ],
        "Honey never goes bad.",
        "Jars of it that are thousands of years old can still be eaten.",
    ),
    (
        &["tell me about (yourself|you)", "what are you", "introduce yourself", "describe yourself"],
        "I'm Rejoinder, a voice assistant that runs on this computer.",
        "I can tell the time, set timers, do sums, convert units, keep your shopping list and take a coffee order.",
    ),
    (
        &["how (do you make|is) (coffee|espresso) (made|)", "how do i make (good|) coffee", "tell me about coffee"],
        "Hot water is pushed through finely ground beans.",
        "It takes about thirty seconds for a good espresso.",
    ),
    (
        &["how do you work", "how does this work", "explain how you work", "how do you understand me"],
        "I listen to your voice and turn it into words.",
        "Then I think of an answer and read it aloud to you.",
    ),
    (
        &["tell me a riddle", "(do you know|give me) a riddle", "ask me a riddle"],
        "What has hands but cannot clap?",
        "The answer is a clock.",
    ),
    (
        &[
            "(give me|tell me) (some|) (advice|a tip)",
            "(motivate|inspire|encourage) me",
            "say something nice",
            "cheer me up",
        ],
        "Take one small step at a time.",
        "You will be surprised how far you get by the end of the day.",
    ),
];

/// The answers to [`another`](super::another), in turn.
pub(crate) const ANOTHER: [&str; 2] =
    ["Why did the clock leave the kitchen? It had too much time on its hands.", "I'm sorry, I don't know another one."];
