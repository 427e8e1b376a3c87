//! The model's file: the units, then the nodes of the tree, breadth first.

use std::path::Path;

use super::{Flat, G2p, Graphone, NONE, phones};
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"RJG1";

impl G2p {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(self.order as u8);
        bytes.extend((self.units.len() as u16).to_le_bytes());
        bytes.extend((self.nodes.len() as u32).to_le_bytes());
        for unit in &self.units {
            bytes.push((unit.letters.len() * 16 + unit.phones.len()) as u8);
            bytes.extend(&unit.letters);
            bytes.extend(&unit.phones);
        }
        for node in &self.nodes {
            bytes.extend(node.unit.to_le_bytes());
            bytes.extend([node.cost, node.backoff, node.children.min(255) as u8]);
            if node.children >= 255 {
                bytes.extend(node.children.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads a file that [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Model`] when it is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::from_bytes(&bytes).ok_or_else(|| Error::model(path, "damaged g2p model, or not one (RJG1)"))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut input = bytes.strip_prefix(MAGIC)?;
        let order = usize::from(take(&mut input, 1)?[0]);
        let units = u16::from_le_bytes(take(&mut input, 2)?.try_into().ok()?);
        let count = u32::from_le_bytes(take(&mut input, 4)?.try_into().ok()?);
        let mut list = Vec::with_capacity(usize::from(units));
        for _ in 0..units {
            let sizes = usize::from(take(&mut input, 1)?[0]);
            let letters = take(&mut input, sizes / 16)?.to_vec();
            let phones = take(&mut input, sizes % 16)?.to_vec();
            if !phones.iter().all(|&p| phones::is_phone(p)) {
                return None;
            }
            list.push(Graphone { letters, phones });
        }
        let mut nodes = Vec::new();
        let mut first_child = 1u32;
        for _ in 0..count {
            let head = take(&mut input, 5)?;
            let mut children = u32::from(head[4]);
            let unit = u16::from_le_bytes([head[0], head[1]]);
            let (cost, backoff) = (head[2], head[3]);
            if children == 255 {
                children = u32::from_le_bytes(take(&mut input, 4)?.try_into().ok()?);
            }
            nodes.push(Flat { unit, cost, backoff, first_child, children, suffix: NONE });
            first_child = first_child.checked_add(children)?;
        }
        let whole = input.is_empty() && first_child == count && nodes.iter().all(|n| n.unit < units);
        whole.then(|| Self::from_parts(list, nodes, order))
    }
}

fn take<'a>(input: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = input.split_at_checked(n)?;
    *input = tail;
    Some(head)
}
