//! Text: tokenizers, normalisation, clauses, error rates.
