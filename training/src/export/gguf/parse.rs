//! The file, read: what [`write`](super::format::write) has written.

use std::collections::BTreeMap;

use burn::tensor::f16;

use super::format::{ALIGNMENT, MAGIC, Q8_BYTES, Q8_VALUES, VERSION, Value};

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N).map(|bytes| std::array::from_fn(|at| bytes[at]))
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.number().map(u32::from_le_bytes)
    }

    /// A count of what follows, each of which has at least one byte.
    fn count(&mut self) -> Result<usize, String> {
        let count = u64::from_le_bytes(self.number()?);
        usize::try_from(count).ok().filter(|count| *count <= self.0.len()).ok_or_else(|| "it ends too early".into())
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.count()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| "a text is not UTF-8".into())
    }

    fn value(&mut self) -> Result<Value, String> {
        Ok(match self.u32()? {
            4 => Value::U32(self.u32()?),
            6 => Value::F32(f32::from_le_bytes(self.number()?)),
            7 => Value::Bool(self.number::<1>()? != [0]),
            8 => Value::Text(self.text()?),
            9 => self.array()?,
            code => return Err(format!("expected keys of the types that `export` writes, found type {code}")),
        })
    }

    fn array(&mut self) -> Result<Value, String> {
        let (code, count) = (self.u32()?, self.count()?);
        Ok(match code {
            5 => Value::I32s((0..count).map(|_| self.number().map(i32::from_le_bytes)).collect::<Result<_, _>>()?),
            6 => Value::F32s((0..count).map(|_| self.number().map(f32::from_le_bytes)).collect::<Result<_, _>>()?),
            8 => Value::Texts((0..count).map(|_| self.text()).collect::<Result<_, _>>()?),
            code => return Err(format!("expected arrays of the types that `export` writes, found type {code}")),
        })
    }
}

/// A tensor as 32-bit floats. The first of `dims` is the one along which values are neighbours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    pub(super) dims: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// Keys and tensors by name.
pub(super) type Content = (BTreeMap<String, Value>, BTreeMap<String, Read>);

/// The content of a file that [`write`] has written; or what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Content, String> {
    let mut rest = Rest(bytes);
    let (magic, version) = (rest.take(MAGIC.len())?, rest.u32()?);
    if magic != MAGIC || version != VERSION {
        return Err(format!("expected a GGUF file of version {VERSION}, found another"));
    }
    let (tensors, keys) = (rest.count()?, rest.count()?);
    let metadata = (0..keys).map(|_| Ok((rest.text()?, rest.value()?))).collect::<Result<_, String>>()?;
    let mut places = Vec::new();
    for _ in 0..tensors {
        let (name, axes) = (rest.text()?, rest.u32()?);
        let dims = (0..axes).map(|_| rest.count()).collect::<Result<Vec<_>, _>>()?;
        let (code, offset) = (rest.u32()?, rest.count()?);
        places.push((name, dims, code, offset));
    }
    let start = (bytes.len() - rest.0.len()).next_multiple_of(ALIGNMENT);
    let tensor = |(name, dims, code, offset): (String, Vec<usize>, u32, usize)| {
        let count = dims.iter().try_fold(1usize, |count, dim| count.checked_mul(*dim));
        let length = count.and_then(|count| match code {
            0 => count.checked_mul(4),
            1 => count.checked_mul(2),
            8 => (count / Q8_VALUES).checked_mul(Q8_BYTES),
            _ => None,
        });
        let length = length.ok_or_else(|| format!("{name}: expected f32, f16 or q8_0, found type {code}"))?;
        let mut data = Rest(bytes.get(start + offset..).unwrap_or_default());
        let values = floats(code, data.take(length).map_err(|reason| format!("{name}: {reason}"))?);
        let values = values.filter(|values| Some(values.len()) == count);
        let values = values.ok_or_else(|| format!("{name}: expected {dims:?} whole values, found others"))?;
        Ok((name, Read { dims, values }))
    };
    Ok((metadata, places.into_iter().map(tensor).collect::<Result<_, String>>()?))
}

/// The values of a tensor's bytes as 32-bit floats; none for a type that is not among [`Storage`]'s.
fn floats(code: u32, bytes: &[u8]) -> Option<Vec<f32>> {
    let half = |bytes: &[u8; 2]| f16::from_le_bytes(*bytes).to_f32();
    match code {
        0 => Some(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        1 => Some(bytes.as_chunks::<2>().0.iter().map(half).collect()),
        8 => {
            let blocks = bytes.as_chunks::<Q8_BYTES>().0.iter();
            let block = |block: &[u8; Q8_BYTES]| {
                let scale = half(&[block[0], block[1]]);
                block.map(|byte| f32::from(byte as i8) * scale).into_iter().skip(2)
            };
            Some(blocks.flat_map(block).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{Storage, matrix, vector, write};
    use super::*;

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let metadata = [
            ("a".to_owned(), Value::U32(7)),
            ("b".to_owned(), Value::Texts(vec!["<s>".into(), "é".into()])),
            ("c".to_owned(), Value::F32s(vec![0.0, -1.0])),
            ("d".to_owned(), Value::Bool(true)),
        ];
        let values: Vec<f32> = (0..64).map(|n| (n as f32 - 30.0) / 8.0).collect();
        let of = |name: &str, storage| matrix(name, values.clone(), 32, storage).unwrap();
        let tensors = [of("half", Storage::F16), vector("plain", vec![0.3; 5]), of("bytes", Storage::Q8_0)];
        let bytes = write(&metadata, &tensors);
        let (keys, read_back) = read(&bytes).unwrap();
        assert_eq!(keys, BTreeMap::from(metadata));
        assert_eq!(read_back["half"], Read { dims: vec![32, 2], values: values.clone() });
        assert_eq!(read_back["plain"], Read { dims: vec![5], values: vec![0.3; 5] });
        let off = read_back["bytes"].values.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 0.6 * 34.0 / 8.0 / 127.0, "{off}");
        // All is there but for the padding at the end.
        for length in 0..bytes.len() - ALIGNMENT {
            assert!(read(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }
}
