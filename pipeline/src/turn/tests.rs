use rejoinder_models::units::{Position, Samples};

use super::*;
use crate::message::{Control, TurnId};

const POLICY: Policy = Policy {
    min_speech: Samples(0),
    min_silence: Samples(3_000),
    hangover: Samples(8_000),
    patience: Samples(16_000),
    max_turn: Samples(480_000),
    no_answer: None,
    half_duplex: false,
    push_to_talk: false,
    follow_up: None,
    judge_window: Samples(16_000),
    max_starts: 0,
};

fn at(ms: u64) -> Position {
    Position(ms * 16)
}

fn feed(machine: &mut Machine, inputs: &[Input]) -> Vec<Action> {
    let mut actions = Vec::new();
    for input in inputs {
        machine.take(*input, &mut actions);
    }
    actions
}

/// A caller who spoke for a second, and half a second of silence.
const QUESTION: [Input; 3] =
    [Input::SpeechStarted(Position(0)), Input::SpeechStopped(Position(16_000)), Input::Tick(Position(24_000))];

fn speaking(policy: Policy) -> Machine {
    let mut machine = Machine::new(policy);
    feed(&mut machine, &QUESTION);
    let turn = machine.turn();
    feed(&mut machine, &[Input::AudioStarted(turn)]);
    assert_eq!(machine.state(), State::Speaking);
    machine
}

#[test]
fn a_turn_that_is_complete_ends_in_the_middle_of_a_pause() {
    let mut machine = Machine::new(POLICY);
    feed(&mut machine, &[Input::SpeechStarted(at(0)), Input::Tick(at(500))]);
    let turn = machine.turn();
    assert_eq!(feed(&mut machine, &[Input::Paused(turn, Outlook::Complete)]), [], "the caller speaks");
    feed(&mut machine, &[Input::SpeechStopped(at(1_000)), Input::Tick(at(1_100))]);
    assert_eq!(machine.pause(), Some((at(0), at(1_000))));
    assert_eq!(feed(&mut machine, &[Input::Paused(turn.next(), Outlook::Complete)]), [], "it is another turn");
    assert_eq!(feed(&mut machine, &[Input::Paused(turn, Outlook::Complete)]), [Action::End(turn, at(1_000))]);
    assert_eq!((machine.state(), machine.pause()), (State::Thinking, None));
}

#[test]
fn an_unfinished_turn_has_longer_to_go_on() {
    let paused = |outlooks: &[Outlook]| {
        let mut machine = Machine::new(POLICY);
        feed(&mut machine, &[Input::SpeechStarted(at(0)), Input::SpeechStopped(at(1_000))]);
        let turn = machine.turn();
        outlooks.iter().for_each(|outlook| drop(feed(&mut machine, &[Input::Paused(turn, *outlook)])));
        machine
    };
    let waits = |machine: &mut Machine, ms: u64| {
        let actions = feed(machine, &[Input::Tick(at(1_000 + ms))]);
        !actions.iter().any(|action| matches!(action, Action::End(..)))
    };
    let mut machine = paused(&[Outlook::Unfinished]);
    assert!(waits(&mut machine, 999) && !waits(&mut machine, 1_000));
    let mut machine = paused(&[Outlook::Unfinished, Outlook::Undecided]);
    assert!(waits(&mut machine, 499) && !waits(&mut machine, 500));
    let mut machine = paused(&[Outlook::Unfinished]);
    feed(&mut machine, &[Input::SpeechStarted(at(1_800)), Input::SpeechStopped(at(2_000))]);
    assert!(waits(&mut machine, 1_499) && !waits(&mut machine, 1_500), "it is another pause");
}

