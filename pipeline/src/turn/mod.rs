#![doc = include_str!("states.md")]

mod caller;
mod input;
mod judge;
mod machine;
mod phrase;
mod policy;
mod table;

#[cfg(test)]
mod check;
#[cfg(test)]
mod tests;

pub use input::{Action, Input, Outlook};
pub use judge::{Evidence, Judge, RuleJudge, RuleJudgeConfig, Verdict};
pub use machine::Machine;
pub use phrase::Phrase;
pub(crate) use phrase::is_spoken_word;
pub use policy::{EndRule, Policy, TurnTaking};
pub use table::State;
