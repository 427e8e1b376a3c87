//! What tests tell of parity.

/// A line for the table of `make parity`: how far a module is from the one that it is compared with.
#[allow(clippy::print_stderr, reason = "the table is made of what the tests print")]
pub(crate) fn report(module: &str, peer: &str, what: &str, difference: f32) {
    eprintln!("parity | {module} | {peer} | {what} | {difference:.1e}");
}