#[test]
fn the_documentation_shows_the_table() {
    let (path, text) = (concat!(env!("CARGO_MANIFEST_DIR"), "/src/turn/states.md"), include_str!("states.md"));
    let (words, _) = text.split_once("```mermaid").unwrap_or((text, ""));
    let expected = format!("{words}{}", table::render());
    if std::env::var_os("REJOINDER_BLESS").is_some() {
        std::fs::write(path, &expected).unwrap();
    } else {
        assert_eq!(text, expected, "REJOINDER_BLESS=1 writes it anew");
    }
}

#[test]
fn no_transition_hides_behind_another() {
    for (i, row) in table::TABLE.iter().enumerate() {
        let earlier = table::TABLE[..i].iter().filter(|earlier| (earlier.from, earlier.on) == (row.from, row.on));
        for earlier in earlier {
            let hidden = earlier.when.iter().all(|when| row.when.contains(when));
            assert!(!hidden, "{:?} on {:?} when {:?} never comes", row.from, row.on, row.when);
        }
    }
}

#[test]
fn a_turn_ends_when_the_silence_has_lasted_and_not_before() {
    let mut machine = Machine::new(POLICY);
    let turn = TurnId::new(1);
    let started = feed(&mut machine, &[Input::SpeechStarted(Position(1_000))]);
    assert_eq!(started, [Action::Begin(turn, Position(1_000)), Action::Take(turn)]);
    let early = [Input::SpeechStopped(Position(20_000)), Input::Tick(Position(27_999))];
    assert_eq!(feed(&mut machine, &early), [Action::Ask(turn)]);
    assert_eq!(machine.state(), State::Pausing);
    let ended = feed(&mut machine, &[Input::Tick(Position(28_000))]);
    assert_eq!(ended, [Action::End(turn, Position(20_000))]);
    assert_eq!(machine.state(), State::Thinking);
}

#[test]
fn a_pause_inside_a_turn_does_not_end_it() {
    let mut machine = Machine::new(POLICY);
    feed(&mut machine, &[Input::SpeechStarted(at(0))]);
    let pause = [Input::SpeechStopped(at(600)), Input::Tick(at(1_000)), Input::SpeechStarted(at(1_050))];
    assert_eq!(feed(&mut machine, &pause), [Action::Ask(TurnId::new(1))]);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(3_000))]), []);
    assert_eq!(machine.state(), State::Hearing);
}

#[test]
fn a_reply_runs_to_its_end() {
    let mut machine = speaking(POLICY);
    feed(&mut machine, &[Input::AudioFinished(TurnId::new(1))]);
    assert!(machine.is_idle());
}

#[test]
fn speech_over_a_reply_ducks_it_until_it_is_judged() {
    let (first, second) = (TurnId::new(1), TurnId::new(2));
    let ducked = [Action::Duck, Action::Begin(second, at(3_000))];
    let interrupted = [Action::Interrupt(first), Action::Take(second), Action::Restore];
    let passed = [Action::Drop(second), Action::Restore];
    for (verdict, actions, state) in [
        (Verdict::Interruption, &interrupted[..], State::Hearing),
        (Verdict::Backchannel, &[], State::Interrupted),
        (Verdict::Noise, &passed[..], State::Speaking),
    ] {
        let mut machine = speaking(POLICY);
        assert_eq!(feed(&mut machine, &[Input::SpeechStarted(at(3_000))]), ducked);
        assert_eq!(feed(&mut machine, &[Input::Judged(second, verdict)]), actions, "{verdict:?} of what goes on");
        assert_eq!(machine.state(), state);
    }
    for (verdict, actions, state) in [
        (Verdict::Interruption, &interrupted[..], State::Pausing),
        (Verdict::Backchannel, &passed[..], State::Speaking),
        (Verdict::Noise, &passed[..], State::Speaking),
    ] {
        let mut machine = speaking(POLICY);
        feed(&mut machine, &[Input::SpeechStarted(at(3_000))]);
        assert_eq!(feed(&mut machine, &[Input::SpeechStopped(at(3_300))]), [Action::Ask(second)]);
        assert_eq!(feed(&mut machine, &[Input::Judged(second, verdict)]), actions, "{verdict:?} of what is over");
        assert_eq!(machine.state(), state);
        let stale =
            [Input::AudioFinished(TurnId::new(7)), Input::NoReply(TurnId::new(7)), Input::Judged(first, verdict)];
        assert_eq!(feed(&mut machine, &stale), []);
        assert_eq!(machine.state(), state, "news of other turns changes nothing");
    }
}

