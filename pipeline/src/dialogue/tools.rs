//! The assistant's tools on the clock of a conversation.

use rejoinder_models::llm::tools::{Moment, Tools};
use rejoinder_models::units::Position;

use super::Toolbox;

/// The moment of the caller's clock at `position` of a conversation that began at `began`.
pub fn moment_at(began: Moment, position: Position) -> Moment {
    Moment::from_local_ms(began.local_ms + position.ms() as i64)
}

impl Toolbox {
    /// All tools of the assistant, with a fresh state, for a conversation whose capture began at `began`.
    pub fn assistant(began: Moment) -> Self {
        let mut tools = Tools::default();
        Self::new(tools.specs(), move |call, position| tools.answer(call, moment_at(began, position)))
    }
}
