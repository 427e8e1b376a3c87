//! Word and character error rates, with the alignment that they count.

use std::fmt;
use std::ops::AddAssign;

/// How one place of a reference and a hypothesis compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The same in both.
    Hit(String),
    /// The reference's, and what stands for it in the hypothesis.
    Substitution(String, String),
    /// In the reference only.
    Deletion(String),
    /// In the hypothesis only.
    Insertion(String),
}

/// The numbers behind an error rate. Counts of several utterances add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    /// Units that are right.
    pub hits: usize,
    /// Units that stand for others.
    pub substitutions: usize,
    /// Units of the reference that are missing.
    pub deletions: usize,
    /// Units that the reference does not have.
    pub insertions: usize,
}

impl ErrorCounts {
    /// Units in the reference.
    pub fn reference(&self) -> usize {
        self.hits + self.substitutions + self.deletions
    }

    /// All errors.
    pub fn errors(&self) -> usize {
        self.substitutions + self.deletions + self.insertions
    }

    /// Errors for each unit of the reference; may exceed 1. Against an empty reference it is 0 without errors, and
    /// the number of insertions otherwise.
    pub fn rate(&self) -> f64 {
        self.errors() as f64 / self.reference().max(1) as f64
    }
}

impl AddAssign for ErrorCounts {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.substitutions += other.substitutions;
        self.deletions += other.deletions;
        self.insertions += other.insertions;
    }
}

impl std::iter::Sum for ErrorCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, c| {
            sum += c;
            sum
        })
    }
}

impl fmt::Display for ErrorCounts {
    /// `12.50 % (1 of 8: 1 sub, 0 del, 0 ins)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { substitutions, deletions, insertions, .. } = self;
        let (rate, errors, reference) = (100.0 * self.rate(), self.errors(), self.reference());
        write!(f, "{rate:.2} % ({errors} of {reference}: {substitutions} sub, {deletions} del, {insertions} ins)")
    }
}

/// An alignment with the fewest errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alignment {
    /// The comparisons, in order.
    pub edits: Vec<Edit>,
}

impl Alignment {
    /// Aligns units by the fewest edits (Levenshtein). Among alignments with as few, seen from the end, an insertion comes
    /// before a deletion and both before a substitution, as in Kaldi's `compute-wer` and SpeechBrain's `edit_distance.py`.
    /// Takes time and memory in the product of the lengths.
    pub fn new<T: AsRef<str>>(reference: &[T], hypothesis: &[T]) -> Self {
        let (rows, columns) = (reference.len() + 1, hypothesis.len() + 1);
        let mut cost = vec![0u32; rows * columns];
        for row in 0..rows {
            for column in 0..columns {
                let up = || cost[(row - 1) * columns + column] + 1;
                let left = || cost[row * columns + column - 1] + 1;
                cost[row * columns + column] = match (row, column) {
                    (0, _) => column as u32,
                    (_, 0) => row as u32,
                    _ => {
                        let differs = reference[row - 1].as_ref() != hypothesis[column - 1].as_ref();
                        (cost[(row - 1) * columns + column - 1] + u32::from(differs)).min(up()).min(left())
                    }
                };
            }
        }
        let (mut row, mut column) = (rows - 1, columns - 1);
        let mut edits = Vec::with_capacity(rows.max(columns));
        while row > 0 || column > 0 {
            let here = cost[row * columns + column];
            let unit = |units: &[T], at: usize| units[at].as_ref().to_owned();
            if column > 0 && cost[row * columns + column - 1] + 1 == here {
                column -= 1;
                edits.push(Edit::Insertion(unit(hypothesis, column)));
            } else if row > 0 && cost[(row - 1) * columns + column] + 1 == here {
                row -= 1;
                edits.push(Edit::Deletion(unit(reference, row)));
            } else {
                (row, column) = (row - 1, column - 1);
                let (wanted, found) = (unit(reference, row), unit(hypothesis, column));
                edits.push(if wanted == found { Edit::Hit(wanted) } else { Edit::Substitution(wanted, found) });
            }
        }
        edits.reverse();
        Self { edits }
    }

    /// What the alignment counts.
    pub fn counts(&self) -> ErrorCounts {
        let mut counts = ErrorCounts::default();
        for edit in &self.edits {
            match edit {
                Edit::Hit(_) => counts.hits += 1,
                Edit::Substitution(..) => counts.substitutions += 1,
                Edit::Deletion(_) => counts.deletions += 1,
                Edit::Insertion(_) => counts.insertions += 1,
            }
        }
        counts
    }
}

impl fmt::Display for Alignment {
    /// Three lines: the reference, the hypothesis with `*` for what is missing, and the kind of each error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = [String::from("REF:"), String::from("HYP:"), String::from("    ")];
        for edit in &self.edits {
            let (wanted, found, mark) = match edit {
                Edit::Hit(unit) => (unit.as_str(), unit.as_str(), ""),
                Edit::Substitution(wanted, found) => (wanted.as_str(), found.as_str(), "S"),
                Edit::Deletion(wanted) => (wanted.as_str(), "", "D"),
                Edit::Insertion(found) => ("", found.as_str(), "I"),
            };
            let width = wanted.chars().count().max(found.chars().count());
            for (line, text) in lines.iter_mut().zip([wanted, found, mark]) {
                let fill = if text.is_empty() && !mark.is_empty() { "*" } else { " " };
                line.push(' ');
                line.push_str(text);
                line.push_str(&fill.repeat(width.saturating_sub(text.chars().count())));
            }
        }
        let [reference, hypothesis, marks] = lines.map(|line| line.trim_end().to_owned());
        write!(f, "{reference}\n{hypothesis}\n{marks}")
    }
}

/// Compares the words of two texts, as white space separates them.
pub fn word_errors(reference: &str, hypothesis: &str) -> ErrorCounts {
    word_alignment(reference, hypothesis).counts()
}

/// Aligns the words of two texts.
pub fn word_alignment(reference: &str, hypothesis: &str) -> Alignment {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    Alignment::new(&words(reference), &words(hypothesis))
}

/// Compares the characters of two texts; white space at the ends is left out, and between words counts as one space.
pub fn character_errors(reference: &str, hypothesis: &str) -> ErrorCounts {
    let characters = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.chars().map(String::from).collect::<Vec<_>>()
    };
    Alignment::new(&characters(reference), &characters(hypothesis)).counts()
}
