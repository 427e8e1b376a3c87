//! Real-time voice conversations: hear, think, answer, and be interrupted, in one process.
