//! Conversations with a simulated caller on the shipped models: exact repeats, the truth beside what the assistant did,
//! pictures and replays, and the same in real time.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rejoinder::sim::{
    self, Act, CostConfig, Expect, Figures, FixedCosts, Kind, RandomConfig, Record, RoomConfig, Scenario, Simulation,
    Voices,
};
use rejoinder::{Assistant, Config, EventKind};
use rejoinder_models::units::SampleRate;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn assistant() -> Assistant {
    sim::assistant(&Config::load_default().unwrap()).unwrap()
}

/// An assistant of `configs/assistants`.
fn assistant_of(name: &str) -> Assistant {
    let path = root().join("configs/assistants").join(name).with_extension("toml");
    sim::assistant(&Config::load(path).unwrap()).unwrap()
}

fn voices() -> Voices {
    Voices::open(root().join("tests/fixtures/caller")).unwrap()
}

fn scenario(seed: u64, turns: usize) -> Scenario {
    let room = RoomConfig { rt60_ms: 150.0, snr_db: Some(35.0), ..RoomConfig::default() };
    Scenario { seed, turns, room, cost: CostConfig::Fixed(FixedCosts::default()), ..Scenario::default() }
}

fn act(kind: Kind, clip: &str, after_ms: f64) -> Act {
    Act { kind, clip: Some(clip.to_owned()), after_ms, pause_ms: None }
}

fn run(assistant: &Assistant, scenario: &Scenario) -> Record {
    Simulation::new(assistant, scenario, &voices()).run().unwrap()
}

/// The events as they are written, and what was heard.
fn exactly(assistant: &Assistant, scenario: &Scenario) -> (String, Vec<f32>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = heard.clone();
    let voices = voices();
    let simulation = Simulation::new(assistant, scenario, &voices).on_sound(move |caller, assistant| {
        keep.lock().unwrap().extend(caller.iter().chain(assistant));
        Ok(())
    });
    let record = simulation.run().unwrap();
    let lines: Vec<String> = record.events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let sound = heard.lock().unwrap().clone();
    (lines.join("\n"), sound)
}

#[test]
fn the_same_seed_gives_the_same_events_to_the_byte_and_another_seed_others() {
    let first = exactly(&assistant(), &scenario(11, 5));
    assert!(first.0.lines().count() > 50, "{}", first.0);
    let second = exactly(&assistant(), &scenario(11, 5));
    assert_eq!(first.0, second.0);
    assert!(first.1 == second.1, "the same events, but another sound");
    assert_ne!(first.0, exactly(&assistant(), &scenario(12, 5)).0);
}

#[test]
fn a_patient_assistant_leaves_pauses_to_silence_and_tells_what_it_knew_of_them() {
    let random = RandomConfig::pausing(1.0, [300.0, 600.0]);
    let patient = sim::assistant(&sim::patient(Config::load_default().unwrap())).unwrap();
    let record = run(&patient, &Scenario { random, ..scenario(5, 4) });
    let silences = record.events.iter().filter_map(|event| match event.kind {
        EventKind::Endpoint { speech_end } => Some(event.at.since(speech_end).ms(SampleRate::INTERNAL)),
        _ => None,
    });
    let silences: Vec<f64> = silences.collect();
    assert!(silences.len() == 4 && silences.iter().all(|ms| *ms >= 2_000.0), "{silences:?}");
    let turns = sim::looked(&record, |kind| match kind {
        EventKind::Paused { probability, .. } => Some(*probability),
        _ => None,
    });
    assert_eq!(turns.len(), 4);
    assert!(turns.iter().any(|turn| !turn.pauses.is_empty()), "{turns:?}");
    // Looks after 100 ms and each 50 ms from there to 2 s.
    assert!(turns.iter().all(|turn| turn.end.len() == 39 && turn.end[38] > 0.0), "{turns:?}");
}