#[test]
fn a_caller_who_says_yeah_before_a_word_was_heard_goes_on() {
    let mut machine = Machine::new(POLICY);
    feed(&mut machine, &QUESTION);
    feed(&mut machine, &[Input::SpeechStarted(at(1_600)), Input::SpeechStopped(at(1_900))]);
    let actions = feed(&mut machine, &[Input::Judged(TurnId::new(2), Verdict::Backchannel)]);
    assert_eq!(actions, [Action::Interrupt(TurnId::new(1)), Action::Take(TurnId::new(2)), Action::Restore]);
}

#[test]
fn what_nobody_judges_is_decided_when_the_window_is_over() {
    for (stops, state) in [(false, State::Hearing), (true, State::Speaking)] {
        let mut machine = speaking(POLICY);
        feed(&mut machine, &[Input::SpeechStarted(at(3_000))]);
        if stops {
            let told = Input::Transcript { turn: machine.turn(), wakes: false, complete: true };
            feed(&mut machine, &[Input::SpeechStopped(at(3_200)), told]);
        }
        feed(&mut machine, &[Input::Tick(at(3_999))]);
        assert_eq!(machine.state(), State::Interrupted);
        feed(&mut machine, &[Input::Tick(at(4_000))]);
        assert_eq!(machine.state(), state);
    }
}

#[test]
fn what_was_said_over_a_reply_waits_for_a_transcript_that_is_late_and_counts_where_none_comes() {
    let said = [Input::SpeechStarted(at(3_000)), Input::SpeechStopped(at(3_700)), Input::Tick(at(4_500))];
    let second = TurnId::new(2);
    for (verdict, state) in [(Verdict::Interruption, State::Pausing), (Verdict::Backchannel, State::Speaking)] {
        let mut machine = speaking(POLICY);
        feed(&mut machine, &said);
        assert_eq!(machine.state(), State::Interrupted);
        let told = Input::Transcript { turn: second, wakes: false, complete: true };
        feed(&mut machine, &[told, Input::Judged(second, verdict)]);
        assert_eq!(machine.state(), state, "{verdict:?}");
    }
    let mut machine = speaking(POLICY);
    feed(&mut machine, &said);
    let actions = feed(&mut machine, &[Input::Tick(at(5_000))]);
    assert_eq!(actions, [Action::Interrupt(TurnId::new(1)), Action::Take(second), Action::Restore]);
}

#[test]
fn who_was_muted_is_not_asked_whether_they_are_there_as_soon_as_they_can_be_heard() {
    let mut machine = speaking(Policy { no_answer: Some(Samples(80_000)), ..POLICY });
    feed(&mut machine, &[Input::Tick(at(2_000)), Input::AudioFinished(TurnId::new(1)), Input::Control(Control::Mute)]);
    assert_eq!(
        feed(&mut machine, &[Input::Tick(at(60_000)), Input::Control(Control::Unmute), Input::Tick(at(64_990))]),
        []
    );
    assert_eq!(feed(&mut machine, &[Input::Tick(at(65_000))]), [Action::Prompt(TurnId::new(2))]);
}

#[test]
fn a_turn_without_words_gives_the_floor_back() {
    let mut machine = Machine::new(POLICY);
    feed(&mut machine, &QUESTION);
    feed(&mut machine, &[Input::NoReply(TurnId::new(1))]);
    assert!(machine.is_idle());
}

