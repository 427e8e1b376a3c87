use burn::tensor::{DType, TensorData};

use super::proto::{DataType, TensorProto};
use crate::export::{ExportError, Result};

/// The ONNX element type for a recorded one.
///
/// # Errors
/// [`ExportError::ElementType`] for types that none of the runtimes take.
pub(crate) fn onnx_type(dtype: DType) -> Result<DataType> {
    Ok(match dtype {
        DType::F64 => DataType::Double,
        DType::F32 | DType::Flex32 => DataType::Float,
        DType::F16 => DataType::Float16,
        DType::I64 => DataType::Int64,
        DType::I32 => DataType::Int32,
        DType::I16 => DataType::Int16,
        DType::I8 => DataType::Int8,
        DType::U8 => DataType::Uint8,
        DType::Bool(_) => DataType::Bool,
        other => return Err(ExportError::ElementType { found: format!("{other:?}") }),
    })
}

/// A tensor whose elements are known at export.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Constant {
    pub(crate) element: DataType,
    pub(crate) dims: Vec<i64>,
    /// Row-major, little-endian.
    pub(crate) bytes: Vec<u8>,
}

impl Constant {
    pub(crate) fn ints(values: &[i64]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { element: DataType::Int64, dims: vec![values.len() as i64], bytes }
    }

    pub(crate) fn int(value: i64) -> Self {
        Self { dims: Vec::new(), ..Self::ints(&[value]) }
    }

    /// A scalar of the wanted element type.
    pub(crate) fn scalar(value: f64, dtype: DType) -> Result<Self> {
        let data = TensorData::full_dtype([1], value, dtype);
        Ok(Self { dims: Vec::new(), ..Self::from_data(&data)? })
    }

    pub(crate) fn from_data(data: &TensorData) -> Result<Self> {
        let element = onnx_type(data.dtype())?;
        let dims = data.shape().iter().map(|&n| n as i64).collect();
        let bytes = match data.dtype() {
            DType::Bool(_) => data.iter::<bool>().map(u8::from).collect(),
            _ => data.as_bytes().to_vec(),
        };
        Ok(Self { element, dims, bytes })
    }

    pub(crate) fn into_proto(self, name: &str) -> TensorProto {
        TensorProto {
            dims: self.dims,
            data_type: Some(self.element as i32),
            name: Some(name.to_owned()),
            raw_data: Some(self.bytes),
        }
    }
}
