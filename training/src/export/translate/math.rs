//! Functions of floats, activations, and the layers that are more than one node.

use burn::backend::ir::{
    ActivationOperationIr, AttentionOpIr, BatchNormOpIr, DimOpIr, FloatOperationIr, LayerNormOpIr, LinearOpIr,
    ScalarIr, TensorIr, UnaryOpIr,
};

use super::Translator;
use crate::export::Result;
use crate::export::onnx::{Constant, float_attr, int_attr, ints_attr};

impl Translator<'_> {
    pub(super) fn float(&mut self, op: &FloatOperationIr) -> Result<()> {
        use FloatOperationIr as Op;
        match op {
            Op::Exp(op) => self.unary("Exp", op),
            Op::Log(op) => self.unary("Log", op),
            Op::Log1p(op) => {
                let input = self.read(&op.input)?;
                let sum = self.inner_scalar("Add", &input, 1.0, op.input.dtype)?;
                self.write(&op.out, "Log", &[&sum], Vec::new())
            }
            Op::Erf(op) => self.unary("Erf", op),
            Op::PowfScalar(op) => self.power(op),
            Op::Powf(op) => self.binary("Pow", &op.lhs, &op.rhs, &op.out),
            Op::Sqrt(op) => self.unary("Sqrt", op),
            Op::Recip(op) => self.unary("Reciprocal", op),
            Op::Round(op) => self.unary("Round", op),
            Op::Floor(op) => self.unary("Floor", op),
            Op::Ceil(op) => self.unary("Ceil", op),
            Op::Trunc(op) => {
                let input = self.read(&op.input)?;
                let (size, sign) = (self.inner("Abs", &[&input], vec![]), self.inner("Sign", &[&input], vec![]));
                let whole = self.inner("Floor", &[&size], Vec::new());
                self.write(&op.out, "Mul", &[&whole, &sign], Vec::new())
            }
            Op::IntoInt(op) => self.cast(&op.input, &op.out),
            Op::Matmul(op) => self.binary("MatMul", &op.lhs, &op.rhs, &op.out),
            Op::IsNan(op) => self.unary("IsNaN", op),
            Op::IsInf(op) => self.unary("IsInf", op),
            Op::Hypot(op) => {
                let (lhs, rhs) = (self.read(&op.lhs)?, self.read(&op.rhs)?);
                let squares = [&lhs, &rhs].map(|v| self.inner("Mul", &[v, v], Vec::new()));
                let sum = self.inner("Add", &[&squares[0], &squares[1]], Vec::new());
                self.write(&op.out, "Sqrt", &[&sum], Vec::new())
            }
            other => self.trigonometric(other),
        }
    }

    fn trigonometric(&mut self, op: &FloatOperationIr) -> Result<()> {
        use FloatOperationIr as Op;
        let (name, op) = match op {
            Op::Cos(op) => ("Cos", op),
            Op::Cosh(op) => ("Cosh", op),
            Op::Sin(op) => ("Sin", op),
            Op::Sinh(op) => ("Sinh", op),
            Op::Tan(op) => ("Tan", op),
            Op::Tanh(op) => ("Tanh", op),
            Op::ArcCos(op) => ("Acos", op),
            Op::ArcCosh(op) => ("Acosh", op),
            Op::ArcSin(op) => ("Asin", op),
            Op::ArcSinh(op) => ("Asinh", op),
            Op::ArcTan(op) => ("Atan", op),
            Op::ArcTanh(op) => ("Atanh", op),
            _ => return Err(self.unsupported()),
        };
        self.unary(name, op)
    }

    pub(super) fn activation(&mut self, op: &ActivationOperationIr) -> Result<()> {
        use ActivationOperationIr as Op;
        match op {
            Op::Relu(op) => self.unary("Relu", op),
            Op::LeakyRelu(op) => {
                let input = self.read(&op.lhs)?;
                self.write(&op.out, "LeakyRelu", &[&input], vec![float_attr("alpha", op.rhs.elem())])
            }
            Op::PRelu(op) => {
                let (input, slope) = (self.read(&op.lhs)?, self.read(&op.rhs)?);
                let scaled = self.inner("Mul", &[&input, &slope], Vec::new());
                let negative = self.inner_scalar("Less", &input, 0.0, op.lhs.dtype)?;
                self.write(&op.out, "Where", &[&negative, &scaled, &input], Vec::new())
            }
            Op::Gelu(op) => self.gelu(op),
            Op::Sigmoid(op) => self.unary("Sigmoid", op),
            Op::HardSigmoid(op) => {
                let input = self.read(&op.tensor)?;
                let attributes = vec![float_attr("alpha", op.alpha.elem()), float_attr("beta", op.beta.elem())];
                self.write(&op.out, "HardSigmoid", &[&input], attributes)
            }
            Op::LogSigmoid(op) => {
                let input = self.read(&op.input)?;
                let negated = self.inner("Neg", &[&input], Vec::new());
                let soft = self.inner("Softplus", &[&negated], Vec::new());
                self.write(&op.out, "Neg", &[&soft], Vec::new())
            }
            Op::Softmax(op) => self.along("Softmax", op),
            Op::LogSoftmax(op) => self.along("LogSoftmax", op),
            Op::Softmin(op) => {
                let input = self.read(&op.input)?;
                let negated = self.inner("Neg", &[&input], Vec::new());
                self.write(&op.out, "Softmax", &[&negated], vec![int_attr("axis", op.axis as i64)])
            }
            Op::ReluBackward(_) | Op::GeluBackward(_) | Op::SigmoidBackward(_) | Op::LogSigmoidBackward(_) => {
                Err(self.unsupported())
            }
        }
    }

    fn along(&mut self, op: &str, desc: &DimOpIr) -> Result<()> {
        let input = self.read(&desc.input)?;
        self.write(&desc.out, op, &[&input], vec![int_attr("axis", desc.axis as i64)])
    }

    /// `x/2 · (1 + erf(x/√2))` (Hendrycks and Gimpel 2016, eq. 1): operator set 17 has no such node.
    fn gelu(&mut self, op: &UnaryOpIr) -> Result<()> {
        let (input, dtype) = (self.read(&op.input)?, op.input.dtype);
        let scaled = self.inner_scalar("Div", &input, std::f64::consts::SQRT_2, dtype)?;
        let erf = self.inner("Erf", &[&scaled], Vec::new());
        let gate = self.inner_scalar("Add", &erf, 1.0, dtype)?;
        let product = self.inner("Mul", &[&input, &gate], Vec::new());
        let half = self.number(0.5, dtype)?;
        self.write(&op.out, "Mul", &[&product, &half], Vec::new())
    }

    /// The weight stays as trained, `[in, out]`.
    pub(super) fn linear(&mut self, op: &LinearOpIr) -> Result<()> {
        let (input, weight) = (self.read(&op.x)?, self.read(&op.weight)?);
        let Some(bias) = &op.bias else {
            return self.write(&op.out, "MatMul", &[&input, &weight], Vec::new());
        };
        let bias = self.read(bias)?;
        let product = self.inner("MatMul", &[&input, &weight], Vec::new());
        self.write(&op.out, "Add", &[&product, &bias], Vec::new())
    }

    pub(super) fn layer_norm(&mut self, op: &LayerNormOpIr) -> Result<()> {
        let mut inputs = vec![self.read(&op.input)?, self.read(&op.gamma)?];
        if let Some(beta) = &op.beta {
            inputs.push(self.read(beta)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let attributes = vec![int_attr("axis", -1), float_attr("epsilon", op.epsilon.elem())];
        self.write(&op.out, "LayerNormalization", &inputs, attributes)
    }

    pub(super) fn batch_norm(&mut self, op: &BatchNormOpIr) -> Result<()> {
        let inputs = [&op.x, &op.gamma, &op.beta, &op.mean, &op.variance];
        let inputs = inputs.into_iter().map(|t| self.read(t)).collect::<Result<Vec<_>>>()?;
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.write(&op.out, "BatchNormalization", &inputs, vec![float_attr("epsilon", op.epsilon.elem())])
    }

    /// Scaled dot-product attention (Vaswani et al. 2017, eq. 1). A row that is masked throughout gives zeros, as in
    /// burn's own forward: its maximum and its sum are kept finite.
    pub(super) fn attention(&mut self, op: &AttentionOpIr) -> Result<()> {
        let dtype = op.query.dtype;
        let (query, key) = (self.read(&op.query)?, self.read(&op.key)?);
        let width = op.query.shape[op.query.shape.num_dims() - 1] as f64;
        let scale = op.options.scale.map_or(1.0 / width.sqrt(), |s: ScalarIr| s.elem());
        let transposed = self.inner("Transpose", &[&key], vec![ints_attr("perm", [0, 1, 3, 2])]);
        let products = self.inner("MatMul", &[&query, &transposed], Vec::new());
        let mut scores = self.inner_scalar("Mul", &products, scale, dtype)?;
        if let Some(cap) = op.options.softcap {
            let scaled = self.inner_scalar("Div", &scores, cap.elem(), dtype)?;
            let bent = self.inner("Tanh", &[&scaled], Vec::new());
            scores = self.inner_scalar("Mul", &bent, cap.elem(), dtype)?;
        }
        let masks = [op.mask.as_ref().map(|m| self.read(m)).transpose()?, self.causal_mask(op)?];
        for mask in masks.into_iter().flatten() {
            let low = self.number(f64::NEG_INFINITY, dtype)?;
            scores = self.inner("Where", &[&mask, &low, &scores], Vec::new());
        }
        if let Some(bias) = &op.attn_bias {
            let bias = self.read(bias)?;
            scores = self.inner("Add", &[&scores, &bias], Vec::new());
        }
        let weights = self.safe_softmax(&scores, &op.query)?;
        let value = self.read(&op.value)?;
        self.write(&op.out, "MatMul", &[&weights, &value], Vec::new())
    }

    fn safe_softmax(&mut self, scores: &str, like: &TensorIr) -> Result<String> {
        let axes = || vec![ints_attr("axes", [3]), int_attr("keepdims", 1)];
        let largest = self.inner("ReduceMax", &[scores], axes());
        let largest = self.inner_scalar("Max", &largest, f64::from(f32::MIN), like.dtype)?;
        let shifted = self.inner("Sub", &[scores, &largest], Vec::new());
        let powers = self.inner("Exp", &[&shifted], Vec::new());
        let axis = self.graph.ints(&[3]);
        let sum = self.inner("ReduceSum", &[&powers, &axis], vec![int_attr("keepdims", 1)]);
        let sum = self.inner_scalar("Max", &sum, f64::from(f32::MIN_POSITIVE), like.dtype)?;
        Ok(self.inner("Div", &[&powers, &sum], Vec::new()))
    }

    /// Flags `[queries, keys]` that are set where the key lies behind the query.
    fn causal_mask(&mut self, op: &AttentionOpIr) -> Result<Option<String>> {
        if !op.options.is_causal {
            return Ok(None);
        }
        let (queries, keys) = (self.dims(&op.query)[2].fixed(), self.dims(&op.key)[2].fixed());
        let (Some(queries), Some(keys)) = (queries, keys) else {
            return Err(self.size_dependent("a causal mask needs fixed sizes; pass a mask as an input"));
        };
        let bytes = (0..queries).flat_map(|q| (0..keys).map(move |k| u8::from(k > q))).collect();
        let element = crate::export::onnx::proto::DataType::Bool;
        let mask = Constant { element, dims: vec![queries as i64, keys as i64], bytes };
        Ok(Some(self.graph.constant(mask, "causal_mask")))
    }
}
