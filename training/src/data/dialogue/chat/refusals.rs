//! Requests that the assistant has to refuse.

use super::Topic;

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
