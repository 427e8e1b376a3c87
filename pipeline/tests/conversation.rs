//! Conversations in virtual time with fixed costs.

mod common;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Parrot, RATE, assistant, speech};
use rejoinder::turn::{Phrase, RuleJudge, RuleJudgeConfig, TurnTaking, Verdict};
use rejoinder::{
    Assistant, Body, Control, Conversation, Cost, EventKind, Message, Outbox, SessionBuilder, Stage, StageCosts,
    Timelines,
};
use rejoinder_models::audio::Clip;
use rejoinder_models::llm::tools::Moment;
use rejoinder_models::llm::{Cancel, ChatMessage, Dialogue, Finish, Responder, Role, ToolCall, ToolSpec};
use rejoinder_models::units::{Position, SampleRate, Samples};

const COST: Cost = Cost::Fixed { step: Duration::from_micros(200), output: Duration::from_millis(2) };

fn simulate(parrot: &Parrot, script: &str) -> Conversation {
    SessionBuilder::new(&assistant(parrot)).simulate(&speech(script), COST).expect("a conversation")
}

fn timelines(conversation: &Conversation) -> Timelines {
    conversation.events.iter().collect()
}

fn loud(clip: &Clip, from_ms: f64, to_ms: f64) -> bool {
    let at = |ms: f64| ((ms * f64::from(clip.rate.get()) / 1e3) as usize).min(clip.samples.len());
    clip.samples[at(from_ms)..at(to_ms)].iter().any(|x| x.abs() > 0.05)
}

