//! Numbers that follow from symbolic axes.

use burn::backend::ir::TensorIr;
use burn::tensor::{DType, TensorData};

use super::Translator;
use crate::export::Result;
use crate::export::onnx::{Constant, int_attr};
use crate::export::program::Size;

impl Translator<'_> {
    /// The sizes of a tensor's axes.
    pub(super) fn dims(&self, tensor: &TensorIr) -> Vec<Size> {
        self.program.dims[&tensor.id].clone()
    }

    /// A one-dimensional tensor of integers: `numbers`, each in every recording. `near` are tensors whose axes are
    /// looked at first.
    pub(super) fn numbers(&mut self, numbers: &[Vec<i64>], near: &[&TensorIr]) -> Result<String> {
        let fixed = |n: &Vec<i64>| n.iter().all(|v| *v == n[0]);
        if numbers.iter().all(fixed) {
            let values: Vec<i64> = numbers.iter().map(|n| n[0]).collect();
            return Ok(self.graph.ints(&values));
        }
        let mut parts = Vec::new();
        for number in numbers {
            parts.push(if fixed(number) { self.graph.ints(&number[..1]) } else { self.number_at_run(number, near)? });
        }
        if let [one] = parts.as_slice() {
            return Ok(one.clone());
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Ok(self.inner("Concat", &parts, vec![int_attr("axis", 0)]))
    }

    /// The shape of `out` as a tensor.
    pub(super) fn shape_of(&mut self, out: &TensorIr, near: &[&TensorIr]) -> Result<String> {
        let sizes: Vec<Vec<i64>> = self.dims(out).iter().map(signed).collect();
        self.numbers(&sizes, near)
    }

    /// A number that follows from symbolic axes: the size of an axis nearby, a sum of multiples of the symbols, or
    /// the size of any axis made before, give or take a constant.
    fn number_at_run(&mut self, number: &[i64], near: &[&TensorIr]) -> Result<String> {
        for tensor in near {
            if let Some(axis) = self.dims(tensor).iter().position(|size| signed(size) == number) {
                let value = self.read(tensor)?;
                return Ok(self.length(&value, axis));
            }
        }
        if let Some(found) = self.sum_of_symbols(number) {
            return Ok(found);
        }
        let made: Vec<_> = self.values.iter().map(|(id, name)| (*id, name.clone())).collect();
        let mut shifted: Option<(i64, String, usize)> = None;
        for (id, name) in made {
            let Some(dims) = self.program.dims.get(&id) else { continue };
            for (axis, size) in dims.iter().enumerate() {
                let shift: Vec<i64> = signed(size).iter().zip(number).map(|(s, n)| n - s).collect();
                let closer = shifted.as_ref().is_none_or(|(d, best, _)| (shift[0].abs(), &name) < (d.abs(), best));
                if size.fixed().is_none() && shift.iter().all(|d| *d == shift[0]) && closer {
                    shifted = Some((shift[0], name.clone(), axis));
                }
            }
        }
        match shifted {
            Some((shift, name, axis)) => {
                let length = self.length(&name, axis);
                Ok(self.affine(length, 1, shift))
            }
            None => Err(self.size_dependent(format!("{number:?} at the recorded sizes follows from no axis"))),
        }
    }

    /// `constant + Σ factor · symbol` with whole factors, when that holds in every recording.
    fn sum_of_symbols(&mut self, number: &[i64]) -> Option<String> {
        let mut factors = Vec::new();
        for symbol in &self.program.symbols {
            let size = signed(&symbol.size);
            let at = size.iter().position(|n| *n != size[0])?;
            let (rise, run) = (number[at] - number[0], size[at] - size[0]);
            if rise % run != 0 {
                return None;
            }
            factors.push(rise / run);
        }
        let sum = |recording: usize| -> i64 {
            let symbols = self.program.symbols.iter().map(|s| signed(&s.size)[recording]);
            symbols.zip(&factors).map(|(n, f)| n * f).sum()
        };
        let constant = number[0] - sum(0);
        if (0..number.len()).any(|recording| number[recording] != sum(recording) + constant) {
            return None;
        }
        let terms: Vec<_> = self.program.symbols.clone().into_iter().zip(factors).filter(|(_, f)| *f != 0).collect();
        let mut total: Option<String> = None;
        for (symbol, factor) in terms {
            let input = self.values[&self.program.inputs[symbol.input]].clone();
            let length = self.length(&input, symbol.axis);
            let shift = if total.is_none() { constant } else { 0 };
            let term = self.affine(length, factor, shift);
            total = Some(match total {
                None => term,
                Some(sum) => self.inner("Add", &[&sum, &term], Vec::new()),
            });
        }
        total
    }

    fn affine(&mut self, mut value: String, factor: i64, shift: i64) -> String {
        if factor != 1 {
            let by = self.graph.ints(&[factor]);
            value = self.inner("Mul", &[&value, &by], Vec::new());
        }
        if shift != 0 {
            let by = self.graph.ints(&[shift]);
            value = self.inner("Add", &[&value, &by], Vec::new());
        }
        value
    }

    /// The size of one axis of a value, read at run time.
    fn length(&mut self, value: &str, axis: usize) -> String {
        let key = (value.to_owned(), axis);
        if let Some(name) = self.lengths.get(&key) {
            return name.clone();
        }
        let bounds = vec![int_attr("start", axis as i64), int_attr("end", axis as i64 + 1)];
        let name = self.inner("Shape", &[value], bounds);
        self.lengths.insert(key, name.clone());
        name
    }

    /// A tensor that the forward made from host data, different at each size: a count or a single repeated number.
    pub(super) fn varying(&mut self, data: &[TensorData], tensor: &TensorIr) -> Result<String> {
        let uniform = |d: &TensorData| {
            let mut elements = d.iter::<f64>();
            elements.next().filter(|first| elements.all(|e| e == *first))
        };
        let value = uniform(&data[0]);
        if value.is_some() && data.iter().all(|d| uniform(d) == value) {
            let value = self.number(value.unwrap_or_default(), tensor.dtype)?;
            let shape = self.shape_of(tensor, &[])?;
            return Ok(self.inner("Expand", &[&value, &shape], Vec::new()));
        }
        let counts: Option<Vec<(i64, i64)>> = data.iter().map(count).collect();
        let (Some(counts), DType::I64) = (counts, tensor.dtype) else {
            let reason = "a tensor from host data has other elements at another size; \
                          make it from the inputs, or slice it from a tensor that is long enough";
            return Err(self.size_dependent(reason));
        };
        if counts.iter().any(|c| c.1 != counts[0].1) {
            return Err(self.size_dependent("the step of a count changes; multiply a count by a size instead"));
        }
        let step = counts[0].1;
        let starts: Vec<i64> = counts.iter().map(|c| c.0).collect();
        let ends: Vec<i64> = data.iter().zip(&starts).map(|(d, s)| s + step * d.num_elements() as i64).collect();
        let bounds = [self.numbers(&[starts], &[])?, self.numbers(&[ends], &[])?];
        let none = self.graph.ints(&[]);
        let start = self.inner("Reshape", &[&bounds[0], &none], Vec::new());
        let end = self.inner("Reshape", &[&bounds[1], &none], Vec::new());
        let step = self.graph.constant(Constant::int(step), "step");
        Ok(self.inner("Range", &[&start, &end, &step], Vec::new()))
    }
}

pub(super) fn signed(size: &Size) -> Vec<i64> {
    size.0.iter().map(|&n| n as i64).collect()
}

/// First element and step of a one-dimensional count.
fn count(data: &TensorData) -> Option<(i64, i64)> {
    if data.rank() != 1 || data.dtype() != DType::I64 {
        return None;
    }
    let elements: Vec<i64> = data.iter().collect();
    let step = if elements.len() > 1 { elements[1] - elements[0] } else { return None };
    (step != 0 && elements.windows(2).all(|w| w[1] - w[0] == step)).then_some((elements[0], step))
}
