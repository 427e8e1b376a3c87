use serde_json::{Value, json};

use super::{Moment, Outcome, Tool, spoken, text, whole_number};
use crate::llm::ToolSpec;

/// Tells time and date.
pub struct ClockTool;

impl Tool for ClockTool {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "clock".into(),
            description: "Tells the time, the date, the day of the week or the year".into(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "days": {"type": "integer", "minimum": -366, "maximum": 366},
                    "what": {"type": "string", "enum": ["time", "date", "day", "year"]},
                },
                "required": ["what"],
                "additionalProperties": false,
            }),
        }
    }

    fn fork(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(Self))
    }

    fn call(&mut self, arguments: &Value, now: Moment) -> Outcome {
        let then = now.plus_days(arguments.get("days").and_then(whole_number).unwrap_or(0));
        Ok(match text(arguments, "what") {
            Some("time") => {
                let (hour, minute) = then.hour_minute();
                spoken::time_of_day(hour, minute)
            }
            Some("day") => then.weekday().to_owned(),
            Some("year") => spoken::year(then.date().0.unsigned_abs()),
            _ => then.date_in_words(),
        })
    }
}
