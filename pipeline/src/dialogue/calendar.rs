use chrono::Local;
use rejoinder_models::llm::tools::Moment;
use rejoinder_models::units::Position;

/// What moments of a conversation are on the caller's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    /// The conversation began at this moment, and its own time goes on from there: so in virtual time.
    Since(Moment),
    /// By the machine's clock and time zone. They go on while the machine sleeps and no sound is captured, are put right,
    /// and do not drift as a sound card does.
    Machine,
}

impl Calendar {
    /// The moment at a position that is now.
    pub fn moment(self, now: Position) -> Moment {
        match self {
            Self::Since(start) => start.plus_ms(now.ms().round() as i64),
            Self::Machine => {
                let now = Local::now();
                Moment::new(now.timestamp_millis(), i64::from(now.offset().local_minus_utc()) * 1000)
            }
        }
    }

    /// Where a moment is in the conversation, as things stand at a position that is now; `now` itself for what is past.
    pub fn position(self, moment: Moment, now: Position) -> Position {
        let (start, from) = match self {
            Self::Since(start) => (start, Position(0)),
            Self::Machine => (self.moment(now), now),
        };
        Position(from.0 + Position::from_ms(moment.ms_since(start).max(0) as f64).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_positions_go_together() {
        let start = Moment::from_local_ms(1_700_000_000_000);
        let calendar = Calendar::Since(start);
        assert_eq!(calendar.moment(Position(16_000)), start.plus_ms(1_000));
        assert_eq!(calendar.position(start.plus_ms(2_500), Position(16_000)), Position(40_000));
        let now = Calendar::Machine.moment(Position(0));
        let position = Calendar::Machine.position(now.plus_ms(60_000), Position(16_000));
        assert!((61_000.0 - position.ms()).abs() < 30_000.0, "{position:?}");
        assert_eq!(Calendar::Machine.position(now.plus_ms(-60_000), Position(16_000)), Position(16_000));
    }
}
