use std::collections::{HashMap, HashSet};

use super::Constant;
use super::proto::{
    AttributeProto, AttributeType, DataType, Dimension, DimensionValue, GraphProto, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

pub(crate) fn int_attr(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attr(name, AttributeType::Int) }
}

pub(crate) fn ints_attr(name: &str, values: impl IntoIterator<Item = i64>) -> AttributeProto {
    AttributeProto { ints: values.into_iter().collect(), ..attr(name, AttributeType::Ints) }
}

pub(crate) fn float_attr(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attr(name, AttributeType::Float) }
}

pub(crate) fn text_attr(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attr(name, AttributeType::String) }
}

fn attr(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind as i32), ..AttributeProto::default() }
}

/// The declaration of an input or output; `None` stands for an axis of unknown size.
pub(crate) fn value_info(name: &str, element: DataType, axes: Vec<Option<DimensionValue>>) -> ValueInfoProto {
    let dim = axes.into_iter().map(|value| Dimension { value }).collect();
    let tensor_type = TensorTypeProto { elem_type: Some(element as i32), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: Some(name.to_owned()), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// A graph under construction. Names are unique, and equal constants are stored once; weights, whose names are read back,
/// stand for themselves.
#[derive(Default)]
pub(crate) struct GraphBuilder {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    constants: HashMap<Constant, String>,
    weights: HashMap<(String, Constant), String>,
    taken: HashSet<String>,
}

impl GraphBuilder {
    /// Keeps a name for a value of the border.
    pub(crate) fn reserve(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_owned())
    }

    /// A name that no other value has, beginning with `hint`.
    pub(crate) fn fresh(&mut self, hint: &str) -> String {
        if self.taken.insert(hint.to_owned()) {
            return hint.to_owned();
        }
        let mut n = 1;
        loop {
            let name = format!("{hint}.{n}");
            if self.taken.insert(name.clone()) {
                return name;
            }
            n += 1;
        }
    }

    /// The value that holds `constant`; `hint` names it when it is new.
    pub(crate) fn constant(&mut self, constant: Constant, hint: &str) -> String {
        if let Some(name) = self.constants.get(&constant) {
            return name.clone();
        }
        let name = self.fresh(hint);
        self.initializers.push(constant.clone().into_proto(&name));
        self.constants.insert(constant, name.clone());
        name
    }

    /// The value that holds a weight of this module path.
    pub(crate) fn weight(&mut self, constant: Constant, path: &str) -> String {
        let key = (path.to_owned(), constant);
        if let Some(name) = self.weights.get(&key) {
            return name.clone();
        }
        let name = self.fresh(path);
        self.initializers.push(key.1.clone().into_proto(&name));
        self.weights.insert(key, name.clone());
        name
    }

    /// A one-dimensional constant of integers: a shape, axes, bounds.
    pub(crate) fn ints(&mut self, values: &[i64]) -> String {
        let hint = values.iter().map(i64::to_string).collect::<Vec<_>>().join("_");
        self.constant(Constant::ints(values), &format!("ints_{}", if hint.len() > 40 { "list" } else { &hint }))
    }

    pub(crate) fn node(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&s| s.to_owned()).collect(),
            output: outputs.iter().map(|&s| s.to_owned()).collect(),
            name: Some(format!("{}/{op}", outputs[0])),
            op_type: Some(op.to_owned()),
            domain: None,
            attribute: attributes,
        });
    }

    pub(crate) fn finish(self, name: &str, input: Vec<ValueInfoProto>, output: Vec<ValueInfoProto>) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: Some(name.to_owned()),
            initializer: self.initializers,
            input,
            output,
            value_info: Vec::new(),
        }
    }
}