#[test]
fn a_turn_whose_stage_failed_early_is_not_waited_for() {
    let mut machine = Machine::new(POLICY);
    feed(&mut machine, &[QUESTION[0], Input::NoReply(TurnId::new(1))]);
    assert_eq!(feed(&mut machine, &QUESTION[1..]), [Action::End(TurnId::new(1), Position(16_000))]);
    assert!(machine.is_idle());
}

#[test]
fn a_turn_that_is_too_short_is_none_and_one_that_is_too_long_goes_on_as_the_next() {
    let mut machine = Machine::new(Policy { min_speech: Samples(16_001), ..POLICY });
    assert_eq!(feed(&mut machine, &QUESTION).last(), Some(&Action::Drop(TurnId::new(1))));
    assert!(machine.is_idle());
    let (first, second, cut) = (TurnId::new(1), TurnId::new(2), Position(480_000));
    let mut machine = Machine::new(POLICY);
    let actions = feed(&mut machine, &[QUESTION[0], Input::Tick(cut)]);
    assert_eq!(actions[2..], [Action::End(first, cut), Action::Begin(second, cut), Action::Take(second)]);
    assert_eq!(machine.state(), State::Hearing);
}

#[test]
fn a_reply_is_begun_ahead_as_often_as_the_policy_allows_and_dropped_when_the_caller_goes_on() {
    let mut machine = Machine::new(Policy { max_starts: 1, ..POLICY });
    let turn = TurnId::new(1);
    feed(&mut machine, &[QUESTION[0], QUESTION[1]]);
    assert_eq!(feed(&mut machine, &[Input::Tick(Position(19_000))]), [Action::Start(turn)]);
    assert_eq!(feed(&mut machine, &[Input::SpeechStarted(at(1_250))]), [Action::Retract(turn.retry())]);
    let again = [Input::SpeechStopped(at(2_000)), Input::Tick(at(2_300))];
    assert_eq!(feed(&mut machine, &again), [Action::Ask(turn.retry())], "words count where no reply is begun, too");
    assert_eq!(feed(&mut machine, &[Input::Tick(at(2_500))]), [Action::End(turn.retry(), at(2_000))]);
}

#[test]
fn a_short_word_that_takes_the_place_of_an_answer_is_answered_with_what_was_asked() {
    let mut machine = Machine::new(Policy { min_speech: Samples(9_600), ..POLICY });
    feed(&mut machine, &QUESTION);
    feed(&mut machine, &[Input::SpeechStarted(at(2_000)), Input::SpeechStopped(at(2_300))]);
    let turn = machine.turn();
    feed(&mut machine, &[Input::Judged(turn, Verdict::Backchannel)]);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(2_800))]), [Action::End(turn, at(2_300))]);
}

#[test]
fn a_turn_is_not_cut_for_its_length_in_a_pause_but_where_it_goes_on() {
    let mut machine = Machine::new(Policy { max_turn: Samples(32_000), ..POLICY });
    feed(&mut machine, &[Input::SpeechStarted(at(0)), Input::SpeechStopped(at(1_900))]);
    let turn = machine.turn();
    assert_eq!(feed(&mut machine, &[Input::Tick(at(2_050))]), []);
    let split = feed(&mut machine, &[Input::SpeechStarted(at(2_100)), Input::Tick(at(2_110))]);
    let next = turn.next();
    assert_eq!(split, [Action::End(turn, at(2_110)), Action::Begin(next, at(2_110)), Action::Take(next)]);
}

#[test]
fn what_was_said_over_a_reply_before_the_microphone_was_muted_is_asked_for() {
    let mut machine = speaking(POLICY);
    feed(&mut machine, &[Input::SpeechStarted(at(2_000)), Input::Tick(at(2_400))]);
    let turn = machine.turn();
    assert_eq!(feed(&mut machine, &[Input::Control(Control::Mute)]), [Action::Ask(turn)]);
}

