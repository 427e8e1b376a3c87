//! Arithmetic, comparison and reduction, on floats and integers.

use burn::backend::ir::{NumericOperationIr, ReduceDimOpIr, ReduceOpIr, ScalarIr, ScalarOpIr, TensorIr};
use burn::tensor::DType;

use super::Translator;
use crate::export::Result;
use crate::export::onnx::{Constant, int_attr, ints_attr, onnx_type};

impl Translator<'_> {
    pub(super) fn numeric(&mut self, op: &NumericOperationIr) -> Result<()> {
        use NumericOperationIr as Op;
        match op {
            Op::Add(op) => self.binary("Add", &op.lhs, &op.rhs, &op.out),
            Op::Sub(op) => self.binary("Sub", &op.lhs, &op.rhs, &op.out),
            Op::Mul(op) => self.binary("Mul", &op.lhs, &op.rhs, &op.out),
            Op::Div(op) => self.binary("Div", &op.lhs, &op.rhs, &op.out),
            Op::Powi(op) => self.binary("Pow", &op.lhs, &op.rhs, &op.out),
            Op::AddScalar(op) => self.with_scalar("Add", op),
            Op::SubScalar(op) => self.with_scalar("Sub", op),
            Op::MulScalar(op) => self.with_scalar("Mul", op),
            Op::DivScalar(op) => self.with_scalar("Div", op),
            Op::PowiScalar(op) => self.power(op),
            Op::Rem(op) => {
                let rhs = self.read(&op.rhs)?;
                self.remainder(&op.lhs, &rhs, &op.out)
            }
            Op::RemScalar(op) => {
                let rhs = self.scalar(op.rhs, op.lhs.dtype)?;
                self.remainder(&op.lhs, &rhs, &op.out)
            }
            Op::Abs(op) => self.unary("Abs", op),
            Op::Neg(op) => self.unary("Neg", op),
            Op::Sign(op) => self.unary("Sign", op),
            Op::Full(op) => self.fill(&op.out, op.value),
            Op::Pad(op) => self.pad(op),
            Op::Clamp(op) => {
                let (low, high) = (self.scalar(op.min, op.tensor.dtype)?, self.scalar(op.max, op.tensor.dtype)?);
                let input = self.read(&op.tensor)?;
                self.write(&op.out, "Clip", &[&input, &low, &high], Vec::new())
            }
            Op::ClampMin(op) => {
                let (input, low) = (self.read(&op.lhs)?, self.scalar(op.rhs, op.lhs.dtype)?);
                self.write(&op.out, "Clip", &[&input, &low], Vec::new())
            }
            Op::ClampMax(op) => {
                let (input, high) = (self.read(&op.lhs)?, self.scalar(op.rhs, op.lhs.dtype)?);
                self.write(&op.out, "Clip", &[&input, "", &high], Vec::new())
            }
            Op::CumSum(op) => {
                let (input, axis) = (self.read(&op.input)?, self.graph.constant(Constant::int(op.axis as i64), "axis"));
                self.write(&op.out, "CumSum", &[&input, &axis], Vec::new())
            }
            other => self.comparison(other),
        }
    }

    fn comparison(&mut self, op: &NumericOperationIr) -> Result<()> {
        use NumericOperationIr as Op;
        match op {
            Op::Greater(op) => self.binary("Greater", &op.lhs, &op.rhs, &op.out),
            Op::GreaterEqual(op) => self.binary("GreaterOrEqual", &op.lhs, &op.rhs, &op.out),
            Op::Lower(op) => self.binary("Less", &op.lhs, &op.rhs, &op.out),
            Op::LowerEqual(op) => self.binary("LessOrEqual", &op.lhs, &op.rhs, &op.out),
            Op::GreaterElem(op) => self.with_scalar("Greater", op),
            Op::GreaterEqualElem(op) => self.with_scalar("GreaterOrEqual", op),
            Op::LowerElem(op) => self.with_scalar("Less", op),
            Op::LowerEqualElem(op) => self.with_scalar("LessOrEqual", op),
            other => self.reduction_over(other),
        }
    }

    fn reduction_over(&mut self, op: &NumericOperationIr) -> Result<()> {
        use NumericOperationIr as Op;
        match op {
            Op::Mean(op) => self.reduce_all("ReduceMean", op),
            Op::Sum(op) => self.reduce_all("ReduceSum", op),
            Op::Prod(op) => self.reduce_all("ReduceProd", op),
            Op::Max(op) => self.reduce_all("ReduceMax", op),
            Op::Min(op) => self.reduce_all("ReduceMin", op),
            Op::MeanDim(op) => self.reduce_along("ReduceMean", op),
            Op::SumDim(op) => {
                let axes = [op.axis as i64];
                self.reduce_sum(&op.input, &axes, &op.out)
            }
            Op::SumDims(op) => {
                let axes: Vec<i64> = op.axes.iter().map(|&a| a as i64).collect();
                self.reduce_sum(&op.input, &axes, &op.out)
            }
            Op::ProdDim(op) => self.reduce_along("ReduceProd", op),
            Op::MaxDim(op) => self.reduce_along("ReduceMax", op),
            Op::MinDim(op) => self.reduce_along("ReduceMin", op),
            Op::MaxAbs(op) => {
                let input = self.read(&op.input)?;
                let input = self.inner("Abs", &[&input], Vec::new());
                self.reduce_value("ReduceMax", &input, &op.out)
            }
            Op::MaxAbsDim(op) => {
                let input = self.read(&op.input)?;
                let input = self.inner("Abs", &[&input], Vec::new());
                let attributes = vec![ints_attr("axes", [op.axis as i64]), int_attr("keepdims", 1)];
                self.write(&op.out, "ReduceMax", &[&input], attributes)
            }
            Op::ArgMax(op) => self.arg("ArgMax", &op.input, op.axis, &op.out),
            Op::ArgMin(op) => self.arg("ArgMin", &op.input, op.axis, &op.out),
            Op::MaxDimWithIndices(op) => {
                self.extreme("ReduceMax", &op.tensor, op.dim, &op.out)?;
                self.arg("ArgMax", &op.tensor, op.dim, &op.out_indices)
            }
            Op::MinDimWithIndices(op) => {
                self.extreme("ReduceMin", &op.tensor, op.dim, &op.out)?;
                self.arg("ArgMin", &op.tensor, op.dim, &op.out_indices)
            }
            other => self.ordering(other),
        }
    }

    fn ordering(&mut self, op: &NumericOperationIr) -> Result<()> {
        use NumericOperationIr as Op;
        match op {
            Op::TopKWithIndices(op) => self.top(&op.tensor, op.dim, op.k, 1, Some(&op.out), Some(&op.out_indices)),
            Op::TopK(op) => {
                let count = op.out.shape[op.axis];
                self.top(&op.input, op.axis, count, 1, Some(&op.out), None)
            }
            Op::ArgTopK(op) => {
                let count = op.out.shape[op.axis];
                self.top(&op.input, op.axis, count, 1, None, Some(&op.out))
            }
            Op::Sort(op) => self.sorted(op, Some(&op.out), None),
            Op::ArgSort(op) => self.sorted(op, None, Some(&op.out)),
            _ => Err(self.unsupported()),
        }
    }

    pub(super) fn with_scalar(&mut self, op: &str, desc: &ScalarOpIr) -> Result<()> {
        let (lhs, rhs) = (self.read(&desc.lhs)?, self.scalar(desc.rhs, desc.lhs.dtype)?);
        self.write(&desc.out, op, &[&lhs, &rhs], Vec::new())
    }

    /// Squares are products: exact for negative numbers, and the cheapest kernel.
    pub(super) fn power(&mut self, op: &ScalarOpIr) -> Result<()> {
        let input = self.read(&op.lhs)?;
        if op.rhs.elem::<f64>() == 2.0 {
            return self.write(&op.out, "Mul", &[&input, &input], Vec::new());
        }
        let exponent = self.scalar(op.rhs, op.lhs.dtype)?;
        self.write(&op.out, "Pow", &[&input, &exponent], Vec::new())
    }

    /// The remainder with the sign of the divisor, which ONNX has for integers only.
    fn remainder(&mut self, lhs: &TensorIr, rhs: &str, out: &TensorIr) -> Result<()> {
        let value = self.read(lhs)?;
        if !lhs.dtype.is_float() {
            return self.write(out, "Mod", &[&value, rhs], Vec::new());
        }
        let ratio = self.inner("Div", &[&value, rhs], Vec::new());
        let whole = self.inner("Floor", &[&ratio], Vec::new());
        let multiple = self.inner("Mul", &[&whole, rhs], Vec::new());
        self.write(out, "Sub", &[&value, &multiple], Vec::new())
    }

    fn reduce_all(&mut self, reduce: &str, op: &ReduceOpIr) -> Result<()> {
        let input = self.read(&op.input)?;
        self.reduce_value(reduce, &input, &op.out)
    }

    fn reduce_value(&mut self, reduce: &str, input: &str, out: &TensorIr) -> Result<()> {
        let scalar = self.inner(reduce, &[input], vec![int_attr("keepdims", 0)]);
        let one = self.graph.ints(&[1]);
        self.write(out, "Reshape", &[&scalar, &one], Vec::new())
    }

    fn reduce_along(&mut self, reduce: &str, op: &ReduceDimOpIr) -> Result<()> {
        self.extreme(reduce, &op.input, op.axis, &op.out)
    }

    fn extreme(&mut self, reduce: &str, input: &TensorIr, axis: usize, out: &TensorIr) -> Result<()> {
        let input = self.read(input)?;
        self.write(out, reduce, &[&input], vec![ints_attr("axes", [axis as i64]), int_attr("keepdims", 1)])
    }

    /// The only reduction whose axes are an input at operator set 17.
    fn reduce_sum(&mut self, input: &TensorIr, axes: &[i64], out: &TensorIr) -> Result<()> {
        let (input, axes) = (self.read(input)?, self.graph.ints(axes));
        self.write(out, "ReduceSum", &[&input, &axes], vec![int_attr("keepdims", 1)])
    }

    fn arg(&mut self, op: &str, input: &TensorIr, axis: usize, out: &TensorIr) -> Result<()> {
        let input = self.read(input)?;
        let attributes = vec![int_attr("axis", axis as i64), int_attr("keepdims", 1)];
        if out.dtype == DType::I64 {
            return self.write(out, op, &[&input], attributes);
        }
        let wide = self.inner(op, &[&input], attributes);
        self.write(out, "Cast", &[&wide], vec![int_attr("to", onnx_type(out.dtype)? as i64)])
    }

    /// `tensor op value` for an inner value.
    pub(super) fn inner_scalar(&mut self, op: &str, input: &str, value: f64, dtype: DType) -> Result<String> {
        let value = self.scalar(ScalarIr::Float(value), dtype)?;
        Ok(self.inner(op, &[input, &value], Vec::new()))
    }
}
