//! Who speaks: the caller's turns in and on, with the name of the voice.

use rejoinder_models::units::{SampleRate, Samples};

use crate::Result;
use crate::event::EventKind;
use crate::identity::{Identified, Identity};
use crate::message::{Body, Message, TurnId};
use crate::stage::{Outbox, Stage};

/// After so much sound of a turn the voice is looked at while the caller speaks, so that the end of the turn waits for
/// nothing. A shorter turn is looked at in its pauses, as often as it has become twice as long.
const LOOKS_MS: [f64; 2] = [1_500.0, 4_000.0];

/// Of what was said before it was known that it is a turn, so much is looked at: before a wake phrase, others may have
/// spoken.
const BEFORE_MS: f64 = 1_500.0;

/// `identify`: the sound of one turn, and whose it is.
pub(crate) struct Identify {
    identity: Identity,
    sound: Vec<f32>,
    /// Whether it is known that this is a turn.
    taken: bool,
    /// How many of [`LOOKS_MS`] are over.
    looks: usize,
    /// Samples that were heard at the last look.
    looked_at: usize,
    found: Identified,
    /// The turn in which the last look failed.
    failed: Option<TurnId>,
}

impl Identify {
    pub(crate) fn new(identity: Identity) -> Self {
        let found = Identified::default();
        Self { identity, sound: Vec::new(), taken: false, looks: 0, looked_at: 0, found, failed: None }
    }

    fn begin(&mut self) {
        self.sound.clear();
        self.taken = false;
        (self.looks, self.looked_at) = (0, 0);
        self.found = Identified::default();
    }

    fn heard(&mut self, turn: TurnId, samples: &[f32], out: &mut Outbox<'_>) {
        let Some(due_ms) = LOOKS_MS.get(self.looks) else { return };
        self.sound.extend_from_slice(samples);
        if !self.taken {
            let kept = Samples::from_ms(BEFORE_MS, SampleRate::INTERNAL).0 as usize;
            self.sound.drain(..self.sound.len().saturating_sub(kept));
        } else if self.sound.len() as u64 >= Samples::from_ms(*due_ms, SampleRate::INTERNAL).0 {
            self.looks += 1;
            self.look(turn, out);
        }
    }

    /// Whether twice as much was heard as at the last look.
    fn has_more(&self) -> bool {
        self.looked_at == 0 || self.sound.len() >= 2 * self.looked_at
    }

    /// Looks whose voice it is. A failure is told, and costs the caller their name, not their turn.
    fn look(&mut self, turn: TurnId, out: &mut Outbox<'_>) {
        self.looked_at = self.sound.len();
        self.found = self.identity.identify(&self.sound).unwrap_or_else(|error| {
            if self.failed.replace(turn) != Some(turn) {
                out.event(turn, EventKind::Degraded { stage: "identify".to_owned(), reason: error.to_string() });
            }
            Identified::default()
        });
        let _ = out.send(turn, Body::Identified(self.found.name.clone()));
    }
}

impl Stage for Identify {
    fn name(&self) -> &'static str {
        "identify"
    }

    fn start(&mut self) -> Result<()> {
        let silence = vec![0.0; Samples::from_ms(LOOKS_MS[0], SampleRate::INTERNAL).0 as usize];
        self.identity.identify(&silence).map(drop)
    }

    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> Result<()> {
        let turn = message.turn;
        match &message.body {
            Body::Began(_) => self.begin(),
            Body::Heard(samples) => self.heard(turn, samples, out),
            Body::Taken { .. } => self.taken = true,
            Body::Paused { .. } | Body::Ended if self.taken && self.has_more() => self.look(turn, out),
            _ => {}
        }
        if message.body == Body::Ended {
            let Identified { name, score } = self.found.clone();
            out.event(turn, EventKind::Speaker { name, score });
        }
        let _ = out.send(turn, message.body);
        Ok(())
    }
}
