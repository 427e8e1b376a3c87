//! Operations on any element type that move elements without changing them.

use burn::backend::ir::{
    BaseOperationIr, CatOpIr, CreationOpIr, FlipOpIr, OperationIr, PadModeIr, PadOpIr, RepeatDimOpIr, ScalarIr,
    ShapeOpIr, SliceOpIr, TensorIr, UnaryOpIr, UnfoldOpIr,
};
use burn::tensor::{DType, Slice};

use super::Translator;
use crate::export::Result;
use crate::export::onnx::{Constant, int_attr, ints_attr, onnx_type, text_attr};

/// Past either end of any axis.
const FAR: i64 = i64::MAX;

impl Translator<'_> {
    pub(super) fn base(&mut self, op: &BaseOperationIr) -> Result<()> {
        use BaseOperationIr as Op;
        match op {
            Op::Reshape(op) => self.reshape(op),
            Op::SwapDims(op) => {
                let mut axes: Vec<usize> = (0..op.input.shape.num_dims()).collect();
                axes.swap(op.dim1, op.dim2);
                self.transpose(&op.input, &axes, &op.out)
            }
            Op::Permute(op) => self.transpose(&op.input, &op.axes, &op.out),
            Op::Flip(op) => self.flip(op),
            Op::Expand(op) => {
                let input = self.read(&op.input)?;
                let shape = self.shape_of(&op.out, &[&op.input])?;
                self.write(&op.out, "Expand", &[&input, &shape], Vec::new())
            }
            Op::Unfold(op) => self.unfold(op),
            Op::Slice(op) => self.slice(op),
            Op::RepeatDim(op) => self.repeat(op),
            Op::Cat(op) => self.concat(op),
            Op::Cast(op) => self.cast(&op.input, &op.out),
            Op::Empty(op) | Op::Zeros(op) => self.filled(op, 0),
            Op::Ones(op) => self.filled(op, 1),
            Op::Equal(op) => self.binary("Equal", &op.lhs, &op.rhs, &op.out),
            Op::EqualElem(op) => self.with_scalar("Equal", op),
            Op::NotEqual(op) => {
                let (lhs, rhs) = (self.read(&op.lhs)?, self.read(&op.rhs)?);
                let equal = self.inner("Equal", &[&lhs, &rhs], Vec::new());
                self.write(&op.out, "Not", &[&equal], Vec::new())
            }
            Op::NotEqualElem(op) => {
                let lhs = self.read(&op.lhs)?;
                let rhs = self.scalar(op.rhs, op.lhs.dtype)?;
                let equal = self.inner("Equal", &[&lhs, &rhs], Vec::new());
                self.write(&op.out, "Not", &[&equal], Vec::new())
            }
            other => self.indexing(other),
        }
    }

    pub(super) fn cast(&mut self, input: &TensorIr, out: &TensorIr) -> Result<()> {
        let value = self.read(input)?;
        if onnx_type(input.dtype)? == onnx_type(out.dtype)? {
            return self.write(out, "Identity", &[&value], Vec::new());
        }
        self.write(out, "Cast", &[&value], vec![int_attr("to", onnx_type(out.dtype)? as i64)])
    }

    /// Writes the target with the fewest run-time numbers: 0 keeps an axis, one -1 takes what is left.
    fn reshape(&mut self, op: &ShapeOpIr) -> Result<()> {
        let input = self.read(&op.input)?;
        let (from, to) = (self.dims(&op.input), self.dims(&op.out));
        let kept = |axis: usize| from.get(axis) == Some(&to[axis]);
        let free = (0..to.len()).filter(|&axis| to[axis].fixed().is_none() && !kept(axis)).count();
        let empty = to.iter().any(|size| size.0.contains(&0));
        if free <= 1 && !empty {
            let target: Vec<i64> = (0..to.len())
                .map(|axis| match to[axis].fixed() {
                    Some(n) => n as i64,
                    None => -i64::from(!kept(axis)),
                })
                .collect();
            let shape = self.graph.ints(&target);
            return self.write(&op.out, "Reshape", &[&input, &shape], Vec::new());
        }
        let shape = self.shape_of(&op.out, &[&op.input])?;
        let attributes = if empty { vec![int_attr("allowzero", 1)] } else { Vec::new() };
        self.write(&op.out, "Reshape", &[&input, &shape], attributes)
    }

    fn transpose(&mut self, input: &TensorIr, axes: &[usize], out: &TensorIr) -> Result<()> {
        let value = self.read(input)?;
        self.write(out, "Transpose", &[&value], vec![ints_attr("perm", axes.iter().map(|&a| a as i64))])
    }

    fn flip(&mut self, op: &FlipOpIr) -> Result<()> {
        let input = self.read(&op.input)?;
        let n = op.axes.len();
        let axes: Vec<i64> = op.axes.iter().map(|&a| a as i64).collect();
        let (starts, ends) = (self.graph.ints(&vec![-1; n]), self.graph.ints(&vec![-FAR; n]));
        let (axes, steps) = (self.graph.ints(&axes), self.graph.ints(&vec![-1; n]));
        self.write(&op.out, "Slice", &[&input, &starts, &ends, &axes, &steps], Vec::new())
    }

    /// Windows along an axis, gathered by constant positions: `[.., windows, ..] x [size]`.
    fn unfold(&mut self, op: &UnfoldOpIr) -> Result<()> {
        let windows = self.dims(&op.out)[op.dim].fixed();
        let windows = windows.ok_or_else(|| self.size_dependent("the number of windows changes"))?;
        let input = self.read(&op.input)?;
        let positions = (0..windows).flat_map(|w| (0..op.size).map(move |k| (w * op.step + k) as i64));
        let positions: Vec<i64> = positions.collect();
        let constant = Constant { dims: vec![windows as i64, op.size as i64], ..Constant::ints(&positions) };
        let positions = self.graph.constant(constant, "windows");
        let gathered = self.inner("Gather", &[&input, &positions], vec![int_attr("axis", op.dim as i64)]);
        let rank = op.input.shape.num_dims() as i64;
        let perm = (0..=rank).filter(|&axis| axis != op.dim as i64 + 1).chain([op.dim as i64 + 1]);
        self.write(&op.out, "Transpose", &[&gathered], vec![ints_attr("perm", perm)])
    }

    fn slice(&mut self, op: &SliceOpIr) -> Result<()> {
        let input = self.read(&op.tensor)?;
        let dims = self.dims(&op.tensor);
        let program = self.program;
        let ranges = program.recordings.iter().map(|operations| match &operations[self.at] {
            OperationIr::BaseFloat(BaseOperationIr::Slice(op))
            | OperationIr::BaseInt(BaseOperationIr::Slice(op))
            | OperationIr::BaseBool(BaseOperationIr::Slice(op)) => op.ranges.as_slice(),
            _ => &[],
        });
        let ranges: Vec<&[Slice]> = ranges.collect();
        let (mut starts, mut ends, mut axes, mut steps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (axis, slice) in op.ranges.iter().enumerate() {
            let sizes = &dims[axis].0;
            let whole = |(range, &size): (&&[Slice], &usize)| range[axis].to_range(size) == (0..size);
            if slice.step == 1 && ranges.iter().zip(sizes).all(whole) {
                continue;
            }
            let bounds = ranges.iter().zip(sizes).map(|(range, &size)| bounds(&range[axis], size));
            let (start, end): (Vec<i64>, Vec<i64>) = bounds.unzip();
            let to_the_end = ranges.iter().zip(sizes).all(|(r, &n)| slice.step > 0 && r[axis].to_range(n).end == n);
            starts.push(start);
            ends.push(if to_the_end { vec![FAR; end.len()] } else { end });
            axes.push(axis as i64);
            steps.push(slice.step as i64);
        }
        if axes.is_empty() {
            return self.write(&op.out, "Identity", &[&input], Vec::new());
        }
        let (starts, ends) = (self.numbers(&starts, &[&op.tensor])?, self.numbers(&ends, &[&op.tensor])?);
        let (axes, steps) = (self.graph.ints(&axes), self.graph.ints(&steps));
        self.write(&op.out, "Slice", &[&input, &starts, &ends, &axes, &steps], Vec::new())
    }

    fn repeat(&mut self, op: &RepeatDimOpIr) -> Result<()> {
        let input = self.read(&op.tensor)?;
        let (from, to) = (self.dims(&op.tensor), self.dims(&op.out));
        let times = from.iter().zip(&to).map(|(from, to)| {
            let pairs = from.0.iter().zip(&to.0);
            pairs.map(|(&from, &to)| to.checked_div(from).unwrap_or(1) as i64).collect()
        });
        let times: Vec<Vec<i64>> = times.collect();
        let times = self.numbers(&times, &[&op.tensor])?;
        self.write(&op.out, "Tile", &[&input, &times], Vec::new())
    }

    fn concat(&mut self, op: &CatOpIr) -> Result<()> {
        let inputs = op.tensors.iter().map(|t| self.read(t)).collect::<Result<Vec<_>>>()?;
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.write(&op.out, "Concat", &inputs, vec![int_attr("axis", op.dim as i64)])
    }

    fn filled(&mut self, op: &CreationOpIr, value: i64) -> Result<()> {
        self.fill(&op.out, ScalarIr::Int(value))
    }

    pub(super) fn fill(&mut self, out: &TensorIr, value: ScalarIr) -> Result<()> {
        let value = self.scalar(value, out.dtype)?;
        let shape = self.shape_of(out, &[])?;
        self.write(out, "Expand", &[&value, &shape], Vec::new())
    }

    pub(super) fn pad(&mut self, op: &PadOpIr) -> Result<()> {
        let input = self.read(&op.input)?;
        let before = op.padding.iter().map(|p| p.0 as i64);
        let pads: Vec<i64> = before.chain(op.padding.iter().map(|p| p.1 as i64)).collect();
        let pads = self.graph.ints(&pads);
        match &op.mode {
            PadModeIr::Constant(value) => {
                let value = self.scalar(*value, op.input.dtype)?;
                self.write(&op.out, "Pad", &[&input, &pads, &value], vec![text_attr("mode", "constant")])
            }
            PadModeIr::Reflect => self.write(&op.out, "Pad", &[&input, &pads], vec![text_attr("mode", "reflect")]),
            PadModeIr::Edge => self.write(&op.out, "Pad", &[&input, &pads], vec![text_attr("mode", "edge")]),
        }
    }

    pub(super) fn unary(&mut self, op: &str, desc: &UnaryOpIr) -> Result<()> {
        let input = self.read(&desc.input)?;
        self.write(&desc.out, op, &[&input], Vec::new())
    }

    pub(super) fn binary(&mut self, op: &str, lhs: &TensorIr, rhs: &TensorIr, out: &TensorIr) -> Result<()> {
        let (lhs, rhs) = (self.read(lhs)?, self.read(rhs)?);
        self.write(out, op, &[&lhs, &rhs], Vec::new())
    }

    /// Flags as integers, for operators that have no kernel for flags.
    pub(super) fn as_ints(&mut self, tensor: &TensorIr) -> Result<String> {
        let value = self.read(tensor)?;
        Ok(self.inner("Cast", &[&value], vec![int_attr("to", onnx_type(DType::I64)? as i64)]))
    }
}

/// Start and end as ONNX counts them: a negative step goes from the last element of the range down to its first.
fn bounds(slice: &Slice, size: usize) -> (i64, i64) {
    let range = slice.to_range(size);
    let (start, end) = (range.start as i64, range.end as i64);
    match slice.step > 0 {
        true => (start, end),
        false if start == 0 => (end - 1, -FAR),
        false => (end - 1, start - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_step_runs_from_the_end_of_the_range() {
        assert_eq!(bounds(&Slice::new(2, Some(6), -1), 10), (5, 1));
        assert_eq!(bounds(&Slice::new(0, None, -2), 10), (9, -FAR));
    }
}
