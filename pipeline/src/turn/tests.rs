use proptest::prelude::*;

use super::*;

const POLICY: Policy = Policy { silence: Samples(8_000), max_turn: Samples(480_000) };

fn feed(machine: &mut Machine, inputs: &[Input]) -> Vec<Action> {
    let mut actions = Vec::new();
    for input in inputs {
        machine.take(*input, &mut actions);
    }
    actions
}

#[test]
fn a_turn_ends_when_the_silence_has_lasted_and_not_before() {
    let mut machine = Machine::new(POLICY);
    let started = feed(&mut machine, &[Input::SpeechStarted(Position(1_000))]);
    assert_eq!(started, [Action::Begin(TurnId(1), Position(1_000))]);
    let early = [Input::SpeechStopped(Position(20_000)), Input::Tick(Position(27_999))];
    assert_eq!(feed(&mut machine, &early), []);
    assert_eq!(machine.state(), State::Listening);
    let ended = feed(&mut machine, &[Input::Tick(Position(28_000))]);
    assert_eq!(ended, [Action::End(TurnId(1), Position(20_000))]);
    assert_eq!(machine.state(), State::Thinking);
}

#[test]
fn a_pause_inside_a_turn_does_not_end_it() {
    let mut machine = Machine::new(POLICY);
    let inputs = [
        Input::SpeechStarted(Position(0)),
        Input::SpeechStopped(Position(10_000)),
        Input::Tick(Position(17_000)),
        Input::SpeechStarted(Position(17_500)),
        Input::Tick(Position(30_000)),
    ];
    assert_eq!(feed(&mut machine, &inputs), [Action::Begin(TurnId(1), Position(0))]);
    assert!(machine.caller_has_turn());
}

#[test]
fn a_reply_runs_to_its_end() {
    let mut machine = thinking();
    feed(&mut machine, &[Input::AudioStarted(TurnId(1))]);
    assert_eq!(machine.state(), State::Speaking);
    feed(&mut machine, &[Input::AudioFinished(TurnId(1))]);
    assert!(machine.is_idle());
}

#[test]
fn speech_during_thought_or_reply_takes_the_floor_back() {
    for audible in [false, true] {
        let mut machine = thinking();
        if audible {
            feed(&mut machine, &[Input::AudioStarted(TurnId(1))]);
        }
        let actions = feed(&mut machine, &[Input::SpeechStarted(Position(60_000))]);
        assert_eq!(actions, [Action::Interrupt(TurnId(1)), Action::Begin(TurnId(2), Position(60_000))]);
        assert_eq!(machine.state(), State::Interrupted);
        feed(&mut machine, &[Input::AudioFinished(TurnId(1)), Input::NoReply(TurnId(1))]);
        assert_eq!(machine.state(), State::Interrupted, "news of the old turn changes nothing");
        feed(&mut machine, &[Input::SpeechStopped(Position(70_000)), Input::Tick(Position(78_000))]);
        assert_eq!(machine.state(), State::Thinking);
    }
}

#[test]
fn a_turn_without_words_gives_the_floor_back() {
    let mut machine = thinking();
    feed(&mut machine, &[Input::NoReply(TurnId(1))]);
    assert!(machine.is_idle());
}

#[test]
fn a_turn_whose_stage_failed_early_is_not_waited_for() {
    let mut machine = Machine::new(POLICY);
    let inputs = [
        Input::SpeechStarted(Position(0)),
        Input::NoReply(TurnId(1)),
        Input::SpeechStopped(Position(10_000)),
        Input::Tick(Position(20_000)),
    ];
    assert_eq!(feed(&mut machine, &inputs), [Action::Begin(TurnId(1), Position(0))]);
    assert!(machine.is_idle());
}

#[test]
fn a_turn_that_is_too_long_goes_on_as_the_next() {
    let mut machine = Machine::new(POLICY);
    let actions = feed(&mut machine, &[Input::SpeechStarted(Position(0)), Input::Tick(Position(480_000))]);
    let cut = Position(480_000);
    assert_eq!(
        actions,
        [Action::Begin(TurnId(1), Position(0)), Action::End(TurnId(1), cut), Action::Begin(TurnId(2), cut)]
    );
    assert!(machine.caller_has_turn());
}

fn thinking() -> Machine {
    let mut machine = Machine::new(POLICY);
    let inputs =
        [Input::SpeechStarted(Position(0)), Input::SpeechStopped(Position(20_000)), Input::Tick(Position(28_000))];
    feed(&mut machine, &inputs);
    assert_eq!(machine.state(), State::Thinking);
    machine
}

fn any_input() -> impl Strategy<Value = (u8, u64, u64)> {
    (0u8..6, 0u64..9_000, 0u64..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Over every order of events: turns begin once and in order, end at most once and only while open, and what is
    /// interrupted had ended before.
    #[test]
    fn no_turn_is_ended_twice_or_interrupted_before_its_end(steps in prop::collection::vec(any_input(), 0..200)) {
        let mut machine = Machine::new(Policy { silence: Samples(8_000), max_turn: Samples(40_000) });
        let mut now = Position(0);
        let (mut begun, mut ended, mut open) = (0, 0, false);
        for (kind, step, back) in steps {
            now = now + Samples(step);
            let turn = TurnId(machine.turn().0.saturating_sub(back));
            let input = match kind {
                0 => Input::SpeechStarted(now),
                1 => Input::SpeechStopped(now),
                2 => Input::NoReply(turn),
                3 => Input::AudioStarted(turn),
                4 => Input::AudioFinished(turn),
                _ => Input::Tick(now),
            };
            let mut actions = Vec::new();
            machine.take(input, &mut actions);
            for action in actions {
                match action {
                    Action::Begin(turn, _) => {
                        prop_assert!(!open);
                        prop_assert_eq!(turn.0, begun + 1);
                        begun = turn.0;
                        open = true;
                    }
                    Action::End(turn, _) => {
                        prop_assert!(open && turn.0 == begun && turn.0 > ended);
                        ended = turn.0;
                        open = false;
                    }
                    Action::Interrupt(turn) => prop_assert!(!open && turn.0 == begun && ended == begun),
                }
            }
            open = machine.caller_has_turn();
        }
    }
}
