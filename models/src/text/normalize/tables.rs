//! What abbreviations, units, currencies and symbols are called.

/// Whether the full stop of an abbreviation can end a sentence as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A title or the like: more always follows.
    Never,
    /// The sentence ends here when the next word has a capital, or none follows.
    Maybe,
}

/// Lower-case abbreviations that carry a full stop, what they stand for, and whether the stop can end a sentence.
pub(crate) const ABBREVIATIONS: &[(&str, &str, Stop)] = &[
    ("mr", "mister", Stop::Never),
    ("mrs", "missus", Stop::Never),
    ("ms", "miz", Stop::Never),
    ("dr", "doctor", Stop::Never),
    ("prof", "professor", Stop::Never),
    ("rev", "reverend", Stop::Never),
    ("hon", "honorable", Stop::Never),
    ("gen", "general", Stop::Never),
    ("col", "colonel", Stop::Never),
    ("capt", "captain", Stop::Never),
    ("maj", "major", Stop::Never),
    ("lt", "lieutenant", Stop::Never),
    ("sgt", "sergeant", Stop::Never),
    ("gov", "governor", Stop::Never),
    ("sen", "senator", Stop::Never),
    ("rep", "representative", Stop::Never),
    ("messrs", "messrs", Stop::Never),
    ("mt", "mount", Stop::Never),
    ("ft", "fort", Stop::Never),
    ("st", "saint", Stop::Never),
    ("vs", "versus", Stop::Never),
    ("approx", "approximately", Stop::Never),
    ("e.g", "for example", Stop::Never),
    ("i.e", "that is", Stop::Never),
    ("jr", "junior", Stop::Maybe),
    ("sr", "senior", Stop::Maybe),
    ("esq", "esquire", Stop::Maybe),
    ("co", "company", Stop::Maybe),
    ("corp", "corporation", Stop::Maybe),
    ("inc", "incorporated", Stop::Maybe),
    ("ltd", "limited", Stop::Maybe),
    ("dept", "department", Stop::Maybe),
    ("est", "established", Stop::Maybe),
    ("etc", "et cetera", Stop::Maybe),
    ("ave", "avenue", Stop::Maybe),
    ("blvd", "boulevard", Stop::Maybe),
    ("rd", "road", Stop::Maybe),
    ("jan", "january", Stop::Maybe),
    ("feb", "february", Stop::Maybe),
    ("apr", "april", Stop::Maybe),
    ("aug", "august", Stop::Maybe),
    ("sept", "september", Stop::Maybe),
    ("oct", "october", Stop::Maybe),
    ("nov", "november", Stop::Maybe),
    ("dec", "december", Stop::Maybe),
];

/// Abbreviations that stand for a word only before a number.
pub(crate) const BEFORE_NUMBER: &[(&str, &str)] =
    &[("no", "number"), ("nos", "numbers"), ("vol", "volume"), ("p", "page"), ("pp", "pages"), ("fig", "figure")];

