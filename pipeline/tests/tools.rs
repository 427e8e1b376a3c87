//! Tools in a conversation: calls that are tried ahead, and what tools tell of their own accord.

mod common;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Parrot, assistant, speech};
use rejoinder::sim::MOMENT;
use rejoinder::{Assistant, Calendar, Control, Conversation, Cost, EventKind, SessionBuilder, Timelines, Toolbox};
use rejoinder_models::Result;
use rejoinder_models::llm::tools::{Moment, Outcome, Tool, Tools};
use rejoinder_models::llm::{
    Cancel, ChatMessage, Dialogue, Finish, PromptTemplate, Responder, Role, ToolCall, ToolSpec,
};
use rejoinder_models::units::Position;
use serde_json::{Value, json};

const COST: Cost = Cost::Fixed { step: Duration::from_micros(200), output: Duration::from_millis(2) };

fn simulate(assistant: &Assistant, script: &str) -> Conversation {
    SessionBuilder::new(assistant).simulate(&speech(script), COST).expect("a conversation")
}

fn timelines(conversation: &Conversation) -> Timelines {
    conversation.events.iter().collect()
}

fn calls(conversation: &Conversation) -> usize {
    conversation.events.iter().filter(|event| matches!(event.kind, EventKind::ToolCalled { .. })).count()
}

/// Rings two seconds after each call, and says how often it was called.
#[derive(Clone, Default)]
struct Alarm {
    calls: usize,
    rings: Option<Moment>,
}

impl Tool for Alarm {
    fn spec(&self) -> ToolSpec {
        let (name, description) = ("clock".to_owned(), "rings".to_owned());
        ToolSpec { name, description, parameters: json!({"type": "object", "properties": {}}) }
    }

    fn fork(&self) -> Option<Box<dyn Tool>> {
        Some(Box::new(self.clone()))
    }

    fn call(&mut self, _arguments: &Value, now: Moment) -> Outcome {
        self.calls += 1;
        self.rings = Some(now.plus_ms(2_000));
        Ok(["alpha", "bravo"][self.calls - 1].to_owned())
    }

    fn next_due(&self) -> Option<Moment> {
        self.rings
    }

    fn due(&mut self, now: Moment) -> Vec<String> {
        self.rings.take_if(|rings| *rings <= now).map(|_| "charlie charlie".to_owned()).into_iter().collect()
    }
}

fn alarm() -> Assistant {
    let tools = Arc::new(|calendar| Toolbox::of(Tools::new(vec![Box::new(Alarm::default())]), calendar));
    Assistant { tools, ..assistant(&Parrot::default()) }
}

#[test]
fn a_call_that_cannot_be_taken_back_waits_for_the_turns_end() {
    let conversation = simulate(&assistant(&Parrot::default()), "300 time 500");
    let turns = timelines(&conversation);
    assert_eq!(turns.turns()[0].reply, "bravo bravo. delta bravo.");
    let written = conversation.events.iter().rfind(|event| matches!(event.kind, EventKind::ReplyText { .. }));
    assert!(written.unwrap().at >= turns.turns()[0].endpoint.unwrap());
}

#[test]
fn a_tool_is_not_called_for_a_turn_that_goes_on() {
    let conversation = simulate(&assistant(&Parrot::default()), "300 time 300 alpha 600");
    assert_eq!(calls(&conversation), 0);
    assert_eq!(timelines(&conversation).turns()[0].reply, "time alpha bravo.");
}

#[test]
fn a_call_that_can_be_taken_back_is_tried_ahead_and_told_once_it_counts() {
    let conversation = simulate(&alarm(), "300 time 500");
    let turns = timelines(&conversation);
    let turn = &turns.turns()[0];
    assert_eq!(turn.reply, "bravo bravo. alpha bravo.");
    let at = |wanted: fn(&EventKind) -> bool| conversation.events.iter().rfind(|event| wanted(&event.kind)).unwrap().at;
    assert!(at(|kind| matches!(kind, EventKind::ReplyText { .. })) < turn.endpoint.unwrap());
    assert!(at(|kind| matches!(kind, EventKind::ToolCalled { .. })) >= turn.endpoint.unwrap());
    let wait = turn.first_audio.unwrap().ms() - turn.endpoint.unwrap().ms();
    assert!(wait <= 10.0, "{wait} ms");
}

#[test]
fn a_call_that_was_tried_for_a_turn_that_went_on_never_happened() {
    let conversation = simulate(&alarm(), "300 time 300 alpha 1500 time 4000");
    let turns = timelines(&conversation);
    let replies: Vec<_> = turns.turns().iter().map(|turn| turn.reply.as_str()).collect();
    assert_eq!(replies, ["time alpha bravo.", "bravo bravo. alpha bravo.", "charlie charlie"]);
    assert_eq!((turns.turns()[0].dropped, calls(&conversation)), (1, 1));
}

