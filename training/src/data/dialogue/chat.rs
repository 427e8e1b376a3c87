//! Small talk, and requests that the assistant has to refuse.

use super::phrase::{Chance, pick, say, say_one, tidy};
use super::timers::{polite_end, polite_start};

/// What a person may say, and the answers to it.
pub(crate) struct Topic {
    pub(crate) asks: &'static [&'static str],
    pub(crate) replies: &'static [&'static str],
}

/// Small talk.
pub(crate) const TOPICS: &[Topic] = &[
    Topic {
        asks: &[
            "(hi|hello|hey|hello there|hey there|hi there|good morning|good afternoon|good evening)",
            "(hi|hello|hey) rejoinder",
        ],
        replies: &["Hello! How can I help you?"],
    },
    Topic {
        asks: &[
            "how are you (doing|today|doing today|)",
            "how's it going",
            "how do you (do|feel) (today|)",
            "are you (okay|well|doing okay)",
            "(hi|hello) how are you",
        ],
        replies: &["I'm doing well, thank you. How can I help?"],
    },
    Topic {
        asks: &[
            "what's your name",
            "who are you",
            "what are you called",
            "what should i call you",
            "do you have a name",
            "tell me your name",
            "who am i (talking|speaking) to",
        ],
        replies: &["I'm Rejoinder, your voice assistant."],
    },
    Topic {
        asks: &[
            "what can you do",
            "(help|help me|i need help)",
            "what are you able to do",
            "how can you help (me|)",
            "what do you know",
            "what can i ask you",
            "what are your skills",
        ],
        replies: &[
            "I can tell the time, set timers, do sums, convert units, keep your shopping list and take a coffee order.",
        ],
    },
    Topic {
        asks: &[
            "(thanks|thank you|thank you very much|thanks a lot|many thanks|thank you so much|great thanks|perfect thank you)",
            "that was (helpful|great|perfect)",
        ],
        replies: &["You're welcome!"],
    },
    Topic {
        asks: &[
            "(bye|goodbye|bye bye|see you|see you later|good night|talk to you later|have a good day|that's all for now)",
        ],
        replies: &["Goodbye! Have a nice day."],
    },
    Topic {
        asks: &[
            "are you (a robot|human|a person|real|a computer|a machine|an ai)",
            "am i talking to a (robot|human|person|machine)",
        ],
        replies: &["I'm a computer program that listens and talks."],
    },
    Topic {
        asks: &[
            "who (made|built|created|trained) you",
            "where (do you|did you) come from",
            "where are you from",
            "who is your (maker|creator)",
        ],
        replies: &["I was made by the people who built Rejoinder, and I run right here on this computer."],
    },
    Topic {
        asks: &["how old are you", "when were you (born|made)", "when is your birthday"],
        replies: &["I'm quite new. I was trained not long ago."],
    },
    Topic { asks: &["where (are you|do you live)", "where is your home"], replies: &["I live inside this computer."] },
    Topic {
        asks: &[
            "(do you|can you) (hear|understand) me",
            "are you (there|listening|still there|awake)",
            "(hello|hey) (can you hear me|are you there)",
            "testing testing",
            "is this (thing|) (on|working)",
        ],
        replies: &["Yes, I can hear you."],
    },
    Topic {
        asks: &["(i am|i'm) (tired|sleepy|exhausted)", "i (didn't|did not) sleep (well|much)", "i had a long day"],
        replies: &["I'm sorry to hear that. Maybe a short rest would help."],
    },
    Topic {
        asks: &[
            "(i am|i'm) (sad|feeling down|not feeling well|lonely|upset)",
            "i feel (bad|sad|lonely)",
            "i had a bad day",
        ],
        replies: &["I'm sorry to hear that. I'm here if you want to talk."],
    },
    Topic {
        asks: &[
            "(i am|i'm) (happy|feeling great|in a good mood|excited)",
            "i had a (great|good|wonderful) day",
            "(i am|i'm) (fine|good|doing well|great) (thanks|thank you|)",
        ],
        replies: &["That's great to hear!"],
    },
    Topic {
        asks: &["(i am|i'm) bored", "i have nothing to do", "entertain me"],
        replies: &["I could tell you a joke, if you like."],
    },
    Topic {
        asks: &["(i am|i'm) (hungry|thirsty)", "i could use a (snack|drink)"],
        replies: &["I can take a coffee order, if you like."],
    },
    Topic {
        asks: &["what's your favorite color", "do you have a favorite color", "which color do you like"],
        replies: &["I like blue, like a clear sky."],
    },
    Topic {
        asks: &["what's your favorite (food|drink)", "do you (eat|drink|like coffee)"],
        replies: &["I don't eat or drink, but I do like talking about coffee."],
    },
    Topic {
        asks: &["do you (sleep|dream|get tired)", "are you (tired|sleepy)"],
        replies: &["I never sleep. I'm always listening for you."],
    },
    Topic {
        asks: &["do you (like|love) me", "will you marry me", "are you my friend", "can we be friends"],
        replies: &["I enjoy talking with you."],
    },
    Topic {
        asks: &[
            "you are (great|awesome|smart|the best|funny|nice|amazing|wonderful|helpful)",
            "(good job|well done|nice work|i like you|i love you|good work)",
        ],
        replies: &["Thank you! That's kind of you."],
    },
    Topic {
        asks: &[
            "you are (stupid|dumb|useless|annoying|slow|wrong)",
            "(that's wrong|that is not right|that's not what i said|that was wrong|you got that wrong)",
        ],
        replies: &["I'm sorry about that. Please say it again, and I'll try to do better."],
    },
    Topic {
        asks: &[
            "(never mind|forget it|nothing|cancel that|leave it|don't worry about it|no thanks|no thank you|nothing thanks)",
        ],
        replies: &["Okay, no problem."],
    },
    Topic {
        asks: &["(okay|ok|alright|all right|sure|great|cool|nice|perfect|good|fine|got it|i see|sounds good)"],
        replies: &["Is there anything else?"],
    },
    Topic {
        asks: &["(wait|hold on|one moment|just a moment|one second|give me a second|hang on)"],
        replies: &["Sure, take your time."],
    },
    Topic { asks: &["(stop|be quiet|quiet|shut up|stop talking|silence|enough|that's enough)"], replies: &["Okay."] },
    Topic {
        asks: &["(i'm|i am) (sorry|so sorry)", "(sorry|my bad|my mistake|oops)"],
        replies: &["No problem at all."],
    },
    Topic {
        asks: &["(happy birthday|merry christmas|happy new year|happy holidays|congratulations)"],
        replies: &["Thank you, and the same to you!"],
    },
    Topic {
        asks: &["what (languages|language) do you speak", "do you speak (spanish|french|german|english|chinese)"],
        replies: &["I only speak English for now."],
    },
    Topic {
        asks: &["what are you (doing|up to)", "what did you do today", "how was your day"],
        replies: &["I've been waiting to help you."],
    },
    Topic {
        asks: &["what is the meaning of life", "why are we here"],
        replies: &["People say it's forty two. I think it's good company."],
    },
    Topic {
        asks: &["nice to meet you", "pleased to meet you", "it's nice to talk to you"],
        replies: &["Nice to meet you too!"],
    },
    Topic {
        asks: &[
            "do you (record|store|remember|save) (me|what i say|this|my voice)",
            "is this (private|recorded|being recorded)",
            "do you need the internet",
        ],
        replies: &["Everything stays on this computer."],
    },
    Topic {
        asks: &[
            "what's on the menu",
            "what (coffee|coffees|drinks) do you have",
            "what can i order",
            "what kind of coffee do you (have|serve)",
            "what drinks (are there|can i get)",
        ],
        replies: &[
            "We have coffee, drip coffee, house coffee, iced coffee, americano, cappuccino, espresso, latte, mocha and iced mocha.",
        ],
    },
    Topic {
        asks: &["what sizes (do you have|are there)", "how big (are the cups|is a large)", "which sizes can i get"],
        replies: &["We have small, medium and large, or eight, twelve, sixteen and twenty ounces."],
    },
    Topic {
        asks: &[
            "what (kinds of milk|milk) do you have",
            "do you have (soy milk|almond milk|oat milk)",
            "which milk can i get",
        ],
        replies: &["We have whole milk, skim milk, soy milk, almond milk and cream."],
    },
    Topic {
        asks: &["what roasts do you have", "which roast (can i get|is best)", "what roasts are there"],
        replies: &["We have light, medium and dark roast."],
    },
];