/// Units after a number: the sign, one of it, several.
pub(crate) const UNITS: &[(&str, &str, &str)] = &[
    ("%", "percent", "percent"),
    ("°C", "degree celsius", "degrees celsius"),
    ("°F", "degree fahrenheit", "degrees fahrenheit"),
    ("°", "degree", "degrees"),
    ("km/h", "kilometer per hour", "kilometers per hour"),
    ("mph", "mile per hour", "miles per hour"),
    ("m/s", "meter per second", "meters per second"),
    ("km", "kilometer", "kilometers"),
    ("cm", "centimeter", "centimeters"),
    ("mm", "millimeter", "millimeters"),
    ("m", "meter", "meters"),
    ("kg", "kilogram", "kilograms"),
    ("mg", "milligram", "milligrams"),
    ("g", "gram", "grams"),
    ("lbs", "pound", "pounds"),
    ("lb", "pound", "pounds"),
    ("oz", "ounce", "ounces"),
    ("ml", "milliliter", "milliliters"),
    ("mL", "milliliter", "milliliters"),
    ("l", "liter", "liters"),
    ("L", "liter", "liters"),
    ("ft", "foot", "feet"),
    ("mi", "mile", "miles"),
    ("yd", "yard", "yards"),
    ("tbsp", "tablespoon", "tablespoons"),
    ("tsp", "teaspoon", "teaspoons"),
    ("hrs", "hour", "hours"),
    ("hr", "hour", "hours"),
    ("h", "hour", "hours"),
    ("mins", "minute", "minutes"),
    ("min", "minute", "minutes"),
    ("secs", "second", "seconds"),
    ("sec", "second", "seconds"),
    ("s", "second", "seconds"),
    ("ms", "millisecond", "milliseconds"),
    ("kHz", "kilohertz", "kilohertz"),
    ("MHz", "megahertz", "megahertz"),
    ("GHz", "gigahertz", "gigahertz"),
    ("Hz", "hertz", "hertz"),
    ("KB", "kilobyte", "kilobytes"),
    ("kB", "kilobyte", "kilobytes"),
    ("MB", "megabyte", "megabytes"),
    ("GB", "gigabyte", "gigabytes"),
    ("TB", "terabyte", "terabytes"),
    ("kW", "kilowatt", "kilowatts"),
    ("W", "watt", "watts"),
    ("V", "volt", "volts"),
    ("mA", "milliamp", "milliamps"),
    ("dB", "decibel", "decibels"),
];

/// Units that are also words or letters, so that they count only when they touch their number.
pub(super) const TOUCHING: &[&str] = &["m", "g", "l", "L", "h", "s", "V", "W"];

/// Currency signs: one of it, several, one of its hundredths, several.
pub(super) const CURRENCIES: &[(char, [&str; 4])] = &[
    ('$', ["dollar", "dollars", "cent", "cents"]),
    ('£', ["pound", "pounds", "penny", "pence"]),
    ('€', ["euro", "euros", "cent", "cents"]),
    ('¥', ["yen", "yen", "sen", "sen"]),
    ('¢', ["cent", "cents", "cent", "cents"]),
    ('₹', ["rupee", "rupees", "paisa", "paise"]),
    ('₩', ["won", "won", "jeon", "jeon"]),
    ('₽', ["ruble", "rubles", "kopeck", "kopecks"]),
    ('₺', ["lira", "lira", "kurush", "kurush"]),
    ('₪', ["shekel", "shekels", "agora", "agorot"]),
];

pub(super) fn is_currency(c: char) -> bool {
    CURRENCIES.iter().any(|(sign, _)| *sign == c)
}

/// Words of capitals that are spelled although they could be spoken.
pub(super) const SPELLED: &[&str] = &[
    "US", "USA", "UK", "EU", "UN", "UAE", "AI", "UI", "UX", "IQ", "ID", "IP", "OS", "API", "URL", "USB", "GPU", "CPU",
    "GPA", "ATM", "CEO", "CFO", "COO", "CIO", "FAQ", "ETA", "UFO", "IOU", "DIY", "FBI", "CIA", "IRS", "IBM", "FDA",
    "EPA",
];

/// What a Roman numeral counts.
pub(super) const NUMBERED: &[&str] = &[
    "act", "article", "book", "bowl", "chapter", "class", "episode", "figure", "grade", "level", "mark", "part",
    "phase", "scene", "section", "stage", "table", "title", "type", "version", "vol", "volume", "war",
];

/// Names of rulers and popes, whose numbers have an article.
pub(super) const RULERS: &[&str] = &[
    "albert",
    "alexander",
    "alfonso",
    "benedict",
    "catherine",
    "charles",
    "christian",
    "clement",
    "edward",
    "elizabeth",
    "ferdinand",
    "francis",
    "frederick",
    "george",
    "gregory",
    "gustav",
    "harald",
    "henry",
    "innocent",
    "ivan",
    "james",
    "john",
    "joseph",
    "julius",
    "leo",
    "leopold",
    "louis",
    "mary",
    "napoleon",
    "nicholas",
    "olaf",
    "otto",
    "paul",
    "peter",
    "philip",
    "pius",
    "ptolemy",
    "ramesses",
    "richard",
    "robert",
    "rudolf",
    "umberto",
    "urban",
    "victoria",
    "vittorio",
    "wilhelm",
    "william",
];