#[test]
fn after_the_wake_phrase_there_is_time_to_think_and_what_came_before_it_does_not_count() {
    let policy = Policy { follow_up: Some(Samples(0)), max_turn: Samples(32_000), ..POLICY };
    let mut machine = Machine::new(policy);
    feed(&mut machine, &[Input::SpeechStarted(at(0)), Input::Tick(at(1_500))]);
    let turn = machine.turn();
    feed(&mut machine, &[Input::Transcript { turn, wakes: true, complete: false }]);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(3_000))]), [], "its length counts from the phrase");
    feed(&mut machine, &[Input::SpeechStopped(at(3_100)), Input::Tick(at(3_600)), Input::NoReply(turn)]);
    feed(&mut machine, &[Input::Tick(at(5_000))]);
    assert_eq!(machine.state(), State::Listening);
    feed(&mut machine, &[Input::Tick(at(8_700))]);
    assert_eq!(machine.state(), State::Asleep);
}

#[test]
fn a_reminder_does_not_wait_for_talk_that_is_not_for_the_assistant() {
    let mut machine = Machine::new(Policy { follow_up: Some(Samples(16_000)), ..POLICY });
    feed(&mut machine, &[Input::Scheduled(Some(at(500))), Input::SpeechStarted(at(0))]);
    let turn = machine.turn();
    assert_eq!(feed(&mut machine, &[Input::Tick(at(900))]), [], "it may be the phrase");
    let told = feed(&mut machine, &[Input::Tick(at(1_000))]);
    assert_eq!(told, [Action::Drop(turn), Action::Remind(machine.turn())]);
    assert_eq!(machine.state(), State::Thinking);
}

#[test]
fn a_silent_caller_is_asked_once_whether_they_are_there() {
    let mut machine = speaking(Policy { no_answer: Some(Samples(80_000)), ..POLICY });
    feed(&mut machine, &[Input::Tick(at(2_000)), Input::AudioFinished(TurnId::new(1))]);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(6_999))]), []);
    let second = TurnId::new(2);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(7_000))]), [Action::Prompt(second)]);
    feed(&mut machine, &[Input::AudioStarted(second), Input::AudioFinished(second)]);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(60_000))]), []);
    let third = TurnId::new(3);
    let actions = feed(&mut machine, &[Input::SpeechStarted(at(60_000))]);
    assert_eq!(actions, [Action::Begin(third, at(60_000)), Action::Take(third)]);
}

#[test]
fn what_is_due_is_told_as_soon_as_nobody_speaks_and_the_caller_need_not_answer() {
    let mut machine = speaking(Policy { no_answer: Some(Samples(80_000)), ..POLICY });
    assert_eq!(feed(&mut machine, &[Input::Scheduled(Some(at(2_000))), Input::Tick(at(3_000))]), []);
    let second = TurnId::new(2);
    assert_eq!(
        feed(&mut machine, &[Input::AudioFinished(TurnId::new(1)), Input::Tick(at(3_010))]),
        [Action::Remind(second)]
    );
    feed(&mut machine, &[Input::AudioStarted(second), Input::AudioFinished(second)]);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(60_000))]), []);
    let again = [Input::Scheduled(Some(at(70_000))), Input::Scheduled(None), Input::Tick(at(71_000))];
    assert_eq!(feed(&mut machine, &again), []);
}

#[test]
fn in_half_duplex_a_reply_cannot_be_interrupted_by_voice() {
    let mut machine = speaking(Policy { half_duplex: true, ..POLICY });
    assert_eq!(feed(&mut machine, &[Input::SpeechStarted(at(3_000))]), []);
    assert_eq!(machine.state(), State::Speaking);
}