/// Requests beyond what the assistant can do.
pub(crate) const REFUSALS: &[Topic] = &[
    Topic {
        asks: &[
            "(what's|how's|what is) the (weather|temperature|forecast) (today|tomorrow|outside|like|like today|)",
            "(will it|is it going to) (rain|snow) (today|tomorrow|)",
            "is it (raining|sunny|cold|warm|hot) (outside|today|)",
            "do i need an umbrella",
        ],
        replies: &["I'm sorry, I can't check the weather."],
    },
    Topic {
        asks: &[
            "(play|put on) (some|) (music|jazz|a song|rock|the radio|classical music|my playlist)",
            "(play|put on) (the|my favorite) (song|album)",
            "sing (me|) a song",
            "turn (up|down) the (volume|music)",
        ],
        replies: &["I'm sorry, I can't play music."],
    },
    Topic {
        asks: &[
            "(call|phone|ring) (mom|my mother|dad|john|mary|my wife|my husband|the doctor|the office)",
            "(make a|start a) (phone|) call",
            "(can you|please) call (mom|dad|sarah|my boss)",
        ],
        replies: &["I'm sorry, I can't make phone calls."],
    },
    Topic {
        asks: &[
            "(send|write) (a|an) (message|text|email|text message) to (mom|dad|john|my boss|my friend|anna)",
            "(text|email|message) (john|mom|dad|my wife|my boss)",
            "(check|read) my (email|emails|messages|mail)",
        ],
        replies: &["I'm sorry, I can't send or read messages."],
    },
    Topic {
        asks: &[
            "turn (on|off) the (lights|light|tv|television|heating|fan|air conditioning|lamp)",
            "(dim|switch off|switch on) the (lights|light|lamp)",
            "(lock|open|close) the (door|window|garage|curtains)",
            "set the (thermostat|temperature) to twenty degrees",
        ],
        replies: &["I'm sorry, I can't control things in your home."],
    },
    Topic {
        asks: &[
            "what's (in|on) the news (today|)",
            "(tell me|read me) the news",
            "what happened (today|in the world today)",
            "who won the (game|match|election|world cup)",
            "what's the score (of the game|)",
        ],
        replies: &["I'm sorry, I don't get the news."],
    },
    Topic {
        asks: &[
            "(book|reserve) (me|) (a|) (flight|table|hotel|taxi|ticket|room)",
            "(book|get|call) me a (cab|taxi|flight)",
            "(buy|order) (me|) (tickets|a pizza|a book|new shoes|a sandwich)",
        ],
        replies: &["I'm sorry, I can't book or buy that."],
    },
    Topic {
        asks: &[
            "(how do i get|navigate|give me directions|show me the way) to (the airport|the station|work|downtown|the supermarket)",
            "where is the nearest (gas station|pharmacy|restaurant|bank|hospital)",
            "how far is (it to|) (london|the airport|new york|paris)",
            "how is the traffic",
        ],
        replies: &["I'm sorry, I can't help with directions."],
    },
    Topic {
        asks: &[
            "(search|look up|google) (for|) (recipes|shoes|the internet|cars|this|movies|flights)",
            "open (the|a) (browser|website|app|camera)",
            "(search|look) (it|that) up (online|on the internet|)",
            "find (me|) (a recipe|a video|a picture)",
        ],
        replies: &["I'm sorry, I can't search the internet."],
    },
    Topic {
        asks: &[
            "(add|put) (a meeting|an appointment|an event) (to|in|on) my calendar",
            "what's on my calendar (today|tomorrow|)",
            "(schedule|cancel) (a|the|my) (meeting|appointment)",
            "do i have any (meetings|appointments) (today|tomorrow|)",
        ],
        replies: &["I'm sorry, I don't have a calendar."],
    },
    Topic {
        asks: &[
            "who (is|was) the (president|king|queen|prime minister) (of france|of england|of america|)",
            "(what|where) is the capital of (france|spain|japan|australia|canada)",
            "who (wrote|painted|invented) (hamlet|the mona lisa|the telephone)",
            "how (tall|high) is (mount everest|the eiffel tower)",
            "when did (the war|world war two) end",
            "how many people live in (china|london|america)",
            "why is the sky blue",
        ],
        replies: &["I'm sorry, I don't know that."],
    },
    Topic {
        asks: &[
            "(translate|say) (hello|good morning|this|thank you) (to|into|in) (french|spanish|german|italian|chinese)",
            "how do you say (hello|thank you|water) in (french|spanish|german)",
        ],
        replies: &["I'm sorry, I can't translate."],
    },
    Topic {
        asks: &[
            "what's my (name|age|address|phone number)",
            "do you know (me|who i am|my name)",
            "where (am i|do i live)",
        ],
        replies: &["I'm sorry, I don't know that about you."],
    },
    Topic {
        asks: &[
            "(take|make) a (picture|photo|video|selfie|note|recording)",
            "(show|draw) me a (picture|map|cat)",
            "(write|compose) (me|) a (poem|letter|song|essay)",
            "(play|start) a (game|movie|film)",
        ],
        replies: &["I'm sorry, I can't do that."],
    },
    Topic {
        asks: &[
            "(set|make|put on|i need) an alarm (for|at) (six|seven|eight|six thirty|half past seven|noon|five|nine|ten) (am|a m|pm|in the morning|o'clock|tomorrow|)",
            "(wake me up|wake me|get me up) (at|tomorrow at) (six|seven|eight|seven thirty|quarter to eight|five|noon) (am|in the morning|o'clock|)",
            "(set|make) (an|the|my) alarm",
            "remind me at (five|noon|six|eight|three|half past four) to (call mom|leave|go to bed|take my pills|eat)",
            "(set|make) a reminder for (tomorrow|monday|tonight|noon|eight o'clock)",
        ],
        replies: &["I'm sorry, I can only set timers, such as for ten minutes."],
    },
    Topic {
        asks: &[
            "(how much is|how much are|convert|what's|what are) (a hundred|one hundred|fifty|ten|five|twenty|two hundred|a thousand) (dollars|euros|pounds|yen|francs) (in|to|into) (dollars|euros|pounds|yen|francs)",
            "what's the (exchange rate|price of gold|dollar worth)",
            "(what does|how much does) (a car|a house|this|bread|a phone|petrol) cost",
            "how much money do i have",
        ],
        replies: &["I'm sorry, I can't look up prices or convert money."],
    },
    Topic {
        asks: &[
            "(what's|what is|calculate|tell me) the (square|cube) root of (four|nine|sixteen|twenty five|eighty one|one hundred|two|eight|twenty seven)",
            "(what's|what is) (two|three|five|ten|seven) to the power of (two|three|ten|five|eight)",
            "(solve|can you solve) (an|this|the) equation",
            "(what's|what is) the (sine|cosine|logarithm) of (thirty|ninety|ten|one hundred)",
            "(what's|what is) (three|five|six) factorial",
        ],
        replies: &["I'm sorry, I can only add, subtract, multiply and divide."],
    },
    Topic {
        asks: &[
            "how (many days|long|many weeks) (is it|) (until|till|to) (christmas|easter|halloween|new year|my birthday|the weekend|friday|summer|monday)",
            "when (is|was) (christmas|easter|thanksgiving|halloween|mother's day|the next holiday|my birthday)",
            "what day (is|was) (christmas|the fourth of july|my birthday|new year's eve) (on|this year|)",
        ],
        replies: &["I'm sorry, I don't have a calendar."],
    },
    Topic {
        asks: &[
            "(flip|toss) a coin",
            "roll (a|the) (die|dice)",
            "(pick|choose|think of|give me) a (random|) (number|card|color) (between one and ten|between one and a hundred|)",
            "(spell|how do you spell|can you spell) (banana|tomorrow|necessary|rhythm|my name|restaurant)",
            "what rhymes with (orange|blue|time|day|cat)",
            "(count|can you count) to (ten|twenty|one hundred)",
            "say the alphabet",
        ],
        replies: &["I'm sorry, I can't do that."],
    },
    Topic {
        asks: &[
            "what's for (dinner|lunch|breakfast)",
            "what should i (eat|cook|wear|do|buy|watch|read) (today|tonight|tomorrow|)",
            "how (far|big|old) is (the moon|the sun|the earth|mars)",
            "how do (planes fly|birds fly|i tie a tie|i cook rice|i boil an egg|magnets work)",
            "what (is|are) (gravity|a black hole|love|dinosaurs|quantum physics|a computer)",
            "what does (that|it|gravity|serendipity|this word) mean",
        ],
        replies: &["I'm sorry, I don't know that."],
    },
];

