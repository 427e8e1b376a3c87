use serde_json::{Value, json};

use super::{Moment, Outcome, Tool, spoken, text};
use crate::llm::ToolSpec;

/// Does sums.
pub struct Calculator;

impl Tool for Calculator {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "calculate".into(),
            description: "Works out an arithmetic expression of numbers, + - * / and parentheses".into(),
            parameters: json!({
                "type": "object",
                "properties": {"expression": {"type": "string"}},
                "required": ["expression"],
                "additionalProperties": false,
            }),
        }
    }

    fn fork(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(Self))
    }

    fn call(&mut self, arguments: &Value, _now: Moment) -> Outcome {
        let value = evaluate(text(arguments, "expression").unwrap_or_default())?;
        if value.abs() >= spoken::LARGEST {
            return Err(spoken::TOO_LARGE.into());
        }
        Ok(spoken::number(value))
    }
}

/// The value of an expression of decimal numbers, `+ - * /`, signs and parentheses.
///
/// # Errors
/// A sentence that says why there is no value: division by zero, or a text that is no such expression.
pub fn evaluate(expression: &str) -> std::result::Result<f64, String> {
    let mut parser = Parser { rest: expression, depth: 0 };
    let value = parser.sum()?;
    if !parser.rest.trim_start().is_empty() {
        return Err(Parser::unclear());
    }
    match value.is_finite() {
        true => Ok(value),
        false if expression.contains('/') => Err("that can't be divided by zero".into()),
        false => Err("that number is too big for me".into()),
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn unclear() -> String {
        "I could not work that out".into()
    }

    fn take(&mut self, signs: &[char]) -> Option<char> {
        self.rest = self.rest.trim_start();
        let sign = self.rest.chars().next().filter(|c| signs.contains(c))?;
        self.rest = &self.rest[sign.len_utf8()..];
        Some(sign)
    }

    fn sum(&mut self) -> std::result::Result<f64, String> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(&['+', '-']) {
            let term = self.product()?;
            value = if sign == '+' { value + term } else { value - term };
        }
        Ok(value)
    }

    fn product(&mut self) -> std::result::Result<f64, String> {
        let mut value = self.factor()?;
        while let Some(sign) = self.take(&['*', '/']) {
            let factor = self.factor()?;
            value = if sign == '*' { value * factor } else { value / factor };
        }
        Ok(value)
    }

    fn factor(&mut self) -> std::result::Result<f64, String> {
        const DEEPEST: usize = 32;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Self::unclear());
        }
        let value = if self.take(&['-']).is_some() {
            -self.factor()?
        } else if self.take(&['(']).is_some() {
            let inner = self.sum()?;
            self.take(&[')']).ok_or_else(Self::unclear)?;
            inner
        } else {
            let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at(end);
            self.rest = rest;
            number.parse().map_err(|_| Self::unclear())?
        };
        self.depth -= 1;
        Ok(value)
    }
}