#[test]
fn a_question_gets_a_spoken_answer_and_a_timeline() {
    let conversation = simulate(&Parrot::default(), "500 alpha charlie 600");
    let lines = timelines(&conversation);
    let [turn] = lines.turns() else { panic!("one turn, not {:?}", lines.turns()) };
    assert_eq!((turn.text.as_str(), turn.reply.as_str()), ("alpha charlie", "alpha charlie bravo."));
    let speech_end = turn.speech_end.unwrap().ms();
    assert!((speech_end - 900.0).abs() < 60.0, "speech ends at 900 ms, not {speech_end}");
    let silence = turn.after_speech_ms(turn.endpoint).unwrap();
    assert!((400.0..=411.0).contains(&silence), "the endpoint comes after 400 ms of silence, not {silence}");
    let order = [turn.speech_start, turn.speech_end, turn.endpoint, turn.transcript];
    assert!(order.is_sorted() && order.iter().all(Option::is_some), "{order:?}");
    assert!(turn.first_token.is_some() && turn.first_token < turn.first_audio);
    let audio = turn.first_audio.unwrap().ms();
    assert!(!loud(&conversation.assistant, 0.0, audio) && loud(&conversation.assistant, audio, audio + 5.0));
    let played = conversation.events.iter().filter_map(|event| match &event.kind {
        EventKind::WordPlayed { text } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(played.collect::<Vec<_>>(), ["alpha", "charlie", "bravo."]);
    assert_eq!(conversation.caller.samples.len(), conversation.assistant.samples.len());
}

#[test]
fn several_turns_in_one_recording_share_a_history() {
    let parrot = Parrot::default();
    let conversation = simulate(&parrot, "300 alpha 2500 charlie 500");
    assert_eq!(timelines(&conversation).turns().len(), 2);
    let asked = parrot.0.lock().unwrap().clone();
    let last: Vec<_> = asked[1].iter().map(|message| message.content.as_str()).collect();
    assert_eq!(last, ["answer", "alpha", "alpha bravo.", "charlie"]);
}

#[test]
fn speech_over_the_reply_stops_it_and_the_history_ends_at_the_last_word_heard() {
    let parrot = Parrot::default();
    let conversation = simulate(&parrot, "300 delta 2000 alpha 500");
    let lines = timelines(&conversation);
    let [first, second] = lines.turns() else { panic!("two turns, not {:?}", lines.turns()) };
    assert!(first.interrupted && !second.interrupted);
    let (start, stop) = (first.first_audio.unwrap().ms(), first.audio_end.unwrap().ms());
    let heard = ((stop - start) / 200.0).floor() as usize;
    assert!((2..28).contains(&heard), "the reply is cut in its middle, not after {heard} words");
    assert!(!loud(&conversation.assistant, stop + 20.0, second.first_audio.unwrap().ms()));
    let asked = parrot.0.lock().unwrap().clone();
    let cut = &asked[1][2];
    assert_eq!(cut.role, Role::Assistant);
    assert_eq!(cut.content, vec!["charlie"; heard].join(" "));
    assert_eq!(first.kept.as_deref(), Some(cut.content.as_str()));
    assert_eq!(second.text, "alpha");
}

#[test]
fn what_listen_decides_takes_place_when_its_compute_is_over() {
    let listen = (Duration::from_millis(8), Duration::ZERO);
    let builder = SessionBuilder::new(&assistant(&Parrot::default()));
    let costs = Cost::Stages(StageCosts { listen, ..StageCosts::default() });
    let conversation = builder.simulate(&speech("300 delta 2000 alpha 500"), costs).unwrap();
    let lines = timelines(&conversation);
    let first = &lines.turns()[0];
    assert_eq!(first.first_audio, first.endpoint, "the reply was ready and waited for its release");
    let ducked = conversation.events.iter().find(|event| matches!(event.kind, EventKind::Ducked { .. })).unwrap();
    let at = ducked.at.0 as usize;
    let loudest =
        |from: usize, to: usize| conversation.assistant.samples[from..to].iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!(loudest(at - 64, at) > 0.29 && loudest(at + 256, at + 320) < 0.29);
}

/// Takes its time: 400 ms of it, at the cost of an output.
struct Dawdle;

impl Stage for Dawdle {
    fn name(&self) -> &'static str {
        "dawdle"
    }
    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> rejoinder::Result<()> {
        if matches!(message.body, Body::Reply(_)) {
            for _ in 0..200 {
                let _ = out.send(message.turn, Body::Reply(String::new()));
            }
        }
        let _ = out.send(message.turn, message.body);
        Ok(())
    }
}

#[test]
fn a_caller_who_goes_on_before_the_answer_is_answered_once_and_in_full() {
    let parrot = Parrot::default();
    let caller = speech("300 alpha 500 charlie 500");
    let builder = SessionBuilder::new(&assistant(&parrot)).stage_after("respond", Dawdle);
    let lines = timelines(&builder.simulate(&caller, COST).unwrap());
    assert!(lines.turns()[0].interrupted && lines.turns()[0].first_audio.is_none(), "{lines:?}");
    let asked = parrot.0.lock().unwrap().clone();
    assert_eq!(asked.last().unwrap().last().unwrap().content, "alpha charlie");
    assert_eq!(lines.turns().last().unwrap().reply, "alpha charlie bravo.");
}

#[test]
fn what_is_begun_as_a_turn_ends_belongs_whole_to_the_next() {
    // The turn is over soon after the second word began, of which the detector is sure 60 ms after that.
    let conversation = simulate(&Parrot::default(), "300 alpha 420 bravo 900");
    let begins = conversation.events.iter().filter_map(|event| match &event.kind {
        EventKind::Final { words, .. } => words.first().map(|word| word.start.ms(RATE)),
        _ => None,
    });
    let begins: Vec<f64> = begins.collect();
    assert!(begins.len() == 2 && (begins[1] - 920.0).abs() <= 20.0, "{begins:?}");
    assert_eq!(timelines(&conversation).turns().last().unwrap().text, "bravo");
}

#[test]
fn a_turn_that_is_cut_as_the_caller_falls_silent_is_answered() {
    let conversation = with_policy("300 alpha alpha alpha alpha alpha 2000", |turn_taking| {
        turn_taking.policy.max_turn = Samples(16_000);
    });
    let lines = timelines(&conversation);
    assert_eq!(lines.turns().len(), 2, "{lines:?}");
    assert_eq!(lines.turns()[1].reply, "alpha alpha alpha alpha alpha bravo.", "{lines:?}");
}

#[test]
fn a_tool_is_called_and_the_reply_goes_on_with_its_result() {
    let parrot = Parrot::default();
    let conversation = simulate(&parrot, "300 time 500");
    let lines = timelines(&conversation);
    assert_eq!(lines.turns()[0].tools, ["clock"]);
    assert_eq!(lines.turns()[0].reply, "bravo bravo. delta bravo.");
    let asked = parrot.0.lock().unwrap().clone();
    let roles: Vec<_> = asked[1].iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool]);
}

