//! How TIMIT's phones are folded (Lee and Hon, IEEE TASSP 37(11), 1989, tables I and II). Phones that are not named stay.

/// From 60 phones to 48.
pub(super) const PHONES_48: [(&str, &str); 16] = [
    ("ax-h", "ax"),
    ("axr", "er"),
    ("bcl", "vcl"),
    ("dcl", "vcl"),
    ("gcl", "vcl"),
    ("pcl", "cl"),
    ("tcl", "cl"),
    ("kcl", "cl"),
    ("em", "m"),
    ("eng", "ng"),
    ("hv", "hh"),
    ("nx", "n"),
    ("ux", "uw"),
    ("h#", "sil"),
    ("pau", "sil"),
    ("q", ""),
];

/// From 60 phones to 39.
pub(super) const PHONES_39: [(&str, &str); 23] = [
    ("ao", "aa"),
    ("ax", "ah"),
    ("ax-h", "ah"),
    ("axr", "er"),
    ("bcl", "sil"),
    ("dcl", "sil"),
    ("gcl", "sil"),
    ("pcl", "sil"),
    ("tcl", "sil"),
    ("kcl", "sil"),
    ("el", "l"),
    ("em", "m"),
    ("en", "n"),
    ("eng", "ng"),
    ("epi", "sil"),
    ("hv", "hh"),
    ("ix", "ih"),
    ("nx", "n"),
    ("ux", "uw"),
    ("zh", "sh"),
    ("h#", "sil"),
    ("pau", "sil"),
    ("q", ""),
];

/// What a phone is folded into; nothing for the glottal stop.
pub(super) fn fold<'a>(set: &'a [(&str, &str)], phone: &'a str) -> &'a str {
    set.iter().find(|(from, _)| *from == phone).map_or(phone, |(_, to)| to)
}
