//! The shipped language model behind llama.cpp's own server, which `make endpoint` fetches.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers may fail like the test, and say so")]

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rejoinder::{Assistant, Config, Cost, SessionBuilder, Timelines};
use rejoinder_models::audio;
use rejoinder_models::llm::openai::{OpenAiOptions, OpenAiResponder};
use rejoinder_models::llm::tools::{Moment, Tools, check_arguments};
use rejoinder_models::llm::{Cancel, ChatMessage, Finish, PERSONA, Responder, Role, ToolSpec};
use rejoinder_models::{Error, Result};
use serde_json::{Value, json};

const NOW: Moment = Moment::from_local_ms(0);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A server, which ends when its standard input does.
struct Server {
    process: Child,
    input: Option<ChildStdin>,
    address: String,
}

impl Server {
    /// None where the server was not fetched.
    fn start() -> Option<Self> {
        let packages = root().join(".runtime/llama-server");
        if !packages.join("xllamacpp").exists() {
            println!("skipped: no server in .runtime/llama-server; make endpoint fetches it");
            return None;
        }
        let mut process = Command::new("python3")
            .args([root().join("tests/peers/llama_server.py"), root().join("models/pretrained/lm-en/model.gguf")])
            .env("PYTHONPATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("http://"), "the server does not start: {address}");
        Some(Self { input: process.stdin.take(), process, address: address.trim().to_owned() })
    }

    fn options(&self, extra: Value) -> OpenAiOptions {
        let url = format!("{}/v1", self.address);
        serde_json::from_value(json!({"url": url, "max_tokens": 64, "extra": extra})).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

fn says(role: Role, content: &str) -> ChatMessage {
    ChatMessage { role, content: content.into(), tool_call: None }
}

fn ask(options: OpenAiOptions, question: &str, tools: &[ToolSpec]) -> (Result<Finish>, Vec<String>) {
    let mut pieces = Vec::new();
    let mut dialogue = OpenAiResponder::new(options).unwrap().dialogue(NOW).unwrap();
    let messages = [says(Role::System, PERSONA), says(Role::User, question)];
    let finish = dialogue.reply(&messages, tools, &Cancel::default(), &mut |piece| {
        pieces.push(piece.to_owned());
        ControlFlow::Continue(())
    });
    (finish, pieces)
}

#[test]
fn a_reply_is_streamed() {
    let Some(server) = Server::start() else { return };
    let (finish, pieces) = ask(server.options(json!({})), "hello", &[]);
    println!("{finish:?}: {pieces:?}");
    assert_eq!(finish.unwrap(), Finish::Stop);
    assert!(pieces.len() > 1 && !pieces[0].starts_with(' '), "{pieces:?}");
}

/// The shipped model writes calls only where a grammar holds it to their form, which the server does when one is
/// required.
#[test]
fn a_tool_is_called() {
    let Some(server) = Server::start() else { return };
    let tools = Tools::default().specs();
    let (finish, pieces) = ask(server.options(json!({"tool_choice": "required"})), "what time is it", &tools);
    println!("{finish:?}: {pieces:?}");
    let Finish::Tool(call) = finish.unwrap() else { panic!("no call: {pieces:?}") };
    let spec = tools.iter().find(|spec| spec.name == call.name).unwrap();
    check_arguments(&spec.parameters, &call.arguments).unwrap();
    assert_eq!(call.name, "clock");
}

#[test]
fn a_reply_is_cancelled_in_its_middle() {
    let Some(server) = Server::start() else { return };
    let cancel = Cancel::default();
    let mut dialogue = OpenAiResponder::new(server.options(json!({}))).unwrap().dialogue(NOW).unwrap();
    let messages = [says(Role::System, PERSONA), says(Role::User, "hello")];
    let (mut pieces, mut asked) = (0, Instant::now());
    let finish = dialogue.reply(&messages, &[], &cancel, &mut |_| {
        pieces += 1;
        asked = Instant::now();
        cancel.cancel();
        ControlFlow::Continue(())
    });
    println!("{finish:?} after {pieces} pieces, {:?}", asked.elapsed());
    assert_eq!(finish.unwrap(), Finish::Cancelled);
    assert!(asked.elapsed() < Duration::from_millis(200), "{:?}", asked.elapsed());
    let finish = dialogue.reply(&messages, &[], &Cancel::default(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(finish.unwrap(), Finish::Stop, "the dialogue stays usable");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let Some(server) = Server::start() else { return };
    let wrong_path = OpenAiOptions { url: format!("{}/v2", server.address), ..server.options(json!({})) };
    let gone = OpenAiOptions { url: "http://127.0.0.1:9/v1".into(), ..server.options(json!({})) };
    let wrong_field = server.options(json!({"temperature": "warm"}));
    for (options, expected) in [(wrong_path, "status 404"), (gone, "no connection to 127.0.0.1:9"), (wrong_field, "")] {
        let error: Error = ask(options, "hello", &[]).0.unwrap_err();
        println!("{error}");
        let error = error.to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_conversation_is_answered() {
    let Some(server) = Server::start() else { return };
    let mut assistant = Assistant::open(&Config::load_default().unwrap()).unwrap();
    assistant.responder = Arc::new(OpenAiResponder::new(server.options(json!({"tool_choice": "none"}))).unwrap());
    let caller = audio::read(root().join("tests/fixtures/audio/two_turns.wav")).unwrap();
    let conversation = SessionBuilder::new(&assistant).simulate(&caller, Cost::Measured).unwrap();
    let lines: Timelines = conversation.events.iter().collect();
    for turn in lines.turns() {
        println!("{:?} -> {:?}", turn.text, turn.reply);
    }
    assert_eq!(lines.turns().len(), 2, "{lines:?}");
    assert!(lines.turns().iter().all(|turn| !turn.text.is_empty() && !turn.reply.is_empty()), "{lines:?}");
}
