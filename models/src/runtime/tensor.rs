use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A tensor of one of the element types that speech models use at their borders.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// 32-bit floats.
    F32(ArrayD<f32>),
    /// 64-bit integers: token ids, lengths.
    I64(ArrayD<i64>),
    /// 32-bit integers.
    I32(ArrayD<i32>),
    /// Flags.
    Bool(ArrayD<bool>),
}

/// The element type of a [`Tensor`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// 32-bit floats.
    #[default]
    F32,
    /// 64-bit integers.
    I64,
    /// 32-bit integers.
    I32,
    /// Flags.
    Bool,
}

impl ElementType {
    /// The name as it stands in a model card and in messages: `f32`, `i64`, `i32` or `bool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::Bool => "bool",
        }
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Tensor {
    /// A tensor of floats with the given axes, from its elements in row-major order.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the shape does not hold exactly the elements given.
    pub fn f32(shape: &[usize], elements: Vec<f32>) -> Result<Self> {
        from_elements(shape, elements).map(Self::F32)
    }

    /// A tensor of 64-bit integers, as [`f32`](Self::f32).
    ///
    /// # Errors
    /// As [`f32`](Self::f32).
    pub fn i64(shape: &[usize], elements: Vec<i64>) -> Result<Self> {
        from_elements(shape, elements).map(Self::I64)
    }

    /// A tensor of 32-bit integers, as [`f32`](Self::f32).
    ///
    /// # Errors
    /// As [`f32`](Self::f32).
    pub fn i32(shape: &[usize], elements: Vec<i32>) -> Result<Self> {
        from_elements(shape, elements).map(Self::I32)
    }

    /// A tensor of zeros (`false` for flags).
    pub fn zeros(element: ElementType, shape: &[usize]) -> Self {
        match element {
            ElementType::F32 => Self::F32(ArrayD::zeros(shape)),
            ElementType::I64 => Self::I64(ArrayD::zeros(shape)),
            ElementType::I32 => Self::I32(ArrayD::zeros(shape)),
            ElementType::Bool => Self::Bool(ArrayD::default(shape)),
        }
    }

    /// The element type.
    pub const fn element(&self) -> ElementType {
        match self {
            Self::F32(_) => ElementType::F32,
            Self::I64(_) => ElementType::I64,
            Self::I32(_) => ElementType::I32,
            Self::Bool(_) => ElementType::Bool,
        }
    }

    /// The axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(a) => a.shape(),
            Self::I64(a) => a.shape(),
            Self::I32(a) => a.shape(),
            Self::Bool(a) => a.shape(),
        }
    }

    /// The floats; `name` stands in the error.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another element type.
    pub fn into_f32(self, name: &str) -> Result<ArrayD<f32>> {
        match self {
            Self::F32(a) => Ok(a),
            other => Err(other.mismatch(name, ElementType::F32)),
        }
    }

    /// The 64-bit integers; `name` stands in the error.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another element type.
    pub fn into_i64(self, name: &str) -> Result<ArrayD<i64>> {
        match self {
            Self::I64(a) => Ok(a),
            other => Err(other.mismatch(name, ElementType::I64)),
        }
    }

    fn mismatch(&self, name: &str, expected: ElementType) -> Error {
        Error::invalid(format!("tensor `{name}`"), format!("{expected} elements"), self.element())
    }
}

impl From<ArrayD<f32>> for Tensor {
    fn from(array: ArrayD<f32>) -> Self {
        Self::F32(array)
    }
}

impl From<ArrayD<i64>> for Tensor {
    fn from(array: ArrayD<i64>) -> Self {
        Self::I64(array)
    }
}

fn from_elements<T>(shape: &[usize], elements: Vec<T>) -> Result<ArrayD<T>> {
    let found = elements.len();
    ArrayD::from_shape_vec(shape, elements).map_err(|_| {
        Error::invalid(
            format!("tensor of shape {shape:?}"),
            shape.iter().product::<usize>().to_string() + " elements",
            found,
        )
    })
}
