//! Clips, files and sample rates.