#[test]
fn delays_count_from_the_truth_and_a_caller_who_interrupts_is_yielded_to() {
    let script = vec![
        act(Kind::Say, "list", 300.0),
        act(Kind::Interrupt, "time", 250.0),
        act(Kind::Say, "latte", 700.0),
        act(Kind::Interrupt, "sum", 500.0),
    ];
    let scenario = Scenario { act: script, ..scenario(0, 0) };
    let assistant = assistant();
    let record = run(&assistant, &scenario);
    let figures = Figures::of(&record);
    assert_eq!(sim::complaints(&scenario, &record, &figures), Vec::<String>::new(), "{figures}");
    let [soonest, silence] = [assistant.turn_taking.end.after, assistant.turn_taking.policy.hangover]
        .map(|silence| silence.ms(SampleRate::INTERNAL));
    let delay = figures.voice_to_voice_ms;
    assert!(delay.n >= 2 && delay.p50 > soonest && delay.p99 < silence + 900.0, "{figures}");
    let parts = [figures.endpoint_ms, figures.transcript_ms, figures.first_token_ms, figures.first_audio_ms];
    assert!(parts.iter().all(|part| part.n == delay.n), "{figures}");
    assert_eq!((figures.missed_barge_ins.count, figures.missed_barge_ins.of), (0, 2), "{figures}");
    assert!(figures.barge_in_ms.p99 > 20.0 && figures.barge_in_ms.p99 < 600.0, "{figures}");
    assert_eq!(figures.overruns.count, 0);
    assert!(figures.overhead_ms.n <= delay.n && figures.overhead_ms.p50 < 20.0, "{figures}");
}

#[test]
fn a_pause_longer_than_the_assistants_patience_is_seen_as_a_false_cutoff() {
    let silence = 1_500.0;
    let pause = Act { pause_ms: Some(silence), ..act(Kind::Say, "mocha", 300.0) };
    let paused = Figures::of(&run(&assistant(), &Scenario { act: vec![pause], ..scenario(0, 0) }));
    assert_eq!((paused.false_cutoffs.count, paused.false_cutoffs.of), (1, 1), "{paused}");
    let whole = Scenario { act: vec![act(Kind::Say, "mocha", 300.0)], ..scenario(0, 0) };
    let whole = Figures::of(&run(&assistant(), &whole));
    assert_eq!((whole.false_cutoffs.count, whole.false_cutoffs.of), (0, 1), "{whole}");
}

#[test]
fn silence_has_no_turns() {
    let script = vec![Act { clip: None, ..act(Kind::Wait, "", 5_000.0) }];
    let record = run(&assistant(), &Scenario { act: script, ..scenario(0, 0) });
    assert!(record.events.is_empty() && record.said.is_empty(), "{:?}", record.events);
    assert!(record.length.ms() >= 5_000.0);
}

#[test]
fn the_picture_shows_each_turn_and_its_decisions() {
    let script = vec![act(Kind::Say, "list", 300.0), act(Kind::Interrupt, "time", 250.0)];
    let record = run(&assistant(), &Scenario { act: script, ..scenario(0, 0) });
    let svg = sim::draw(&record);
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    // What is drawn, not the legend or the style.
    for part in
        ["turn 1: ", "turn 2: ", "<rect class=\"reply\"", "<rect class=\"say\"", "><title>held back ", "><title>kept "]
    {
        assert!(svg.contains(part), "{part} is missing");
    }
    let drawn = |class: &str, name: &str| {
        svg.matches(&format!("<line class=\"{class}\"")).count().min(svg.matches(&format!("<title>{name} ")).count())
    };
    let told = |of: fn(&EventKind) -> bool| record.events.iter().filter(|event| of(&event.kind)).count();
    let [interrupted, ended] =
        [told(|kind| *kind == EventKind::Interrupted), told(|kind| matches!(kind, EventKind::Endpoint { .. }))];
    assert_eq!((drawn("cut", "interrupted"), drawn("end", "end of turn")), (interrupted, ended));
    assert_eq!((interrupted, ended), (1, 2));
}