/// Calls a tool whether it is given one or not, as an endpoint may.
#[derive(Clone, Default)]
struct Insistent(Arc<Mutex<Vec<Vec<ChatMessage>>>>);

impl Responder for Insistent {
    fn name(&self) -> &str {
        "insistent"
    }
    fn dialogue(&self, _now: Moment) -> rejoinder_models::Result<Box<dyn Dialogue>> {
        Ok(Box::new(self.clone()))
    }
}

impl Dialogue for Insistent {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        _tools: &[ToolSpec],
        _cancel: &Cancel,
        _on_text: &mut dyn FnMut(&str) -> std::ops::ControlFlow<()>,
    ) -> rejoinder_models::Result<Finish> {
        self.0.lock().expect("no test panicked here").push(messages.to_vec());
        Ok(Finish::Tool(ToolCall { name: "clock".to_owned(), arguments: serde_json::json!({}) }))
    }
}

#[test]
fn a_model_that_calls_tools_without_end_is_stopped() {
    let insistent = Insistent::default();
    let assistant = Assistant { responder: Arc::new(insistent.clone()), ..assistant(&Parrot::default()) };
    let conversation = SessionBuilder::new(&assistant).simulate(&speech("300 alpha 1500 time 500"), COST).unwrap();
    let lines = timelines(&conversation);
    let expected = "respond: the model calls `clock` after dialogue.max_tool_calls = 2 calls for one reply";
    assert_eq!(lines.turns()[0].failed.as_deref(), Some(expected));
    let asked = insistent.0.lock().unwrap().clone();
    assert_eq!(asked.len(), 6, "three times in each of two turns");
    let last = asked.last().unwrap();
    let (calls, results) = last.iter().fold((0, 0), |(calls, results), message| {
        (calls + usize::from(message.tool_call.is_some()), results + usize::from(message.role == Role::Tool))
    });
    assert_eq!((calls, results), (4, 4), "each call in the history has its result: {last:?}");
}

#[test]
fn silence_and_noise_without_words_get_no_reply() {
    let silence = SessionBuilder::new(&assistant(&Parrot::default()));
    let silence = silence.simulate(&Clip::new(vec![0.0; 80_000], RATE), COST).unwrap();
    assert_eq!(silence.events, []);
    let noise = simulate(&Parrot::default(), "300 hiss 500");
    assert!(noise.events.iter().any(|event| event.kind == EventKind::NoReply));
    assert!(!loud(&noise.assistant, 0.0, 10_000.0));
}

#[test]
fn the_same_conversation_happens_the_same_way_twice() {
    let run = || simulate(&Parrot::default(), "300 delta 1500 alpha 100 charlie 2500 time 700");
    let (first, second) = (run(), run());
    assert_eq!(first.events, second.events);
    assert_eq!(first.assistant, second.assistant);
}

#[test]
fn a_recording_at_another_rate_is_understood() {
    for hz in [8_000, 22_050, 44_100, 48_000] {
        let caller = speech("300 alpha charlie 500").at(SampleRate::hz(hz)).unwrap();
        let conversation = SessionBuilder::new(&assistant(&Parrot::default())).simulate(&caller, COST).unwrap();
        assert_eq!(timelines(&conversation).turns()[0].text, "alpha charlie", "at {hz} Hz");
    }
}

/// Says everything in other words.
struct Translate;

impl Stage for Translate {
    fn name(&self) -> &'static str {
        "translate"
    }
    fn handle(&mut self, message: Message, out: &mut Outbox<'_>) -> rejoinder::Result<()> {
        let body = match message.body {
            Body::Reply(text) => Body::Reply(text.replace("bravo", "delta")),
            body => body,
        };
        let _ = out.send(message.turn, body);
        Ok(())
    }
}

#[test]
fn a_stage_of_ones_own_can_be_inserted() {
    let builder = SessionBuilder::new(&assistant(&Parrot::default())).stage_after("respond", Translate);
    let conversation = builder.simulate(&speech("300 alpha 500"), COST).unwrap();
    assert!(conversation.events.iter().any(|e| e.kind == EventKind::WordPlayed { text: "delta.".to_owned() }));
    let missing = SessionBuilder::new(&assistant(&Parrot::default())).stage_after("respnd", Translate);
    let error = missing.simulate(&speech("300"), COST).unwrap_err().to_string();
    assert_eq!(error, "no stage named respnd; there are: listen, transcribe, respond, speak");
}

