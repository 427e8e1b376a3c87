//! Does the file compute what the net computes?

use std::path::Path;

use burn::tensor::{DType, TensorData};
use ndarray::{ArrayD, IxDyn};
use rejoinder_models::runtime::{Runtime, Tensor};

use super::{ExportError, Result};

/// Inputs, and what the net itself makes of them.
#[derive(Clone, Debug, Default)]
pub struct Case {
    inputs: Vec<(String, Tensor)>,
    expected: Vec<(String, Tensor)>,
}

impl Case {
    /// A case without tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input.
    ///
    /// # Errors
    /// [`ExportError::ElementType`] for elements that no border of ours takes.
    pub fn input(mut self, name: &str, data: TensorData) -> Result<Self> {
        self.inputs.push((name.to_owned(), border_tensor(&data)?));
        Ok(self)
    }

    /// Adds an output that the net gave for the inputs.
    ///
    /// # Errors
    /// [`ExportError::ElementType`] for elements that no border of ours takes.
    pub fn expect(mut self, name: &str, data: TensorData) -> Result<Self> {
        self.expected.push((name.to_owned(), border_tensor(&data)?));
        Ok(self)
    }
}

/// How far a runtime is from the net.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The runtime's name.
    pub runtime: String,
    /// The output that is farthest off.
    pub output: String,
    /// The largest difference of any element in any case; infinite where only one side is a number.
    pub largest: f64,
}

/// Runs the file on each runtime, and says how far it is from the net.
///
/// # Errors
/// [`ExportError::Model`] when a runtime refuses the file or a case, [`ExportError::Border`] when an output has
/// another shape or type than the net's.
pub fn check_parity(path: &Path, runtimes: &[&dyn Runtime], cases: &[Case]) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for runtime in runtimes {
        let mut session = runtime.open(path)?.session()?;
        let mut worst = Difference { runtime: runtime.name().to_owned(), output: String::new(), largest: 0.0 };
        for case in cases {
            let inputs = case.inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
            let wanted: Vec<&str> = case.expected.iter().map(|(name, _)| name.as_str()).collect();
            let outputs = session.run(inputs, &wanted)?;
            for ((name, expected), found) in case.expected.iter().zip(&outputs) {
                let largest = distance(name, expected, found)?;
                if largest > worst.largest || worst.output.is_empty() {
                    worst.output.clone_from(name);
                    worst.largest = largest;
                }
            }
        }
        differences.push(worst);
    }
    Ok(differences)
}

/// A tensor of the net as the runtimes take it; integers become 64-bit, floats 32-bit.
///
/// # Errors
/// [`ExportError::ElementType`] for other elements.
pub fn border_tensor(data: &TensorData) -> Result<Tensor> {
    let shape: Vec<usize> = data.shape().iter().copied().collect();
    let shape = IxDyn(&shape);
    let misfit = |e: ndarray::ShapeError| ExportError::recording(format!("a tensor of {shape:?}: {e}"));
    let dtype = data.dtype();
    if dtype.is_float() {
        ArrayD::from_shape_vec(shape.clone(), data.iter().collect()).map(Tensor::F32).map_err(misfit)
    } else if matches!(dtype, DType::Bool(_)) {
        ArrayD::from_shape_vec(shape.clone(), data.iter().collect()).map(Tensor::Bool).map_err(misfit)
    } else if dtype.is_int() || dtype.is_uint() {
        ArrayD::from_shape_vec(shape.clone(), data.iter().collect()).map(Tensor::I64).map_err(misfit)
    } else {
        Err(ExportError::ElementType { found: format!("{dtype:?}") })
    }
}

fn distance(name: &str, expected: &Tensor, found: &Tensor) -> Result<f64> {
    let (left, right) = (numbers(expected), numbers(found));
    if left.0 != right.0 || std::mem::discriminant(expected) != std::mem::discriminant(found) {
        return Err(ExportError::border(
            name,
            format!("{:?} {:?}", left.2, left.0),
            format!("{:?} {:?}", right.2, right.0),
        ));
    }
    let off = |(a, b): (&f64, &f64)| match (a.is_finite(), b.is_finite()) {
        (true, true) => (a - b).abs(),
        _ if a == b || (a.is_nan() && b.is_nan()) => 0.0,
        _ => f64::INFINITY,
    };
    Ok(left.1.iter().zip(&right.1).map(off).fold(0.0, f64::max))
}

fn numbers(tensor: &Tensor) -> (Vec<usize>, Vec<f64>, &'static str) {
    match tensor {
        Tensor::F32(a) => (a.shape().to_vec(), a.iter().map(|&v| f64::from(v)).collect(), "f32"),
        Tensor::I64(a) => (a.shape().to_vec(), a.iter().map(|&v| v as f64).collect(), "i64"),
        Tensor::I32(a) => (a.shape().to_vec(), a.iter().map(|&v| f64::from(v)).collect(), "i32"),
        Tensor::Bool(a) => (a.shape().to_vec(), a.iter().map(|&v| f64::from(u8::from(v))).collect(), "bool"),
    }
}
