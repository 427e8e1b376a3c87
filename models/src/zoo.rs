//! Opens a bundle as the family that its card names.