const DUCKED: EventKind = EventKind::Ducked { db: -60.0 };

fn events(conversation: &Conversation) -> impl Iterator<Item = &EventKind> {
    conversation.events.iter().map(|event| &event.kind)
}

fn words_played(conversation: &Conversation) -> usize {
    events(conversation).filter(|kind| matches!(kind, EventKind::WordPlayed { .. })).count()
}

/// A reply of thirty words, and something over it.
fn over_a_reply(script: &str) -> (Conversation, Parrot) {
    let parrot = Parrot::default();
    let mut assistant = assistant(&parrot);
    let backchannels = vec!["bravo".to_owned()];
    let config = RuleJudgeConfig { backchannels, settle_ms: 100.0, ..RuleJudgeConfig::default() };
    assistant.judge = Arc::new(RuleJudge::new(config));
    let caller = speech(&format!("300 delta 2000 {script} 500"));
    (SessionBuilder::new(&assistant).simulate(&caller, COST).expect("a conversation"), parrot)
}

#[test]
fn noise_and_backchannels_over_a_reply_cost_a_dip_and_not_the_reply() {
    for (script, verdict) in [("hiss", Verdict::Noise), ("bravo", Verdict::Backchannel)] {
        let (conversation, parrot) = over_a_reply(script);
        assert!(events(&conversation).any(|kind| *kind == EventKind::Judged { verdict }), "{script}");
        assert_eq!(words_played(&conversation), 30, "{script}: the reply is heard to its end");
        let lines = timelines(&conversation);
        let [turn] = lines.turns() else { panic!("one turn, not {:?}", lines.turns()) };
        assert!(!turn.interrupted && turn.ducked == 1);
        let at = |kind: EventKind| conversation.events.iter().find(|event| event.kind == kind).unwrap().at.ms();
        let (ducked, restored) = (at(DUCKED), at(EventKind::Restored));
        assert!(ducked < 2_500.0 + 100.0, "ducked at once, not at {ducked}");
        assert!(restored - ducked < 350.0, "a dip of {} ms", restored - ducked);
        assert!(!loud(&conversation.assistant, ducked + 30.0, restored - 1.0));
        assert!(loud(&conversation.assistant, restored + 20.0, restored + 60.0));
        assert_eq!(parrot.0.lock().unwrap().len(), 1, "nobody is answered twice");
    }
}

/// Words over a reply, some of them in white noise, or after it: the noise is judged first, then the words are heard. `width` gives
/// that of the noise from the peak of the words.
fn noise_then_words(script: &str, noisy: Range<usize>, width: impl Fn(f32) -> f32) {
    let mut assistant = assistant(&Parrot::default());
    assistant.judge = Arc::new(RuleJudge::new(RuleJudgeConfig::default()));
    let mut caller = speech(script);
    let width = width(caller.samples.iter().fold(0.0, |most, sample| most.max(sample.abs())));
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        width * ((state >> 8) as f32 / (1 << 24) as f32 - 0.5)
    };
    caller.samples[noisy].iter_mut().for_each(|sample| *sample += noise());
    let conversation = SessionBuilder::new(&assistant).simulate(&caller, COST).expect("a conversation");
    let judged: Vec<_> = events(&conversation).filter(|kind| matches!(kind, EventKind::Judged { .. })).collect();
    let [first, last] = judged[..] else { panic!("two verdicts, not {judged:?}") };
    assert_eq!(*first, EventKind::Judged { verdict: Verdict::Noise });
    assert_eq!(*last, EventKind::Judged { verdict: Verdict::Interruption });
    let heard = timelines(&conversation).turns()[1].text.clone();
    assert!(heard.ends_with("charlie alpha charlie"), "{heard}");
}

#[test]
fn who_speaks_over_a_noise_that_goes_on_is_heard() {
    noise_then_words("300 delta 3000 alpha charlie alpha charlie 1500", 24_000..72_000, |_| 0.34);
}

#[test]
fn a_noise_that_becomes_a_voice_of_its_loudness_is_heard() {
    let script = "300 delta 2700 alpha charlie alpha charlie alpha charlie alpha charlie 1500";
    noise_then_words(script, 24_000..52_800, |loudest| 2.0 * loudest);
}

