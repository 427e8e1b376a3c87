//! One suite of cases for both engines. `onnx/make.py` writes the files, and `onnx/cases.json` holds what ONNX's own
//! reference evaluator computes from them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoinder_models::runtime::{
    ElementType, Model, Provider, Runtime, RuntimeConfig, RuntimeKind, Tensor, find_onnxruntime, open,
};
use serde::Deserialize;

/// Cases that an engine cannot do, and why.
const IGNORED: [(&str, &str, &str); 0] = [];

#[derive(Deserialize)]
struct Case {
    name: String,
    tolerance: f64,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    inputs: BTreeMap<String, Packed>,
    outputs: BTreeMap<String, Packed>,
}

#[derive(Deserialize)]
struct Packed {
    element: ElementType,
    shape: Vec<usize>,
    data: Vec<serde_json::Value>,
}

impl Packed {
    fn tensor(&self) -> Tensor {
        let integers = || self.data.iter().map(|v| v.as_i64().unwrap());
        match self.element {
            ElementType::F32 => {
                Tensor::f32(&self.shape, self.data.iter().map(|v| v.as_f64().unwrap() as f32).collect()).unwrap()
            }
            ElementType::I64 => Tensor::i64(&self.shape, integers().collect()).unwrap(),
            ElementType::I32 => Tensor::i32(&self.shape, integers().map(|v| v as i32).collect()).unwrap(),
            ElementType::Bool => {
                let flags = self.data.iter().map(|v| v.as_bool().unwrap()).collect();
                Tensor::Bool(ndarray::ArrayD::from_shape_vec(self.shape.clone(), flags).unwrap())
            }
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx")
}

fn runtime(kind: RuntimeKind) -> Arc<dyn Runtime> {
    open(&RuntimeConfig::of(kind)).unwrap()
}

fn cases() -> Vec<Case> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap()
}

/// The largest difference; infinite when element types or shapes differ.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    match (a, b) {
        (Tensor::F32(a), Tensor::F32(b)) if a.shape() == b.shape() => {
            a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
        }
        _ if a == b => 0.0,
        _ => f64::INFINITY,
    }
}

fn check_all(kind: RuntimeKind) {
    let runtime = runtime(kind);
    let mut done = 0;
    for case in cases() {
        if IGNORED.iter().any(|(engine, name, _)| *engine == runtime.name() && *name == case.name) {
            continue;
        }
        let model = runtime.open(&folder().join(format!("{}.onnx", case.name))).unwrap();
        check_case(model.as_ref(), &case);
        done += 1;
    }
    assert!(done > 0);
}

fn check_case(model: &dyn Model, case: &Case) {
    let mut session = model.session().unwrap();
    for run in case.runs.iter().chain(&case.runs[..1]) {
        let inputs: Vec<(&str, Tensor)> = run.inputs.iter().map(|(name, p)| (name.as_str(), p.tensor())).collect();
        // Outputs are asked for in an order that is not the file's.
        let names: Vec<&str> = run.outputs.keys().rev().map(String::as_str).collect();
        let outputs = session.run(inputs, &names).unwrap();
        for (name, found) in names.iter().zip(&outputs) {
            let difference = difference(found, &run.outputs[*name].tensor());
            assert!(difference <= case.tolerance, "{}: {name} is off by {difference}", case.name);
        }
    }
}

#[test]
fn tract_gives_what_the_reference_gives() {
    check_all(RuntimeKind::Tract);
}

/// Skipped, saying so, where ONNX Runtime is not installed.
#[test]
fn onnxruntime_gives_what_the_reference_gives() {
    if have_onnxruntime() {
        check_all(RuntimeKind::Ort);
    }
}

#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn have_onnxruntime() -> bool {
    let found = find_onnxruntime().is_some();
    if !found {
        eprintln!("skipped: ONNX Runtime is not installed");
    }
    found
}

fn engines() -> Vec<Arc<dyn Runtime>> {
    let ort = have_onnxruntime().then(|| runtime(RuntimeKind::Ort));
    ort.into_iter().chain([runtime(RuntimeKind::Tract)]).collect()
}

#[test]
fn a_plan_for_announced_shapes_gives_the_same() {
    for runtime in engines() {
        for case in cases() {
            let model = runtime.open(&folder().join(format!("{}.onnx", case.name))).unwrap();
            for run in &case.runs {
                let inputs = run.inputs.iter().map(|(name, p)| (name.as_str(), p.tensor())).collect();
                model.warm_up(inputs).unwrap();
            }
            check_case(model.as_ref(), &case);
        }
    }
}

