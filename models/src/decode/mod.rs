//! Decoding: pure functions over slices, no tensor type.