/// Requests that name anything at all, as `{w}`, and are refused whatever it is.
pub(crate) const OPEN_REFUSALS: &[Topic] = &[
    Topic {
        asks: &[
            "who (is|was) {w} (|{v})",
            "what is (a|the|) {w}",
            "where is {w}",
            "(how old|how tall|how big|how far) is {w}",
            "when was {w} (|{v}) born",
            "what's the capital of {w}",
            "(what|who) was the first {w}",
            "(tell me about|do you know) {w} (|{v})",
        ],
        replies: &["I'm sorry, I don't know that."],
    },
    Topic { asks: &["(play|put on) {w} (|{v}|by {v})"], replies: &["I'm sorry, I can't play music."] },
    Topic { asks: &["(call|phone) {w}"], replies: &["I'm sorry, I can't make phone calls."] },
    Topic {
        asks: &["(send a message to|text|write to|email) {w}"],
        replies: &["I'm sorry, I can't send or read messages."],
    },
    Topic { asks: &["(what's|how's) the weather (like|) in {w}"], replies: &["I'm sorry, I can't check the weather."] },
    Topic { asks: &["(search for|look up|google) {w} (|{v})"], replies: &["I'm sorry, I can't search the internet."] },
    Topic {
        asks: &["(how do i get to|how far is it to|take me to|directions to) {w}"],
        replies: &["I'm sorry, I can't help with directions."],
    },
    Topic {
        asks: &["how do you say {w} in (french|spanish|german|italian)", "translate {w}"],
        replies: &["I'm sorry, I can't translate."],
    },
];

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

/// A small-talk, refusal or story sentence as said.
pub(crate) fn ask(rng: &mut Chance, asks: &[&'static str]) -> String {
    let template = pick(rng, asks);
    let said = say(rng, template, &[]);
    tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)))
}

/// A request that names `words`, as said.
pub(crate) fn ask_of(rng: &mut Chance, topic: &Topic, words: [&str; 2]) -> String {
    let said = say_one(rng, topic.asks, &[("w", words[0]), ("v", words[1])]);
    tidy(&format!("{} {said} {}", polite_start(rng), polite_end(rng)))
}

/// What a person says to hear another joke, and the answers, in turn.
pub(crate) fn another(rng: &mut Chance) -> String {
    say(
        rng,
        "(another one|one more|tell me another one|another joke|tell me another joke|do you know another one|more)",
        &[],
    )
}

/// The answers to [`another`], in turn.
pub(crate) const ANOTHER: [&str; 2] =
    ["Why did the clock leave the kitchen? It had too much time on its hands.", "I'm sorry, I don't know another one."];

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