#[test]
fn an_answer_at_the_very_end_of_a_reply_is_no_backchannel() {
    let parrot = Parrot::default();
    let mut assistant = assistant(&parrot);
    let backchannels = vec!["bravo".to_owned()];
    let config = RuleJudgeConfig { backchannels, settle_ms: 100.0, ..RuleJudgeConfig::default() };
    assistant.judge = Arc::new(RuleJudge::new(config));
    let caller = speech("300 alpha alpha alpha 1000 bravo 500");
    let conversation = SessionBuilder::new(&assistant).simulate(&caller, COST).unwrap();
    assert_eq!(timelines(&conversation).turns().len(), 2);
    assert_eq!(timelines(&conversation).turns()[1].text, "bravo");
}

#[test]
fn an_interrupted_reply_is_silent_at_once() {
    let (conversation, _) = over_a_reply("alpha");
    let at = |kind: EventKind| conversation.events.iter().find(|event| event.kind == kind).unwrap().at.ms();
    let onset = 2_500.0;
    assert!(at(DUCKED) - onset < 90.0, "60 ms make speech, in frames of 16 ms");
    assert!(!loud(&conversation.assistant, onset + 120.0, at(EventKind::Interrupted) + 50.0));
}

#[test]
fn a_reply_is_begun_ahead_and_plays_the_moment_the_turn_is_over() {
    let conversation = simulate(&Parrot::default(), "500 alpha charlie 600");
    let lines = timelines(&conversation);
    let turn = &lines.turns()[0];
    assert!(turn.first_token < turn.endpoint);
    let wait = turn.first_audio.unwrap().ms() - turn.endpoint.unwrap().ms();
    assert!(wait.abs() <= 10.0, "{wait} ms");
    assert!(events(&conversation).any(|kind| *kind == EventKind::SpeculationKept));
}

#[test]
fn a_reply_that_was_begun_ahead_is_dropped_unheard_when_the_caller_goes_on() {
    let parrot = Parrot::default();
    let conversation = simulate(&parrot, "500 alpha 300 charlie 300 alpha 300 delta charlie 600");
    let lines = timelines(&conversation);
    let [turn] = lines.turns() else { panic!("one turn, not {:?}", lines.turns()) };
    assert_eq!(turn.text, "alpha charlie alpha delta charlie");
    assert_eq!(turn.reply, "alpha charlie alpha delta charlie bravo.");
    assert_eq!((turn.dropped, turn.interrupted), (2, false), "two starts are allowed, and the third pause has none");
    assert!(turn.wasted_tokens >= 4 && turn.wasted_audio_ms >= 400.0, "{turn:?}");
    assert!(!loud(&conversation.assistant, 0.0, turn.endpoint.unwrap().ms()));
    let asked = parrot.0.lock().unwrap().clone();
    let asked: Vec<_> = asked.iter().map(|messages| messages.last().unwrap().content.as_str()).collect();
    assert_eq!(asked, ["alpha", "alpha charlie", "alpha charlie alpha delta charlie"]);
}

fn with_policy(script: &str, change: impl FnOnce(&mut TurnTaking)) -> Conversation {
    let mut assistant = assistant(&Parrot::default());
    change(&mut assistant.turn_taking);
    SessionBuilder::new(&assistant).simulate(&speech(script), COST).expect("a conversation")
}

#[test]
fn a_silent_caller_is_asked_once_and_answers_later() {
    let conversation = with_policy("300 alpha 9000 charlie 500", |turn_taking| {
        turn_taking.policy.no_answer = Some(Samples(32_000));
        turn_taking.prompt = "alpha bravo".to_owned();
    });
    let prompts = conversation.events.iter().filter(|event| event.kind == EventKind::Prompted);
    assert_eq!(prompts.count(), 1);
    let lines = timelines(&conversation);
    let said: Vec<_> = lines.turns().iter().map(|turn| (turn.text.as_str(), turn.reply.as_str())).collect();
    assert_eq!(said, [("alpha", "alpha bravo."), ("", "alpha bravo"), ("charlie", "charlie bravo.")]);
    assert!(lines.turns()[1].first_audio.unwrap().ms() - lines.turns()[0].audio_end.unwrap().ms() < 2_100.0);
}

