//! The figures of a run as curves over its steps: `curves.svg`, drawn from `log.jsonl`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Task;
use super::observer::{At, Observer, Stage};
use crate::{Error, Result};

const WIDTH: f64 = 640.0;
const PANEL: f64 = 150.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 24.0;
const BETWEEN: f64 = 46.0;
const COLOURS: [&str; 2] = ["#1f6feb", "#d1571b"];
/// What is not about how well the net does, nor how fast it learns.
const LEFT_OUT: [&str; 5] = ["event", "epoch", "step", "minutes", "grad_norm"];

/// A step and a value.
type Point = (f64, f64);

/// The curves by figure, and of each by event: `train` or `valid`.
type Panels = BTreeMap<String, BTreeMap<String, Vec<Point>>>;

/// Draws the curves of a run folder anew after each validation, once its log has it.
pub(super) struct Curves(pub(super) PathBuf);

impl<T: Task> Observer<T> for Curves {
    fn on_stage_end(&mut self, stage: Stage, _figures: &[(&str, f64)], _net: &T::Net, _at: &At) -> Result<()> {
        if stage == Stage::Valid { draw(&self.0) } else { Ok(()) }
    }
}

fn draw(run: &Path) -> Result<()> {
    let path = run.join("log.jsonl");
    let log = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let path = run.join("curves.svg");
    std::fs::write(&path, svg(&panels(&log))).map_err(|e| Error::io(&path, e))
}

fn panels(log: &str) -> Panels {
    let mut panels = Panels::new();
    for record in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let (Some(fields), Some(event), Some(step)) =
            (record.as_object(), record["event"].as_str(), record["step"].as_f64())
        else {
            continue;
        };
        for (name, value) in fields.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())) {
            let Some(value) = value.as_f64().filter(|value| value.is_finite()) else { continue };
            let curve = panels.entry(name.clone()).or_default().entry(event.to_owned()).or_default();
            // A run that was taken up at a checkpoint says once more what came after it.
            curve.retain(|(at, _)| *at < step);
            curve.push((step, value));
        }
    }
    panels
}

fn svg(panels: &Panels) -> String {
    let height = TOP + panels.len() as f64 * (PANEL + BETWEEN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let all = || panels.values().flat_map(BTreeMap::values).flatten();
    let last = all().map(|(step, _)| *step).fold(1.0, f64::max);
    for (number, (name, curves)) in panels.iter().enumerate() {
        panel(&mut out, TOP + number as f64 * (PANEL + BETWEEN), last, name, curves);
    }
    out + "</svg>\n"
}

/// One figure: its frame, the least and the greatest value, and a line for each event.
fn panel(out: &mut String, top: f64, last: f64, name: &str, curves: &BTreeMap<String, Vec<Point>>) {
    let values = || curves.values().flatten().map(|(_, value)| *value);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let (right, bottom) = (WIDTH - 20.0, top + PANEL);
    let x = |step: f64| LEFT + step / last * (right - LEFT);
    let y = |value: f64| bottom - (value - low) / (high - low).max(f64::MIN_POSITIVE) * PANEL;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{PANEL}\" fill=\"none\" stroke=\"#bbb\"/>\n\
         <text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{name}</text>\n\
         <g text-anchor=\"end\"><text x=\"{end}\" y=\"{}\">{}</text><text x=\"{end}\" y=\"{bottom}\">{}</text>\
         <text x=\"{right}\" y=\"{}\">step {last}</text></g>",
        right - LEFT,
        top - 6.0,
        top + 10.0,
        figure(high),
        figure(low),
        bottom + 14.0,
        end = LEFT - 6.0,
    );
    for (number, (event, points)) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let line: Vec<String> =
            points.iter().map(|(step, value)| format!("{:.1},{:.1}", x(*step), y(*value))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{event}</text>",
            line.join(" "),
            LEFT + 60.0 + 60.0 * number as f64,
            top - 6.0,
        );
    }
}

/// Four digits of a number.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-3..1e5).contains(&size) => format!("{value:.*}", (3.0 - size.log10().floor()).max(0.0) as usize),
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_has_each_step_once() {
        let log = "{\"event\":\"train\",\"step\":10,\"loss\":4.0}\n{\"event\":\"valid\",\"step\":10,\"loss\":3.0,\"wer\":1.0}\n\
                   {\"event\":\"train\",\"step\":20,\"loss\":2.0}\n{\"event\":\"train\",\"step\":15,\"loss\":2.5}\n\
                   {\"event\":\"train\",\"step\":20,\"loss\":null}\n";
        let panels = panels(log);
        assert_eq!(panels["loss"]["train"], [(10.0, 4.0), (15.0, 2.5)]);
        assert_eq!(panels["wer"]["valid"], [(10.0, 1.0)]);
        // The greatest value is at the top of its panel, the least at the bottom, the last step at the right.
        let svg = svg(&panels);
        assert!(svg.contains(&format!("{:.1},{:.1}", LEFT + 10.0 / 15.0 * (WIDTH - 20.0 - LEFT), TOP)), "{svg}");
        assert!(svg.contains(&format!("{:.1},{:.1}\"", WIDTH - 20.0, TOP + PANEL)), "{svg}");
    }
}
