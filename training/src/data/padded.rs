//! Rows of several lengths as one table.

/// The rows one after another, each with zeros behind it up to `width`.
pub(crate) fn padded<T: Copy + Default>(rows: &[impl AsRef<[T]>], width: usize) -> Vec<T> {
    let mut table = vec![T::default(); rows.len() * width];
    for (target, row) in table.chunks_exact_mut(width.max(1)).zip(rows) {
        target[..row.as_ref().len()].copy_from_slice(row.as_ref());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_rows_are_filled_up() {
        assert_eq!(padded(&[vec![1, 2, 3], vec![], vec![4]], 3), [1, 2, 3, 0, 0, 0, 4, 0, 0]);
        assert_eq!(padded::<u32>(&[vec![], vec![]], 0), [0; 0]);
    }
}