#[test]
fn noise_is_no_reason_to_ask_again_nor_to_ask_who_never_spoke() {
    for (script, expected) in [("300 alpha 6000 hiss 6000 hiss 6000", 1), ("300 hiss 6000", 0)] {
        let ask = |turn_taking: &mut TurnTaking| turn_taking.policy.no_answer = Some(Samples(32_000));
        let conversation = with_policy(script, ask);
        let prompts = conversation.events.iter().filter(|event| event.kind == EventKind::Prompted);
        assert_eq!(prompts.count(), expected, "{script}");
    }
}

#[test]
fn only_the_wake_phrase_opens_a_conversation_and_it_falls_asleep_again() {
    let conversation = with_policy("300 charlie 1000 time alpha 3000 charlie time 6000 alpha 1000", |turn_taking| {
        turn_taking.wake = Phrase::new("time");
        turn_taking.policy.follow_up = Some(Samples(48_000));
    });
    let lines = timelines(&conversation);
    let said: Vec<_> = lines.turns().iter().map(|turn| turn.reply.as_str()).collect();
    assert_eq!(said, ["alpha bravo.", "charlie time bravo."], "{lines:?}");
}

#[test]
fn in_half_duplex_nobody_is_heard_while_the_assistant_speaks() {
    let conversation = with_policy("300 delta 2000 alpha 9000", |turn_taking| turn_taking.policy.half_duplex = true);
    assert_eq!(timelines(&conversation).turns().len(), 1);
    assert_eq!(words_played(&conversation), 30);
}

#[test]
fn in_half_duplex_who_talks_on_after_the_reply_is_heard_from_there() {
    let script = "300 charlie 450 alpha alpha alpha alpha alpha alpha 900";
    let conversation = with_policy(script, |turn_taking| turn_taking.policy.half_duplex = true);
    let lines = timelines(&conversation);
    let [first, second] = lines.turns() else { panic!("two turns, not {:?}", lines.turns()) };
    assert_eq!(first.reply, "charlie bravo.");
    assert!(second.text.starts_with("alpha") && second.text.matches("alpha").count() < 6, "{lines:?}");
    assert!(second.speech_start > first.first_audio, "{lines:?}");
}

#[test]
fn a_talk_button_makes_the_turns() {
    let mut assistant = assistant(&Parrot::default());
    assistant.turn_taking.policy.push_to_talk = true;
    let ms = Position::from_ms;
    let conversation = SessionBuilder::new(&assistant)
        .control_at(ms(1_000.0), Control::Press)
        .control_at(ms(2_200.0), Control::Release)
        .simulate(&speech("300 charlie 700 alpha 600 delta 1000 charlie 500"), COST)
        .unwrap();
    let lines = timelines(&conversation);
    let [turn] = lines.turns() else { panic!("one turn, not {:?}", lines.turns()) };
    assert_eq!(turn.text, "alpha delta");
    assert!((turn.endpoint.unwrap().ms() - 2_200.0).abs() < 5.0, "{turn:?}");
}

#[test]
fn a_press_of_the_button_without_a_word_ends_the_reply_for_good() {
    let simulate = |buttons: &[(f64, Control)]| {
        let parrot = Parrot::default();
        let builder = SessionBuilder::new(&assistant(&parrot));
        let builder =
            buttons.iter().fold(builder, |builder, (ms, control)| builder.control_at(Position::from_ms(*ms), *control));
        let conversation = builder.simulate(&speech("300 delta 9000"), COST).unwrap();
        let asked = parrot.0.lock().unwrap().len();
        (conversation, asked)
    };
    let (whole, _) = simulate(&[]);
    let begun = timelines(&whole).turns()[0].first_audio.unwrap().ms();
    // Nothing of the reply was heard yet.
    let (tapped, asked) = simulate(&[(begun + 40.0, Control::Press), (begun + 300.0, Control::Release)]);
    assert_eq!((asked, words_played(&tapped)), (1, 0), "{:?}", timelines(&tapped));
    assert!(!loud(&tapped.assistant, begun + 400.0, begun + 6_000.0));
}

#[test]
fn a_muted_microphone_hears_nothing() {
    let builder = SessionBuilder::new(&assistant(&Parrot::default()));
    let builder =
        builder.control_at(Position(0), Control::Mute).control_at(Position::from_ms(1_000.0), Control::Unmute);
    let conversation = builder.simulate(&speech("300 charlie 1000 alpha 500"), COST).unwrap();
    assert_eq!(timelines(&conversation).turns()[0].text, "alpha");
}
