//! The coffee counter: its menu and its order form.

use serde_json::{Value, json};

/// Drinks on the menu.
pub const DRINKS: [&str; 10] = [
    "coffee",
    "drip coffee",
    "house coffee",
    "iced coffee",
    "americano",
    "cappuccino",
    "espresso",
    "latte",
    "mocha",
    "iced mocha",
];
/// Sizes, by name or by ounces.
pub const SIZES: [&str; 7] =
    ["small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce"];
/// Roasts.
pub const ROASTS: [&str; 3] = ["light roast", "medium roast", "dark roast"];
/// Numbers of espresso shots.
pub const SHOTS: [&str; 3] = ["single shot", "double shot", "triple shot"];
/// What stands before a kind of milk or sugar; the first means that no amount was named.
pub const AMOUNTS: [&str; 6] = ["", "some", "a bit of", "a little bit of", "a lot of", "lots of"];
/// Kinds of milk.
pub const MILKS: [&str; 6] = ["milk", "cream", "skim milk", "whole milk", "soy milk", "almond milk"];
/// Kinds of sugar.
pub const SUGARS: [&str; 3] = ["sugar", "brown sugar", "sweetener"];

/// Every amount of every kind, such as "brown sugar" and "a lot of brown sugar".
pub fn with_amounts(kinds: &[&str]) -> Vec<String> {
    let amounts = AMOUNTS.iter().flat_map(|amount| kinds.iter().map(move |kind| format!("{amount} {kind}")));
    amounts.map(|value| value.trim().to_owned()).collect()
}

/// The order's fields in the order in which a call names them, with the values that each takes.
pub fn fields() -> [(&'static str, Vec<String>); 6] {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    [
        ("coffeeDrink", owned(&DRINKS)),
        ("size", owned(&SIZES)),
        ("roast", owned(&ROASTS)),
        ("numberOfShots", owned(&SHOTS)),
        ("milkAmount", with_amounts(&MILKS)),
        ("sugarAmount", with_amounts(&SUGARS)),
    ]
}

/// JSON Schema of an order.
pub fn schema() -> Value {
    let properties: serde_json::Map<String, Value> = fields()
        .into_iter()
        .map(|(name, values)| (name.to_owned(), json!({"type": "string", "enum": values})))
        .collect();
    json!({"type": "object", "properties": properties, "required": ["coffeeDrink"], "additionalProperties": false})
}