#[test]
fn a_run_that_fails_leaves_a_scenario_that_fails_again() {
    let folder = tempfile::tempdir().unwrap();
    let replay = folder.path().join("replay.toml");
    let expect = Expect { voice_to_voice_p50_ms: Some(1.0), ..Expect::default() };
    let scenario = Scenario { expect, ..scenario(5, 1) };
    let complain = |scenario: &Scenario| {
        let record = run(&assistant(), scenario);
        sim::complaints(scenario, &record, &Figures::of(&record))
    };
    let complaints = complain(&scenario);
    assert!(complaints[0].starts_with("voice_to_voice_p50_ms: expected at most 1 ms"), "{complaints:?}");
    scenario.save(&replay).unwrap();
    assert_eq!(complain(&Scenario::load(&replay).unwrap()), complaints);
}

/// The first reply is not spoken over: with it the canceller finds the delay.
#[test]
fn an_assistant_that_hears_itself_does_not_answer_itself_and_is_interrupted() {
    let script = vec![
        act(Kind::Say, "date", 300.0),
        act(Kind::Say, "list", 500.0),
        act(Kind::Interrupt, "time", 250.0),
        act(Kind::Say, "latte", 700.0),
        act(Kind::Interrupt, "sum", 300.0),
        act(Kind::Say, "date", 500.0),
    ];
    let scenario = Scenario::load(root().join("configs/scenarios/speakerphone.toml")).unwrap();
    let scenario = Scenario { act: script, turns: 0, ..scenario };
    let record = run(&assistant_of("speakerphone"), &scenario);
    let figures = Figures::of(&record);
    assert_eq!(sim::complaints(&scenario, &record, &figures), Vec::<String>::new(), "{figures}");
    assert_eq!((figures.ghosts.count, figures.false_interruptions.count), (0, 0), "{figures}");
    assert_eq!((figures.missed_barge_ins.count, figures.missed_barge_ins.of), (0, 2), "{figures}");
    let found = record.events.iter().rev().find_map(|event| match event.kind {
        EventKind::EchoDelay { ms } => Some(ms),
        _ => None,
    });
    let delay_ms = scenario.room.echo.as_ref().unwrap().delay_ms;
    assert!((found.unwrap() - delay_ms).abs() <= 16.0, "found {found:?} ms, true {delay_ms} ms");
    let without = Figures::of(&run(&assistant(), &scenario));
    assert!(without.ghosts.count + without.false_interruptions.count > 0, "the echo does no harm: {without}");
}

#[test]
fn a_conversation_in_real_time_goes_as_in_virtual_time() {
    let script = vec![act(Kind::Say, "time", 300.0), act(Kind::Interrupt, "sum", 400.0)];
    let scenario = Scenario { cost: CostConfig::default(), act: script, ..scenario(0, 0) };
    let voices = voices();
    let record = Simulation::new(&assistant(), &scenario, &voices).run_live().unwrap();
    let figures = Figures::of(&record);
    assert_eq!(record.said.len(), 2);
    assert!(figures.voice_to_voice_ms.n >= 1, "{figures}");
    assert!(figures.stages.contains_key("listen") && figures.stages.contains_key("speak"), "{figures}");
}

#[test]
fn every_scenario_goes_as_it_expects() {
    let mut count = 0;
    for file in std::fs::read_dir(root().join("configs/scenarios")).unwrap() {
        let path = file.unwrap().path();
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let config = scenario.config.as_ref().map_or_else(Config::load_default, Config::load).unwrap();
        let began = std::time::Instant::now();
        let record = run(&sim::assistant(&config).unwrap(), &scenario);
        let figures = Figures::of(&record);
        let complaints = sim::complaints(&scenario, &record, &figures);
        assert!(complaints.is_empty(), "{}: {complaints:?}\n{figures}", path.display());
        eprintln!("{}: {:.1?}", scenario.name, began.elapsed());
        count += 1;
    }
    assert!(count >= 5);
}

#[test]
fn an_interruption_counts_however_late_the_recogniser_is() {
    let path = root().join("configs/scenarios/interruptions.toml");
    for base in [12_000, 13_000, 16_000] {
        let mut scenario = Scenario::load(&path).unwrap();
        let CostConfig::Fixed(costs) = &mut scenario.cost else { panic!("expected fixed costs") };
        costs.transcribe_us = [base, 0];
        let figures = Figures::of(&run(&assistant(), &scenario));
        assert_eq!((figures.missed_barge_ins.count, figures.unanswered.count), (0, 0), "{base} us: {figures}");
    }
}