#[test]
fn ports_and_metadata_are_told() {
    for runtime in engines() {
        let model = runtime.open(&folder().join("recognizer.onnx")).unwrap();
        let x = model.input("x").unwrap();
        assert_eq!((x.element, x.shape.as_slice()), (ElementType::F32, &[Some(1), Some(46), Some(80)][..]));
        assert!(model.output("cache_conv_out").is_some() && model.output("cache_conv").is_none());
        assert!(model.metadata("rejoinder.card").unwrap().contains("conformer-ctc"));
        assert_eq!(model.metadata("none"), None);
        let symbolic = runtime.open(&folder().join("symbolic.onnx")).unwrap();
        assert_eq!(symbolic.input("x").unwrap().shape, [Some(1), None, Some(3)]);
    }
}

/// What is wrong with a run is told in the same words by both engines, and the session stays usable.
/// Inputs, wanted outputs, and what the error must say.
type Wrong<'a> = (Vec<(&'a str, Tensor)>, &'a [&'a str], &'a str);

#[test]
fn wrong_inputs_are_named() {
    for runtime in engines() {
        let model = runtime.open(&folder().join("linear.onnx")).unwrap();
        let mut session = model.session().unwrap();
        let x = || Tensor::zeros(ElementType::F32, &[2, 3]);
        let wrong: [Wrong<'_>; 6] = [
            (vec![], &[], "input `x` is missing: the model has `x`"),
            (vec![("z", x())], &[], "no input named `z`: the model has `x`"),
            (vec![("x", x()), ("x", x())], &[], "input `x` was given twice"),
            (vec![("x", x())], &["q"], "no output named `q`: the model has `y`"),
            (
                vec![("x", Tensor::zeros(ElementType::F32, &[2, 4]))],
                &[],
                "input `x`: expected f32 of shape [2, 3], found f32 of shape [2, 4]",
            ),
            (
                vec![("x", Tensor::zeros(ElementType::I64, &[2, 3]))],
                &[],
                "input `x`: expected f32 of shape [2, 3], found i64 of shape [2, 3]",
            ),
        ];
        for (inputs, wanted, expected) in wrong {
            let message = session.run(inputs, wanted).unwrap_err().to_string();
            assert_eq!(message, format!("{}: {expected}", runtime.name()));
        }
        assert_eq!(session.run(vec![("x", x())], &[]).unwrap().len(), 1);
    }
}

#[test]
fn a_missing_or_damaged_file_is_named_in_one_line() {
    let root = tempfile::tempdir().unwrap();
    let good = std::fs::read(folder().join("recognizer.onnx")).unwrap();
    let cut = root.path().join("cut.onnx");
    std::fs::write(&cut, &good[..good.len() / 2]).unwrap();
    let text = root.path().join("text.onnx");
    std::fs::write(&text, "this is no network").unwrap();
    for runtime in engines() {
        for path in [&cut, &text, &root.path().join("none.onnx")] {
            let message = runtime.open(path).err().unwrap().to_string();
            assert!(message.contains(path.file_name().unwrap().to_str().unwrap()), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
}

#[test]
fn sessions_of_a_model_do_not_disturb_each_other() {
    for runtime in engines() {
        let model = runtime.open(&folder().join("symbolic.onnx")).unwrap();
        let case = cases().into_iter().find(|case| case.name == "symbolic").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| check_case(model.as_ref(), &case));
            }
        });
    }
}

#[test]
fn impossible_configurations_are_refused() {
    let refused = |config: RuntimeConfig| open(&config).err().unwrap().to_string();
    let none = RuntimeConfig { threads: 0, ..RuntimeConfig::default() };
    assert_eq!(refused(none), "runtime threads: expected at least 1, found 0");
    let cuda = RuntimeConfig { provider: Provider::Cuda, ..RuntimeConfig::of(RuntimeKind::Tract) };
    assert_eq!(refused(cuda), "provider for tract: expected cpu, found cuda");
}

#[test]
fn auto_always_finds_an_engine() {
    let expected = if have_onnxruntime() { "onnxruntime" } else { "tract" };
    assert_eq!(open(&RuntimeConfig::default()).unwrap().name(), expected);
}