#[test]
fn a_call_for_a_turn_that_was_cut_off_is_taken_back_before_its_reply_is_heard() {
    // The turn is over 20 ms before the caller goes on, and its reply is within its first word when that is certain.
    let script = "300 time 420 alpha 4000";
    let taken_back = |conversation: &Conversation| {
        let kept = |kind: &EventKind| matches!(kind, EventKind::ToolTakenBack { name } if name == "clock");
        conversation.events.iter().filter(|event| kept(&event.kind)).count()
    };
    let conversation = simulate(&alarm(), script);
    let lines = timelines(&conversation);
    assert_eq!((calls(&conversation), taken_back(&conversation)), (1, 1), "{lines:?}");
    assert_eq!(lines.turns().last().unwrap().reply, "time alpha bravo.", "nothing rings: {lines:?}");

    let parrot = Parrot::default();
    let conversation = simulate(&assistant(&parrot), script);
    assert_eq!((calls(&conversation), taken_back(&conversation)), (1, 0), "what reached out of the program stays");
    let asked = parrot.0.lock().unwrap().last().unwrap().clone();
    let said: Vec<_> = asked[1..].iter().map(|message| message.content.as_str()).collect();
    assert_eq!(said, ["time", "", "delta", "alpha"]);
}

#[test]
fn what_falls_due_is_told_when_nobody_speaks() {
    let conversation = simulate(&alarm(), "300 time 4000");
    let turns = timelines(&conversation);
    let [asked, told] = turns.turns() else { panic!("two turns, not {turns:?}") };
    assert_eq!((told.text.as_str(), told.reply.as_str()), ("", "charlie charlie"));
    let waited = told.first_audio.unwrap().ms() - asked.endpoint.unwrap().ms();
    assert!((1_500.0..2_300.0).contains(&waited), "{waited} ms");
    assert_eq!(conversation.events.iter().filter(|event| event.kind == EventKind::Reminded).count(), 1);

    // Of what is interrupted before its first word nothing was told.
    let ms = |late_ms| Position::from_ms(told.first_audio.unwrap().ms() + late_ms);
    let conversation = SessionBuilder::new(&alarm())
        .control_at(ms(20.0), Control::Press)
        .control_at(ms(500.0), Control::Release)
        .simulate(&speech("300 time 8000"), COST)
        .unwrap();
    let turns = timelines(&conversation);
    assert_eq!(conversation.events.iter().filter(|event| event.kind == EventKind::Reminded).count(), 2);
    let last = turns.turns().last().unwrap();
    assert!(last.reply == "charlie charlie" && last.finished, "{turns:?}");

    let conversation = simulate(&alarm(), "300 time 1200 delta alpha bravo alpha bravo alpha bravo 6000");
    let turns = timelines(&conversation);
    let replies: Vec<_> = turns.turns().iter().map(|turn| turn.reply.as_str()).collect();
    assert_eq!(replies[2..], ["charlie charlie"], "it waits for the end of the turn that it falls into");
    assert!(turns.turns()[2].first_audio > turns.turns()[1].audio_end);
}

/// Calls a tool, after a word or without one, and says then what it is told to.
#[derive(Clone)]
struct Caller {
    word: &'static str,
    then: fn() -> Result<Finish>,
    asked: Arc<Mutex<Vec<Vec<ChatMessage>>>>,
}

impl Caller {
    fn new(word: &'static str, then: fn() -> Result<Finish>) -> Self {
        Self { word, then, asked: Arc::default() }
    }
}

impl Responder for Caller {
    fn name(&self) -> &'static str {
        "caller"
    }

    fn dialogue(&self, _now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(self.clone()))
    }
}

impl Dialogue for Caller {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        _tools: &[ToolSpec],
        _cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        self.asked.lock().expect("no test panicked here").push(messages.to_vec());
        match messages.last().map(|last| (last.role, last.content.as_str())) {
            Some((Role::Tool, _)) => (self.then)(),
            Some((_, "bravo")) => {
                let _ = on_text("bravo.");
                Ok(Finish::Stop)
            }
            _ => {
                let _ = on_text(self.word);
                Ok(Finish::Tool(ToolCall { name: "clock".to_owned(), arguments: json!({}) }))
            }
        }
    }
}

