//! What is said to the model, and what the model may do.

mod calendar;
mod history;
mod toolbox;

pub use calendar::Calendar;
pub use history::History;
pub use toolbox::Toolbox;
