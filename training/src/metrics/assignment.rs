/// Weights count as no larger than this and no smaller than its opposite, which also stands for what is no number.
const LARGEST: f64 = 1e9;

/// The one-to-one assignment of rows to columns whose weights have the largest sum: the Hungarian method (H. Kuhn, 1955),
/// row by row along shortest augmenting paths (R. Jonker and A. Volgenant, 1987), in cubic time.
///
/// Gives each row its column; none where there are more rows than columns and the row is left over.
///
/// # Shapes
/// - `weights`: (row, column), row by row
pub fn assign(weights: &[f64], columns: usize) -> Vec<Option<usize>> {
    let rows = weights.len() / columns.max(1);
    let size = rows.max(columns);
    // Rows and columns that are made up to have as many of both weigh nothing.
    let cost = |row: usize, column: usize| match weights.get(row * columns + column) {
        Some(weight) if column < columns && weight.is_nan() => LARGEST,
        Some(weight) if column < columns => -weight.clamp(-LARGEST, LARGEST),
        _ => 0.0,
    };
    // Index 0 stands for none: rows and columns are counted from 1.
    let (mut row_potentials, mut column_potentials) = (vec![0.0; size + 1], vec![0.0; size + 1]);
    let mut row_of = vec![0; size + 1];
    for row in 1..=size {
        let mut least = vec![f64::INFINITY; size + 1];
        let (mut reached, mut before) = (vec![false; size + 1], vec![0; size + 1]);
        let mut column = 0;
        row_of[0] = row;
        while row_of[column] != 0 {
            reached[column] = true;
            let from = row_of[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for to in (1..=size).filter(|to| !reached[*to]) {
                let reduced = cost(from - 1, to - 1) - row_potentials[from] - column_potentials[to];
                if reduced < least[to] {
                    (least[to], before[to]) = (reduced, column);
                }
                if least[to] < step {
                    (step, next) = (least[to], to);
                }
            }
            for to in 0..=size {
                if reached[to] {
                    row_potentials[row_of[to]] += step;
                    column_potentials[to] -= step;
                } else {
                    least[to] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[before[column]];
            column = before[column];
        }
    }
    let mut columns_of = vec![None; rows];
    for (column, row) in row_of.iter().enumerate().skip(1) {
        if (1..=rows).contains(row) && column <= columns {
            columns_of[row - 1] = Some(column - 1);
        }
    }
    columns_of
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The largest sum of all assignments of the rows from `row` on to columns that are free.
    fn best(weights: &[f64], columns: usize, row: usize, free: &mut Vec<bool>) -> f64 {
        let rows = weights.len() / columns;
        if row == rows {
            return 0.0;
        }
        let spare = rows - row > free.iter().filter(|free| **free).count();
        let mut largest = if spare { best(weights, columns, row + 1, free) } else { f64::NEG_INFINITY };
        for column in 0..columns {
            if std::mem::replace(&mut free[column], false) {
                largest = largest.max(weights[row * columns + column] + best(weights, columns, row + 1, free));
                free[column] = true;
            }
        }
        largest
    }

    proptest! {
        #[test]
        fn no_assignment_weighs_more(columns in 1_usize..6, weights in prop::collection::vec(-9.0..9.0_f64, 1..30)) {
            let weights = &weights[..weights.len() / columns * columns];
            let found = assign(weights, columns);
            let taken: Vec<usize> = found.iter().copied().flatten().collect();
            prop_assert_eq!(taken.len(), columns.min(weights.len() / columns));
            prop_assert!((1..taken.len()).all(|at| !taken[..at].contains(&taken[at])));
            let sum: f64 = found.iter().enumerate().filter_map(|(row, column)| Some(weights[row * columns + (*column)?])).sum();
            let expected = best(weights, columns, 0, &mut vec![true; columns]);
            prop_assert!((sum - expected).abs() < 1e-9, "{} {}", sum, expected);
        }
    }

    #[test]
    fn what_is_no_number_is_taken_last() {
        assert_eq!(assign(&[f64::NAN, 0.0, 1.0, f64::NEG_INFINITY], 2), [Some(1), Some(0)]);
        assert_eq!(assign(&[], 3), []);
    }
}
