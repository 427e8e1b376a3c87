//! The coffee counter: its menu and its order form.

use serde_json::{Value, json};

use super::{Moment, Outcome, Tool, text};
use crate::llm::ToolSpec;

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
fn schema() -> Value {
    let properties: serde_json::Map<String, Value> = fields()
        .into_iter()
        .map(|(name, values)| (name.to_owned(), json!({"type": "string", "enum": values})))
        .collect();
    json!({"type": "object", "properties": properties, "required": ["coffeeDrink"], "additionalProperties": false})
}

/// An order that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The arguments of the call.
    pub fields: Value,
}

/// Takes orders of coffee.
#[derive(Clone, Debug, Default)]
pub struct CoffeeCounter {
    orders: Vec<Order>,
}

impl CoffeeCounter {
    /// The orders so far.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }
}

impl Tool for CoffeeCounter {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "order_coffee".into(), description: "Takes an order of coffee".into(), parameters: schema() }
    }

    fn fork(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(self.clone()))
    }

    fn call(&mut self, arguments: &Value, _now: Moment) -> Outcome {
        self.orders.push(Order { fields: arguments.clone() });
        let field = |name| text(arguments, name);
        let drink = [field("size"), field("coffeeDrink")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let rest = ["roast", "numberOfShots", "milkAmount", "sugarAmount"].into_iter().filter_map(field);
        Ok([drink.as_str()].into_iter().chain(rest).collect::<Vec<_>>().join(", "))
    }
}