#[test]
fn a_talk_button_opens_and_closes_turns_and_interrupts_at_once() {
    let mut machine = Machine::new(Policy { push_to_talk: true, ..POLICY });
    assert_eq!(feed(&mut machine, &QUESTION), []);
    let (first, second) = (TurnId::new(1), TurnId::new(2));
    let button = [Input::Control(Control::Press), QUESTION[0], QUESTION[1], Input::Tick(at(9_000))];
    assert_eq!(feed(&mut machine, &button), [Action::Begin(first, Position(24_000)), Action::Take(first)]);
    assert_eq!(feed(&mut machine, &[Input::Control(Control::Release)]), [Action::End(first, Position(16_000))]);
    feed(&mut machine, &[Input::AudioStarted(first)]);
    let actions = feed(&mut machine, &[Input::Control(Control::Press)]);
    assert_eq!(actions, [Action::Interrupt(first), Action::Begin(second, at(9_000)), Action::Take(second)]);
}

#[test]
fn a_muted_caller_is_not_heard_and_a_turn_ends_with_the_mute() {
    let mut machine = Machine::new(POLICY);
    feed(&mut machine, &[QUESTION[0], Input::Tick(at(1_000)), Input::Control(Control::Mute)]);
    assert_eq!(feed(&mut machine, &[Input::SpeechStarted(at(1_200))]), []);
    assert_eq!(feed(&mut machine, &[Input::Tick(at(1_500))]), [Action::End(TurnId::new(1), at(1_000))]);
    feed(&mut machine, &[Input::NoReply(TurnId::new(1)), Input::Control(Control::Unmute)]);
    assert_eq!(feed(&mut machine, &[Input::SpeechStarted(at(3_000))]).len(), 2);
}

#[test]
fn a_conversation_is_opened_by_the_wake_phrase_and_stays_open_for_a_while() {
    let mut machine = Machine::new(Policy { follow_up: Some(Samples(80_000)), ..POLICY });
    let (first, again) = (TurnId::new(1), TurnId::new(1).retry());
    assert_eq!(feed(&mut machine, &[QUESTION[0]]), [Action::Begin(first, Position(0))]);
    let silent = [QUESTION[1], Input::Tick(Position(19_000))];
    assert_eq!(feed(&mut machine, &silent), [Action::Ask(first)]);
    assert_eq!(feed(&mut machine, &[QUESTION[2]]), [], "what was said is not known yet");
    let told = Input::Transcript { turn: first, wakes: false, complete: true };
    assert_eq!(feed(&mut machine, &[told, QUESTION[2]]), [Action::Drop(first)]);
    assert_eq!(machine.state(), State::Asleep);
    let phrase = Input::Transcript { turn: again, wakes: true, complete: false };
    let actions = feed(&mut machine, &[Input::SpeechStarted(at(2_000)), phrase]);
    assert_eq!(actions, [Action::Begin(again, at(2_000)), Action::Take(again)]);
    feed(&mut machine, &[Input::SpeechStopped(at(3_000)), Input::Tick(at(3_500)), Input::AudioFinished(again)]);
    assert_eq!(feed(&mut machine, &[Input::SpeechStarted(at(8_000))]).len(), 2, "no phrase is needed");
    feed(&mut machine, &[Input::SpeechStopped(at(8_500)), Input::Tick(at(9_000)), Input::NoReply(TurnId::new(2))]);
    feed(&mut machine, &[Input::Tick(at(14_000))]);
    assert_eq!(machine.state(), State::Asleep);
}

#[test]
fn a_spotted_word_opens_a_conversation_only_while_somebody_speaks() {
    let mut machine = Machine::new(Policy { follow_up: Some(Samples(80_000)), ..POLICY });
    let first = TurnId::new(1);
    let nobody = Input::WakeWord(machine.turn());
    assert_eq!(feed(&mut machine, &[nobody]), []);
    assert_eq!(machine.state(), State::Asleep);
    let actions = feed(&mut machine, &[Input::SpeechStarted(at(500)), Input::WakeWord(first)]);
    assert_eq!(actions, [Action::Begin(first, at(500)), Action::Take(first)]);
    assert_eq!(machine.state(), State::Hearing);
    assert_eq!(feed(&mut machine, &[Input::WakeWord(first)]), [], "it is open");
}
