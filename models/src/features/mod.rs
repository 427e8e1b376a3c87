//! Filterbank features, equal for a whole clip and for a stream of chunks.
