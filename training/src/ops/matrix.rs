//! Products of matrices that lie anywhere in slices.

use gemm::Parallelism;
use rayon::prelude::*;

/// Multiplications that are worth a thread.
const SHARE: usize = 1 << 22;

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

/// The elements from the first to the last of a matrix, both included.
fn span([rows, columns]: [usize; 2], [row, column]: [usize; 2]) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row + (columns - 1) * column + 1 }
}

impl<'a> Matrix<'a> {
    /// Rows that begin `stride` elements apart.
    ///
    /// # Panics
    /// When the slice ends before the matrix.
    pub(super) fn new(values: &'a [f32], shape: [usize; 2], stride: usize) -> Self {
        let strides = [stride, 1];
        assert!(span(shape, strides) <= values.len(), "a matrix ends beyond its slice");
        Self { values, shape, strides }
    }

    /// Some of its rows.
    fn rows(self, first: usize, count: usize) -> Self {
        let values = &self.values[first * self.strides[0]..];
        Self { values, shape: [count, self.shape[1]], ..self }
    }

    /// Rows and columns changed about.
    pub(super) fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [column, row], ..self }
    }
}

/// Writes the product of two matrices, or adds it, to rows that begin `stride` elements apart. Threads share large ones,
/// row by row.
///
/// # Panics
/// When the matrices do not fit each other, or the slice ends before the product.
pub(super) fn multiply(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let ([m, k], [_, n]) = (a.shape, b.shape);
    let threads = (m * n * k / SHARE).clamp(1, rayon::current_num_threads());
    let rows = m.div_ceil(threads).max(1);
    if rows >= m {
        return multiply_alone(out, stride, a, b, add);
    }
    out.par_chunks_mut(rows * stride).enumerate().for_each(|(part, out)| {
        let first = part * rows;
        if first < m {
            multiply_alone(out, stride, a.rows(first, rows.min(m - first)), b, add);
        }
    });
}

/// As [`multiply`], on the thread that calls.
pub(super) fn multiply_alone(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let ([m, k], [inner, n]) = (a.shape, b.shape);
    assert_eq!(k, inner, "the inner sizes of a product");
    assert!(n <= stride || m <= 1, "rows of a product overlap");
    assert!(span([m, n], [stride, 1]) <= out.len(), "a product ends beyond its slice");
    let [[row, column], [row_b, column_b]] = [a, b].map(|matrix| matrix.strides.map(|stride| stride as isize));
    let (from, by) = (a.values.as_ptr(), b.values.as_ptr());
    // SAFETY: all elements of the three matrices lie within their slices, as asserted here and in `Matrix::new`; `out` is
    // borrowed mutably, so it overlaps neither of the others.
    unsafe {
        let (out, stride) = (out.as_mut_ptr(), stride as isize);
        let (one, same) = (1.0_f32, false);
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            stride,
            add,
            from,
            column,
            row,
            by,
            column_b,
            row_b,
            one,
            one,
            same,
            same,
            same,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_written_and_added_in_place() {
        let a = [1.0, 2.0, 9.0, 3.0, 4.0, 9.0];
        let b = [5.0, 6.0, 7.0, 8.0];
        let (a, b) = (Matrix::new(&a, [2, 2], 3), Matrix::new(&b, [2, 2], 2));
        let mut out = [0.5; 5];
        multiply(&mut out, 3, a, b, false);
        assert_eq!(out, [19.0, 22.0, 0.5, 43.0, 50.0]);
        multiply(&mut out, 3, a, b.transposed(), true);
        assert_eq!(out, [36.0, 45.0, 0.5, 82.0, 103.0]);
        multiply(&mut out, 3, a.rows(1, 1), b, false);
        assert_eq!(out, [43.0, 50.0, 0.5, 82.0, 103.0]);
    }
}
