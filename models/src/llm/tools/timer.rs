use serde_json::{Value, json};

use super::{Moment, Outcome, Tool, spoken, text, whole};
use crate::llm::ToolSpec;

/// Runs timers.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    running: Vec<Running>,
}

#[derive(Clone, Debug)]
struct Running {
    label: Option<String>,
    length_s: u64,
    ends: Moment,
}

impl Running {
    fn name(&self) -> String {
        match &self.label {
            Some(label) => format!("{label} timer"),
            None => "timer".into(),
        }
    }
}

/// The longest timer: a day.
const LONGEST_S: u64 = 86_400;

impl Tool for Timers {
    fn spec(&self) -> ToolSpec {
        let count = json!({"type": "integer", "minimum": 0, "maximum": 86_400});
        ToolSpec {
            name: "timer".into(),
            description: "Sets a timer, lists the running timers or cancels them".into(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "action": {"type": "string", "enum": ["set", "list", "cancel"]},
                    "hours": count,
                    "label": {"type": "string"},
                    "minutes": count,
                    "seconds": count,
                },
                "required": ["action"],
                "additionalProperties": false,
            }),
        }
    }

    fn fork(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(self.clone()))
    }

    fn call(&mut self, arguments: &Value, now: Moment) -> Outcome {
        let label = text(arguments, "label");
        match text(arguments, "action") {
            Some("set") => self.set(arguments, label, now),
            Some("cancel") => self.cancel(label),
            _ => Ok(self.list(label, now)),
        }
    }

    fn next_due(&self) -> Option<Moment> {
        self.running.iter().map(|timer| timer.ends).min()
    }

    fn due(&mut self, now: Moment) -> Vec<String> {
        let done = |timer: &Running| timer.ends <= now;
        let said = self.running.iter().filter(|timer| done(timer)).map(|timer| match &timer.label {
            Some(label) => format!("Your {label} timer is done."),
            None => format!("Your timer for {} is done.", spoken::duration(timer.length_s)),
        });
        let said = said.collect();
        self.running.retain(|timer| !done(timer));
        said
    }
}

impl Timers {
    fn set(&mut self, arguments: &Value, label: Option<&str>, now: Moment) -> Outcome {
        let part = |name| whole(arguments, name);
        let length_s = part("hours") * 3600 + part("minutes") * 60 + part("seconds");
        if length_s == 0 {
            return Err("I did not catch how long".into());
        }
        if length_s > LONGEST_S {
            return Err("a timer can run for a day at most".into());
        }
        let ends = now.plus_ms(length_s as i64 * 1000);
        let timer = Running { label: label.map(str::to_owned), length_s, ends };
        let said = format!("{} set for {}", timer.name(), spoken::duration(length_s));
        self.running.push(timer);
        Ok(said)
    }

    fn cancel(&mut self, label: Option<&str>) -> Outcome {
        let before = self.running.len();
        self.running.retain(|timer| label.is_some() && timer.label.as_deref() != label);
        match (before - self.running.len(), label) {
            (0, Some(label)) => Err(format!("there is no {label} timer")),
            (0, None) => Err("there are no timers".into()),
            (1, Some(label)) => Ok(format!("{label} timer cancelled")),
            (1, None) => Ok("timer cancelled".into()),
            (_, Some(label)) => Ok(format!("all {label} timers cancelled")),
            _ => Ok("all timers cancelled".into()),
        }
    }

    fn list(&self, label: Option<&str>, now: Moment) -> String {
        let left: Vec<String> = self
            .running
            .iter()
            .filter(|timer| label.is_none() || timer.label.as_deref() == label)
            .map(|timer| {
                let left_s = timer.ends.ms_since(now).max(0) as u64 / 1000;
                format!("{} left on the {}", spoken::duration(left_s), timer.name())
            })
            .collect();
        match (left.is_empty(), label) {
            (true, Some(label)) => format!("no {label} timer"),
            (true, None) => "no timers".into(),
            _ => spoken::list(&left),
        }
    }
}