/// Names whose full stop seldom ends a sentence, whatever follows.
pub(crate) const COUNTRIES: &[&str] = &["U.S", "U.S.A", "U.K", "U.N", "E.U"];

/// Words that a sum of money keeps before the currency's name: "four million dollars".
pub(super) const SCALES: &[(&str, &str)] = &[
    ("hundred", "hundred"),
    ("thousand", "thousand"),
    ("million", "million"),
    ("billion", "billion"),
    ("trillion", "trillion"),
    ("k", "thousand"),
    ("bn", "billion"),
];

/// Signs that are words by themselves.
pub(super) const SYMBOLS: &[(char, &str)] = &[
    ('&', "and"),
    ('@', "at"),
    ('+', "plus"),
    ('=', "equals"),
    ('×', "times"),
    ('÷', "divided by"),
    ('−', "minus"),
    ('±', "plus or minus"),
    ('%', "percent"),
    ('°', "degrees"),
    ('#', "number"),
    ('<', "less than"),
    ('≤', "at most"),
    ('≥', "at least"),
    ('≠', "is not"),
    ('≈', "about"),
    ('²', "squared"),
    ('³', "cubed"),
    ('π', "pi"),
    ('∞', "infinity"),
    ('>', "greater than"),
    ('$', "dollars"),
    ('£', "pounds"),
    ('€', "euros"),
    ('¥', "yen"),
    ('¢', "cents"),
    ('½', "one half"),
    ('¼', "one quarter"),
    ('¾', "three quarters"),
];

/// The months, in order.
pub(super) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Words that keep an apostrophe at their beginning.
pub(super) const LEADING_APOSTROPHE: &[&str] = &["'tis", "'twas", "'em", "'til", "'cause", "'round", "'bout"];

/// The plain letters for a Latin letter with marks, and the plain sign for typographic ones.
pub(super) fn fold(c: char) -> Option<&'static str> {
    Some(match c {
        '’' | '‘' | 'ʼ' | '`' | '´' => "'",
        '“' | '”' | '„' | '«' | '»' => "\"",
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' => "a",
        'ä' => "a",
        'À' | 'Á' | 'Â' | 'Ã' | 'Ä' | 'Å' | 'Ā' => "A",
        'æ' => "ae",
        'Æ' => "Ae",
        'ç' | 'ć' | 'č' => "c",
        'Ç' | 'Ć' | 'Č' => "C",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'È' | 'É' | 'Ê' | 'Ë' | 'Ē' => "E",
        'ì' | 'í' | 'î' | 'ï' | 'ī' => "i",
        'Ì' | 'Í' | 'Î' | 'Ï' => "I",
        'ñ' | 'ń' => "n",
        'Ñ' => "N",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' => "o",
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ö' | 'Ø' => "O",
        'œ' => "oe",
        'š' | 'ś' => "s",
        'Š' => "S",
        'ß' => "ss",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' => "u",
        'Ù' | 'Ú' | 'Û' | 'Ü' => "U",
        'ý' | 'ÿ' => "y",
        'ž' | 'ź' | 'ż' => "z",
        'Ž' => "Z",
        'ł' => "l",
        'Ł' => "L",
        '…' => "...",
        // Its canonical form is another sign with a stroke through it.
        '≠' => "≠",
        '₀' => "0",
        '₁' => "1",
        '₂' => "2",
        '₃' => "3",
        '₄' => "4",
        '₅' => "5",
        '₆' => "6",
        '₇' => "7",
        '₈' => "8",
        '₉' => "9",
        '\u{200b}' | '\u{feff}' | '\u{00ad}' => "",
        _ => return None,
    })
}
