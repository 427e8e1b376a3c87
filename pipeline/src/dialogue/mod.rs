//! What is said to the model, and what the model may do.

mod history;
mod toolbox;

pub use history::History;
pub use toolbox::Toolbox;
