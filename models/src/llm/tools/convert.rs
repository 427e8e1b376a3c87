use serde_json::{Value, json};

use super::{Moment, Outcome, Tool, spoken, text};
use crate::llm::ToolSpec;

/// Converts units.
pub struct UnitConverter;

/// What a unit measures; only units of one kind convert into each other.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Length,
    Mass,
    Volume,
    Time,
}

/// Name, kind, and size in meters, grams, milliliters or seconds (exact by the international yard and pound and the
/// United States gallon of 231 cubic inches).
const UNITS: [(&str, Kind, f64); 25] = [
    ("inches", Kind::Length, 0.0254),
    ("feet", Kind::Length, 0.3048),
    ("yards", Kind::Length, 0.9144),
    ("miles", Kind::Length, 1_609.344),
    ("millimeters", Kind::Length, 0.001),
    ("centimeters", Kind::Length, 0.01),
    ("meters", Kind::Length, 1.0),
    ("kilometers", Kind::Length, 1000.0),
    ("ounces", Kind::Mass, 28.349_523_125),
    ("pounds", Kind::Mass, 453.592_37),
    ("grams", Kind::Mass, 1.0),
    ("kilograms", Kind::Mass, 1000.0),
    ("teaspoons", Kind::Volume, 4.928_921_593_75),
    ("tablespoons", Kind::Volume, 14.786_764_781_25),
    ("cups", Kind::Volume, 236.588_236_5),
    ("pints", Kind::Volume, 473.176_473),
    ("quarts", Kind::Volume, 946.352_946),
    ("gallons", Kind::Volume, 3_785.411_784),
    ("milliliters", Kind::Volume, 1.0),
    ("liters", Kind::Volume, 1000.0),
    ("seconds", Kind::Time, 1.0),
    ("minutes", Kind::Time, 60.0),
    ("hours", Kind::Time, 3600.0),
    ("days", Kind::Time, 86_400.0),
    ("weeks", Kind::Time, 604_800.0),
];

impl Tool for UnitConverter {
    fn spec(&self) -> ToolSpec {
        let names: Vec<&str> = UNITS.iter().map(|(name, ..)| *name).chain(["celsius", "fahrenheit"]).collect();
        ToolSpec {
            name: "convert".into(),
            description: "Converts a value from one unit into another".into(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "from": {"type": "string", "enum": names},
                    "to": {"type": "string", "enum": names},
                    "value": {"type": "number"},
                },
                "required": ["from", "to", "value"],
                "additionalProperties": false,
            }),
        }
    }

    fn fork(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(Self))
    }

    fn call(&mut self, arguments: &Value, _now: Moment) -> Outcome {
        let value = arguments.get("value").and_then(Value::as_f64).unwrap_or(0.0);
        let (from, to) = (text(arguments, "from").unwrap_or_default(), text(arguments, "to").unwrap_or_default());
        let converted = convert(value, from, to).ok_or_else(|| format!("{from} can't be turned into {to}"))?;
        if converted.abs() >= spoken::LARGEST {
            return Err(spoken::TOO_LARGE.into());
        }
        let temperature = matches!(to, "celsius" | "fahrenheit");
        let rounded = if temperature { (converted * 10.0).round() / 10.0 } else { round_for_speech(converted) };
        let name = if rounded == 1.0 { singular(to) } else { to.to_owned() };
        Ok(match to {
            _ if temperature => {
                format!("{} degree{} {to}", spoken::number(rounded), if rounded == 1.0 { "" } else { "s" })
            }
            _ if converted != 0.0 && rounded == 0.0 => {
                let one = singular(to);
                let article = if one.starts_with(['a', 'e', 'i', 'o', 'u', 'h']) { "an" } else { "a" };
                format!("less than one hundredth of {article} {one}")
            }
            _ => format!("{} {name}", spoken::number(rounded)),
        })
    }
}

fn convert(value: f64, from: &str, to: &str) -> Option<f64> {
    match (from, to) {
        ("celsius", "fahrenheit") => return Some(value * 9.0 / 5.0 + 32.0),
        ("fahrenheit", "celsius") => return Some((value - 32.0) * 5.0 / 9.0),
        _ if from == to => return Some(value),
        _ => {}
    }
    let unit = |name: &str| UNITS.iter().find(|(known, ..)| *known == name);
    let ((_, from_kind, from_size), (_, to_kind, to_size)) = (unit(from)?, unit(to)?);
    (from_kind == to_kind).then(|| value * from_size / to_size)
}

/// Two decimals below a hundred, none from there on: what a listener can take in. Of a temperature, one.
fn round_for_speech(value: f64) -> f64 {
    if value.abs() >= 100.0 { value.round() } else { (value * 100.0).round() / 100.0 }
}

fn singular(unit: &str) -> String {
    match unit {
        "feet" => "foot".into(),
        "inches" => "inch".into(),
        _ => unit.trim_end_matches('s').to_owned(),
    }
}
