//! Operations that pick, mask, place or sort elements.

use burn::backend::ir::{
    BaseOperationIr, MaskWhereOpIr, ReduceDimOpIr, ReduceOpIr, SliceAssignOpIr, SortOpIr, TensorIr,
};
use burn::tensor::IndexingUpdateOp;

use super::Translator;
use crate::export::Result;
use crate::export::onnx::proto::AttributeProto;
use crate::export::onnx::{Constant, int_attr, ints_attr, onnx_type, text_attr};

impl Translator<'_> {
    pub(super) fn indexing(&mut self, op: &BaseOperationIr) -> Result<()> {
        use BaseOperationIr as Op;
        match op {
            Op::Select(op) => self.take(&op.tensor, op.dim, &op.indices, &op.out),
            Op::Gather(op) => {
                let (data, indices) = (self.read(&op.tensor)?, self.read(&op.indices)?);
                let axis = vec![int_attr("axis", op.dim as i64)];
                self.write(&op.out, "GatherElements", &[&data, &indices], axis)
            }
            Op::GatherNd(op) => self.binary("GatherND", &op.data, &op.indices, &op.out),
            Op::MaskWhere(op) => self.mask_where(op),
            Op::MaskFill(op) => {
                let (mask, tensor) = (self.read(&op.mask)?, self.read(&op.tensor)?);
                let value = self.scalar(op.value, op.tensor.dtype)?;
                self.write(&op.out, "Where", &[&mask, &value, &tensor], Vec::new())
            }
            Op::SliceAssign(op) => self.slice_assign(op),
            Op::Scatter(op) => {
                let inputs = [self.read(&op.tensor)?, self.read(&op.indices)?, self.read(&op.value)?];
                let mut attributes = self.reduction(op.update)?;
                attributes.push(int_attr("axis", op.dim as i64));
                self.write(&op.out, "ScatterElements", &inputs.each_ref().map(String::as_str), attributes)
            }
            Op::ScatterNd(op) => {
                let inputs = [self.read(&op.data)?, self.read(&op.indices)?, self.read(&op.values)?];
                let attributes = self.reduction(op.reduction)?;
                self.write(&op.out, "ScatterND", &inputs.each_ref().map(String::as_str), attributes)
            }
            Op::All(op) => self.whole_flags("ReduceMin", op),
            Op::Any(op) => self.whole_flags("ReduceMax", op),
            Op::AllDim(op) => self.flags_along("ReduceMin", op),
            Op::AnyDim(op) => self.flags_along("ReduceMax", op),
            _ => Err(self.unsupported()),
        }
    }

    /// Rows of `data` along an axis, in the order of `indices`.
    pub(super) fn take(&mut self, data: &TensorIr, axis: usize, indices: &TensorIr, out: &TensorIr) -> Result<()> {
        let (data, indices) = (self.read(data)?, self.read(indices)?);
        self.write(out, "Gather", &[&data, &indices], vec![int_attr("axis", axis as i64)])
    }

    fn mask_where(&mut self, op: &MaskWhereOpIr) -> Result<()> {
        let (mask, value, tensor) = (self.read(&op.mask)?, self.read(&op.value)?, self.read(&op.tensor)?);
        self.write(&op.out, "Where", &[&mask, &value, &tensor], Vec::new())
    }

    fn reduction(&self, update: IndexingUpdateOp) -> Result<Vec<AttributeProto>> {
        match update {
            IndexingUpdateOp::Assign => Ok(Vec::new()),
            IndexingUpdateOp::Add => Ok(vec![text_attr("reduction", "add")]),
            IndexingUpdateOp::Mul => Ok(vec![text_attr("reduction", "mul")]),
            _ => Err(self.unsupported()),
        }
    }

    /// A block put in place along one axis: what lies before it, the block, what lies behind it.
    fn slice_assign(&mut self, op: &SliceAssignOpIr) -> Result<()> {
        let shape: Vec<usize> = op.tensor.shape.iter().copied().collect();
        if self.dims(&op.tensor).iter().chain(&self.dims(&op.value)).any(|s| s.fixed().is_none()) {
            return Err(self.size_dependent("assigning to a slice needs fixed sizes; concatenate instead"));
        }
        if op.ranges.iter().any(|r| r.step != 1) {
            return Err(self.unsupported());
        }
        let ranges: Vec<_> = op.ranges.iter().zip(&shape).map(|(r, &n)| r.to_range(n)).collect();
        let partial: Vec<usize> = (0..ranges.len()).filter(|&a| ranges[a] != (0..shape[a])).collect();
        let value = self.read(&op.value)?;
        match partial.as_slice() {
            [] => self.write(&op.out, "Identity", &[&value], Vec::new()),
            &[axis] => {
                let tensor = self.read(&op.tensor)?;
                let mut parts = Vec::new();
                if ranges[axis].start > 0 {
                    parts.push(self.part(&tensor, axis, 0, ranges[axis].start));
                }
                parts.push(value);
                if ranges[axis].end < shape[axis] {
                    parts.push(self.part(&tensor, axis, ranges[axis].end, shape[axis]));
                }
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                self.write(&op.out, "Concat", &parts, vec![int_attr("axis", axis as i64)])
            }
            _ => self.block_assign(op, &shape, &ranges),
        }
    }

    fn part(&mut self, tensor: &str, axis: usize, start: usize, end: usize) -> String {
        let (start, end) = (self.graph.ints(&[start as i64]), self.graph.ints(&[end as i64]));
        let axis = self.graph.ints(&[axis as i64]);
        self.inner("Slice", &[tensor, &start, &end, &axis], Vec::new())
    }

    /// A block that is partial along several axes, scattered by constant positions.
    fn block_assign(&mut self, op: &SliceAssignOpIr, shape: &[usize], ranges: &[std::ops::Range<usize>]) -> Result<()> {
        let rank = shape.len();
        let sides: Vec<usize> =
            ranges.iter().zip(shape).map(|(r, _)| r.len()).chain(shape[ranges.len()..].to_vec()).collect();
        let count: usize = sides.iter().product();
        let mut positions = Vec::with_capacity(count * rank);
        for flat in 0..count {
            let mut rest = flat;
            let mut at = vec![0i64; rank];
            for axis in (0..rank).rev() {
                at[axis] = (rest % sides[axis] + ranges.get(axis).map_or(0, |r| r.start)) as i64;
                rest /= sides[axis];
            }
            positions.extend(at);
        }
        let dims = sides.iter().map(|&n| n as i64).chain([rank as i64]).collect();
        let positions = self.graph.constant(Constant { dims, ..Constant::ints(&positions) }, "positions");
        let (tensor, value) = (self.read(&op.tensor)?, self.read(&op.value)?);
        self.write(&op.out, "ScatterND", &[&tensor, &positions, &value], Vec::new())
    }

    fn whole_flags(&mut self, reduce: &str, op: &ReduceOpIr) -> Result<()> {
        let ints = self.as_ints(&op.input)?;
        let reduced = self.inner(reduce, &[&ints], vec![int_attr("keepdims", 0)]);
        let one = self.graph.ints(&[1]);
        let shaped = self.inner("Reshape", &[&reduced, &one], Vec::new());
        self.write(&op.out, "Cast", &[&shaped], vec![int_attr("to", onnx_type(op.out.dtype)? as i64)])
    }

    fn flags_along(&mut self, reduce: &str, op: &ReduceDimOpIr) -> Result<()> {
        let ints = self.as_ints(&op.input)?;
        let attributes = vec![ints_attr("axes", [op.axis as i64]), int_attr("keepdims", 1)];
        let reduced = self.inner(reduce, &[&ints], attributes);
        self.write(&op.out, "Cast", &[&reduced], vec![int_attr("to", onnx_type(op.out.dtype)? as i64)])
    }

    /// Sorting is the top of all elements. `indices` are 64-bit in ONNX.
    pub(super) fn sorted(
        &mut self,
        op: &SortOpIr,
        values: Option<&TensorIr>,
        indices: Option<&TensorIr>,
    ) -> Result<()> {
        let size = self.dims(&op.input)[op.dim].fixed();
        let size = size.ok_or_else(|| self.size_dependent("the sorted axis changes"))?;
        let largest = i64::from(op.descending);
        self.top(&op.input, op.dim, size, largest, values, indices)
    }

    pub(super) fn top(
        &mut self,
        input: &TensorIr,
        axis: usize,
        count: usize,
        largest: i64,
        values: Option<&TensorIr>,
        indices: Option<&TensorIr>,
    ) -> Result<()> {
        let input = self.read(input)?;
        let count = self.graph.ints(&[count as i64]);
        let name = |this: &mut Self, out: Option<&TensorIr>, op: &str| match out {
            Some(out) => this.name(out, op),
            None => this.graph.fresh("unused"),
        };
        let top = name(self, values, "TopK");
        let attributes = vec![int_attr("axis", axis as i64), int_attr("largest", largest), int_attr("sorted", 1)];
        match indices {
            Some(out) if out.dtype != burn::tensor::DType::I64 => {
                let wide = self.graph.fresh("indices");
                self.graph.node("TopK", &[&input, &count], &[&top, &wide], attributes);
                self.write(out, "Cast", &[&wide], vec![int_attr("to", onnx_type(out.dtype)? as i64)])
            }
            _ => {
                let indices = name(self, indices, "Indices");
                self.graph.node("TopK", &[&input, &count], &[&top, &indices], attributes);
                Ok(())
            }
        }
    }
}
