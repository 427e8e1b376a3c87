//! Real-time voice conversations: hear, think, answer, and be interrupted, in one process.
//!
//! ```text
//! mic ─ring─▶ listen ─▶ transcribe ─▶ respond ─▶ speak ─ring─▶ loudspeaker
//!               ▲  │                     ▲                         │
//!               │  └─ barge-in: the turn's number rises            │
//!               └──────────────── playhead: what was heard ◀───────┘
//! ```
//!
//! An [`Assistant`] is the opened models; a [`Session`] is one conversation on them, live on threads or, through
//! [`SessionBuilder::simulate`], in virtual time.

mod assistant;
mod clock;
pub mod config;
mod dialogue;
mod error;
mod event;
mod identity;
pub mod io;
mod message;
mod meter;
mod run;
mod session;
pub mod sim;
mod stage;
mod stages;
mod timeline;
pub mod turn;
mod wake;

pub use assistant::{Assistant, ToolboxMaker};
pub use config::Config;
pub use dialogue::{Calendar, History, Toolbox};
pub use error::{Error, Result};
pub use event::{Event, EventKind};
pub use identity::{Identified, Identity};
pub use message::{AudioDevice, Body, Control, Message, ReplyWord, Sound, TurnId};
/// The crate whose types stand in this one's signatures.
pub use rejoinder_models as models;
pub use run::threads::Controls;
pub use run::world::{StageStats, Step};
pub use run::{Cost, StageCosts};
pub use session::{Conversation, Session, SessionBuilder};
pub use stage::{Outbox, Stage};
pub use timeline::{Timeline, Timelines};
pub use wake::WakeWord;
