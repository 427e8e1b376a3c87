//! Weights, and the states of optimizers, in files that any program reads which knows safetensors
//! (<https://github.com/huggingface/safetensors>).
//!
//! What burn keeps beside its tensors stands in the file's metadata, as JSON: the numbers of parameters, by which an
//! optimizer finds its state, and that state's scalars, whose bits must come back as they were.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use burn::store::burn_pack::{AtomicFile, Bytes, DType, Reader, Scalar, Tensor, Writer};
use burn::tensor::{BoolStore, Shape};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const NUMBERS: &str = "burn.parameters";
const SCALARS: &str = "burn.scalars";
const NOTES: &str = "burn.notes";

/// A number of an optimizer's state; floats by their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Exact {
    Int(i64),
    Uint(u64),
    Float(u64),
    Bool(bool),
}

/// Writes what burn has packed, in one move.
pub(super) fn write(packed: Bytes, path: &Path) -> Result<()> {
    let mistake = |reason: &dyn std::fmt::Display| Error::checkpoint(path, reason);
    let reader = Reader::from_bytes(packed).map_err(|e| mistake(&e))?;
    let scalars: BTreeMap<String, Exact> =
        reader.scalars().iter().map(|(name, scalar)| (name.clone(), exact(*scalar))).collect();
    let notes = reader.metadata().clone();
    let (mut numbers, mut tensors) = (BTreeMap::new(), Vec::new());
    for tensor in reader.into_tensors().map_err(|e| mistake(&e))? {
        let (name, dtype, shape, number, bytes) = tensor.into_parts().map_err(|e| mistake(&e))?;
        let form = form(dtype).ok_or_else(|| mistake(&format!("{name}: no form for values of {dtype:?}")))?;
        numbers.extend(number.map(|number| (name.clone(), number)));
        tensors.push((name, form, shape.iter().copied().collect::<Vec<usize>>(), bytes));
    }
    let json = |value: serde_json::Result<String>| value.map_err(|e| mistake(&e));
    let metadata = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        (NUMBERS.to_owned(), json(serde_json::to_string(&numbers))?),
        (SCALARS.to_owned(), json(serde_json::to_string(&scalars))?),
        (NOTES.to_owned(), json(serde_json::to_string(&notes))?),
    ]);
    let mut views = Vec::with_capacity(tensors.len());
    for (name, form, shape, bytes) in &tensors {
        views.push((name.as_str(), TensorView::new(*form, shape.clone(), bytes).map_err(|e| mistake(&e))?));
    }
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| mistake(&e))?;
    let (place, mut file) = AtomicFile::create(path).map_err(|e| mistake(&e))?;
    file.write_all(&bytes).map_err(|e| Error::io(path, e))?;
    drop(file);
    place.commit().map_err(|e| mistake(&e))
}

/// What a file holds, as burn packs it. Where the file is another program's, parameters have fresh numbers.
pub(super) fn read(path: &Path) -> Result<Bytes> {
    let mistake = |reason: &dyn std::fmt::Display| Error::checkpoint(path, reason);
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| mistake(&e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| mistake(&e))?;
    let noted = header.metadata().clone().unwrap_or_default();
    let text = |key: &str| noted.get(key).map_or("{}", String::as_str);
    let numbers: BTreeMap<String, u64> = serde_json::from_str(text(NUMBERS)).map_err(|e| mistake(&e))?;
    let scalars: BTreeMap<String, Exact> = serde_json::from_str(text(SCALARS)).map_err(|e| mistake(&e))?;
    let notes: BTreeMap<String, String> = serde_json::from_str(text(NOTES)).map_err(|e| mistake(&e))?;
    let mut tensors = Vec::new();
    for (name, view) in file.iter() {
        let form = view.dtype();
        let dtype = dtype(form).ok_or_else(|| mistake(&format!("{name}: no use for values of {form:?}")))?;
        let (shape, bytes) = (Shape::from(view.shape().to_vec()), Bytes::from_bytes_vec(view.data().to_vec()));
        tensors.push(Tensor::new(name.to_owned(), dtype, shape, numbers.get(name).copied(), bytes));
    }
    let mut writer = Writer::new(tensors);
    for (name, value) in scalars {
        writer = writer.with_scalar(&name, scalar(value));
    }
    for (name, note) in notes {
        writer = writer.with_metadata(&name, &note);
    }
    writer.into_bytes().map_err(|e| mistake(&e))
}

fn exact(scalar: Scalar) -> Exact {
    match scalar {
        Scalar::Int(value) => Exact::Int(value),
        Scalar::UInt(value) => Exact::Uint(value),
        Scalar::Float(value) => Exact::Float(value.to_bits()),
        Scalar::Bool(value) => Exact::Bool(value),
    }
}

fn scalar(value: Exact) -> Scalar {
    match value {
        Exact::Int(value) => Scalar::Int(value),
        Exact::Uint(value) => Scalar::UInt(value),
        Exact::Float(bits) => Scalar::Float(f64::from_bits(bits)),
        Exact::Bool(value) => Scalar::Bool(value),
    }
}

const FORMS: [(DType, Dtype); 11] = [
    (DType::F64, Dtype::F64),
    (DType::F32, Dtype::F32),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::I64, Dtype::I64),
    (DType::I32, Dtype::I32),
    (DType::I16, Dtype::I16),
    (DType::I8, Dtype::I8),
    (DType::U32, Dtype::U32),
    (DType::U8, Dtype::U8),
    (DType::Bool(BoolStore::Native), Dtype::BOOL),
];

fn form(dtype: DType) -> Option<Dtype> {
    FORMS.iter().find(|(ours, _)| *ours == dtype).map(|(_, theirs)| *theirs)
}

fn dtype(form: Dtype) -> Option<DType> {
    FORMS.iter().find(|(_, theirs)| *theirs == form).map(|(ours, _)| *ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_packed_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        let values: Vec<u8> = [1.5_f32, -0.0, f32::MIN_POSITIVE].iter().flat_map(|x| x.to_le_bytes()).collect();
        let tensor = |name: &str, dtype, shape: Vec<usize>, bytes: &[u8]| {
            Tensor::new(
                name.to_owned(),
                dtype,
                Shape::from(shape),
                Some(u64::MAX),
                Bytes::from_bytes_vec(bytes.to_vec()),
            )
        };
        let tensors = vec![
            tensor("a.weight", DType::F32, vec![3, 1], &values),
            tensor("count", DType::I64, vec![], &7_i64.to_le_bytes()),
        ];
        let packed = Writer::new(tensors).with_scalar("beta", Scalar::Float(0.1 + 0.2)).with_metadata("k", "v");
        write(packed.into_bytes().unwrap(), &path).unwrap();
        let back = Reader::from_bytes(read(&path).unwrap()).unwrap();
        assert_eq!(back.scalars()["beta"], Scalar::Float(0.1 + 0.2));
        assert_eq!(back.metadata()["k"], "v");
        let mut tensors = back.into_tensors().unwrap();
        tensors.sort_by_key(Tensor::byte_len);
        let parts: Vec<_> = tensors.into_iter().map(|tensor| tensor.into_parts().unwrap()).collect();
        assert_eq!((parts[1].0.as_str(), parts[1].3, parts[1].4.as_ref()), ("a.weight", Some(u64::MAX), &values[..]));
        assert_eq!(parts[0].1, DType::I64);
        assert!(std::fs::write(&path, b"no").is_ok() && read(&path).is_err());
    }
}
