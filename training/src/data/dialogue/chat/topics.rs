//! Small talk and its answers.

use super::Topic;

/// So many topics, the first ones, come in most conversations: greetings, thanks, and what the assistant is.
pub(crate) const COURTESIES: usize = 6;

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