#[test]
fn who_apologizes_has_done_nothing() {
    let fail = || Err(rejoinder_models::Error::Engine { engine: "caller", reason: "no answer".to_owned() });
    let responder = Arc::new(Caller::new("", fail));
    let apology = Some("delta delta.".to_owned());
    let assistant = |base: Assistant| Assistant { responder: responder.clone(), apology: apology.clone(), ..base };
    let of = |conversation: &Conversation| {
        let taken_back = |kind: &EventKind| matches!(kind, EventKind::ToolTakenBack { .. });
        conversation.events.iter().filter(|event| taken_back(&event.kind)).count()
    };
    let conversation = simulate(&assistant(alarm()), "300 time 5000");
    let lines = timelines(&conversation);
    let replies: Vec<_> = lines.turns().iter().map(|turn| turn.reply.as_str()).collect();
    assert_eq!((replies, of(&conversation)), (vec!["delta delta."], 1), "nothing rings");
    // What reached out of the program stays, and cannot be apologized for.
    let conversation = simulate(&assistant(common::assistant(&Parrot::default())), "300 time 5000");
    let lines = timelines(&conversation);
    assert_eq!(lines.turns()[0].failed.as_deref(), Some("respond: caller: no answer"));
    assert_eq!((lines.turns()[0].reply.as_str(), of(&conversation)), ("", 0));
}

#[test]
fn what_was_heard_of_a_reply_that_was_cancelled_is_not_taken_back() {
    let caller = Caller::new("alpha.", || Ok(Finish::Cancelled));
    let assistant = Assistant { responder: Arc::new(caller.clone()), ..alarm() };
    let conversation = simulate(&assistant, "300 time 1500 bravo 1000");
    let taken_back = conversation.events.iter().any(|event| matches!(event.kind, EventKind::ToolTakenBack { .. }));
    assert!(!taken_back, "{:?}", timelines(&conversation));
    let asked = caller.asked.lock().unwrap().last().unwrap().clone();
    let said: Vec<_> = asked[1..].iter().map(|message| message.content.trim()).collect();
    assert_eq!(said, ["time", "alpha.", "alpha", "bravo"]);
}

/// Says what a chat template says.
struct Dated(Option<Moment>);

impl Responder for Dated {
    fn name(&self) -> &str {
        "dated"
    }
    fn dialogue(&self, now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(Self(Some(now))))
    }
}

impl Dialogue for Dated {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        tools: &[ToolSpec],
        _cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let template = PromptTemplate::new("{{ strftime_now('%d %B %Y') }}", "", "")?;
        let _ = on_text(&template.render(messages, tools, self.0.expect("a conversation has begun"))?);
        Ok(Finish::Stop)
    }
}

#[test]
fn tools_and_a_template_that_asks_for_the_date_are_given_the_sessions() {
    let tools = Arc::new(|calendar| {
        assert_eq!(calendar, Calendar::Since(MOMENT));
        Toolbox::new(Vec::new(), |_, _| unreachable!())
    });
    let assistant = Assistant { responder: Arc::new(Dated(None)), tools, ..assistant(&Parrot::default()) }.metered();
    let builder = SessionBuilder::new(&assistant).begins_at(MOMENT);
    let conversation = builder.simulate(&speech("300 alpha 800"), COST).expect("a conversation");
    assert_eq!(timelines(&conversation).turns()[0].reply, "05 January 2026");
}

/// Says something, calls a tool, and goes on.
#[derive(Clone)]
struct Talker;

impl Responder for Talker {
    fn name(&self) -> &'static str {
        "talker"
    }

    fn dialogue(&self, _now: Moment) -> Result<Box<dyn Dialogue>> {
        Ok(Box::new(Self))
    }
}

impl Dialogue for Talker {
    fn reply(
        &mut self,
        messages: &[ChatMessage],
        _tools: &[ToolSpec],
        _cancel: &Cancel,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Finish> {
        let called = messages.iter().any(|message| message.tool_call.is_some());
        let _ = on_text(if called { "bravo." } else { "alpha alpha." });
        let call = ToolCall { name: "clock".to_owned(), arguments: json!({}) };
        Ok(if called { Finish::Stop } else { Finish::Tool(call) })
    }
}

#[test]
fn what_is_said_before_a_call_is_a_sentence_of_its_own() {
    let assistant = Assistant { responder: Arc::new(Talker), ..assistant(&Parrot::default()) };
    let lines = timelines(&simulate(&assistant, "300 alpha 2500"));
    assert_eq!(lines.turns()[0].reply, "alpha alpha.\nbravo.");
}

#[test]
fn a_function_gets_arguments_that_keep_its_schema() {
    let parameters = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let spec = ToolSpec { name: "count".to_owned(), description: "counts".to_owned(), parameters };
    let mut toolbox = Toolbox::new(vec![spec], |call, _| call.arguments["n"].to_string());
    let mut call = |arguments| toolbox.call(&ToolCall { name: "count".to_owned(), arguments }, Position(0));
    assert_eq!(call(json!({"n": 3, "more": null})), "3");
    assert_eq!(call(json!({"n": "many"})), "sorry, many is not a n that I know");
    assert_eq!(call(json!([])), "sorry, the arguments are not an object");
}
