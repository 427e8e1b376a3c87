use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// A server for one request, which sends `answer` and keeps the request.
fn serve(answer: impl Into<String>) -> (OpenAiOptions, std::thread::JoinHandle<String>) {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut bytes = [0; 4096];
        loop {
            let count = stream.read(&mut bytes).unwrap();
            request.extend_from_slice(&bytes[..count]);
            let text = String::from_utf8_lossy(&request);
            let length =
                text.split("Content-Length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
            if let (Some((_, body)), Some(length)) = (text.split_once("\r\n\r\n"), length)
                && body.len() >= length
            {
                break;
            }
        }
        for piece in answer.as_bytes().chunks(37) {
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        String::from_utf8(request).unwrap()
    });
    let options = OpenAiOptions {
        url,
        model: "tiny".into(),
        api_key: Some("secret".into()),
        temperature: 0.0,
        max_tokens: 64,
        extra: serde_json::Map::from_iter([("seed".to_owned(), json!(7))]),
        timeout_ms: 5000,
    };
    (options, server)
}

#[test]
fn options_that_no_request_can_have_are_refused_and_keys_are_not_shown() {
    let options: OpenAiOptions = serde_json::from_value(json!({"url": "http://localhost:1/v1"})).unwrap();
    let refused = |options| OpenAiResponder::new(options).err().unwrap().to_string();
    let key = "not\nfor a header".to_owned();
    for (wrong, name) in [
        (OpenAiOptions { timeout_ms: 0, ..options.clone() }, "timeout_ms"),
        (OpenAiOptions { max_tokens: 0, ..options.clone() }, "max_tokens"),
        (OpenAiOptions { temperature: f32::NAN, ..options.clone() }, "temperature"),
        (OpenAiOptions { api_key: Some(key.into()), ..options.clone() }, "api_key"),
    ] {
        assert!(refused(wrong).contains(name));
    }
    let options = OpenAiOptions { api_key: Some("secret".into()), ..options };
    assert!(!format!("{options:?}").contains("secret"));
    assert!(!serde_json::to_string(&options).unwrap().contains("secret"));
}

fn user(content: &str) -> ChatMessage {
    ChatMessage { role: Role::User, content: content.into(), tool_call: None }
}

fn ask(options: OpenAiOptions, tools: &[ToolSpec]) -> (Result<Finish>, String) {
    let mut text = String::new();
    let mut dialogue = OpenAiResponder::new(options).unwrap().dialogue(Moment::from_local_ms(0)).unwrap();
    let finish = dialogue.reply(&[user("hello")], tools, &Cancel::default(), &mut |piece| {
        text.push_str(piece);
        ControlFlow::Continue(())
    });
    (finish, text)
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// Events in the form that llama.cpp's server streams.
#[test]
fn text_is_streamed_and_the_request_is_whole() {
    let (options, server) = serve(concat!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
        "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}],\"object\":\"chat.completion.chunk\"}\n\n",
        "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\" Hel\"}}]}\n\n",
        "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\"lo, é!\"}}]}\n\n",
        "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}]}\n\ndata: [DONE]\n\n",
    ));
    let (finish, text) = ask(options, &[]);
    assert_eq!((finish.unwrap(), text.as_str()), (Finish::Stop, "Hello, é!"));
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("Authorization: Bearer secret\r\n"));
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["messages"], json!([{"role": "user", "content": "hello"}]));
    assert_eq!((&body["stream"], &body["seed"]), (&json!(true), &json!(7)));
    assert!(body.get("tools").is_none());
}

#[test]
fn a_call_comes_together_from_its_pieces() {
    let events = [
        r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"clock","arguments":"{\"wh"}}]}}]}"#,
        r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"at\":\"time\"}"}}]}}]}"#,
        r#"data: {"choices":[{"finish_reason":"tool_calls","delta":{}}]}"#,
    ];
    let chunks: String = events.iter().map(|event| format!("{:x}\r\n{event}\n\n\r\n", event.len() + 2)).collect();
    let (options, server) = serve(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"));
    let spec =
        ToolSpec { name: "clock".into(), description: "Tells the time".into(), parameters: json!({"type": "object"}) };
    let (finish, text) = ask(options, &[spec]);
    let call = ToolCall { name: "clock".into(), arguments: json!({"what": "time"}) };
    assert_eq!((finish.unwrap(), text.as_str()), (Finish::Tool(call), ""));
    assert!(server.join().unwrap().contains("\"tools\":[{\"function\":{\"description\""));
}

#[test]
fn the_first_of_several_calls_is_taken_whatever_their_index() {
    let call = |index: u32, id: &str, name: &str| {
        format!(
            "data: {{\"error\":null,\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"index\":{index},\"id\":\"{id}\",\
             \"function\":{{\"name\":\"{name}\",\"arguments\":\"{{}}\"}}}}]}}}}]}}\n\n"
        )
    };
    let end = "data: {\"choices\":[{\"finish_reason\":\"tool_calls\",\"delta\":{}}]}\n\ndata: [DONE]\n\n";
    for second in [call(0, "b", "timer"), call(1, "b", "timer"), call(1, "", "timer")] {
        let (options, _server) = serve(format!("HTTP/1.1 200 OK\r\n\r\n{}{second}{end}", call(0, "a", "clock")));
        let call = ToolCall { name: "clock".into(), arguments: json!({}) };
        assert_eq!(ask(options, &[]).0.unwrap(), Finish::Tool(call), "{second}");
    }
}

#[test]
fn failures_say_what_the_endpoint_said() {
    let (options, _server) = serve(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 46\r\n\r\n{\"error\":{\"code\":503,\"message\":\"Loading model\"}}",
    );
    let error = ask(options, &[]).0.unwrap_err().to_string();
    assert!(error.contains("503") && error.contains("Loading model"), "{error}");
    for (answer, expected) in [
        (
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nno memory\r\n0\r\n\r\n",
            "the endpoint answered with status 503: no memory",
        ),
        ("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n", "the endpoint answered with status 301"),
        (
            "HTTP/1.1 200 OK\r\n\r\n<html>log\nin</html>",
            "the endpoint's answer is no stream of events: <html>log in</html>",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n{\"error\":{\"message\":\"no such model\"}}", "no such model"),
        ("HTTP/1.1 200 OK\r\n\r\n", "the endpoint's answer is empty"),
        ("\u{1}\u{2}", "an answer that is not HTTP"),
    ] {
        let error = ask(serve(answer).0, &[]).0.unwrap_err().to_string();
        assert_eq!(error, format!("openai: {expected}"));
    }
    let (options, _server) =
        serve("HTTP/1.1 200 OK\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n");
    assert!(ask(options, &[]).0.unwrap_err().to_string().contains("in the middle"));
    let called = "HTTP/1.1 200 OK\r\n\r\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"clock\"}}]}}]}\n\n";
    assert!(ask(serve(called).0, &[]).0.unwrap_err().to_string().contains("in the middle"));
    let (options, _server) = serve("HTTP/1.1 200 OK\r\n\r\ndata: {\"error\":{\"message\":\"context is full\"}}\n\n");
    assert!(ask(options, &[]).0.unwrap_err().to_string().contains("context is full"));
    let gone = OpenAiOptions { url: "http://127.0.0.1:9/v1".into(), ..serve(HEAD).0 };
    assert!(ask(gone, &[]).0.unwrap_err().to_string().contains("no connection to 127.0.0.1:9"));
}

#[test]
fn a_reply_that_is_done_needs_no_reason() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello.\"}}]}\n\ndata: [DONE]\n\n";
    let (finish, said) = ask(serve(format!("HTTP/1.1 200 OK\r\n\r\n{text}")).0, &[]);
    assert_eq!((finish.unwrap(), said.as_str()), (Finish::Stop, "Hello."));
}

#[test]
fn a_cancelled_reply_closes_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cancel = Cancel::default();
    let remote = cancel.clone();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(HEAD.as_bytes()).unwrap();
        stream.write_all(b"data: {\"choices\":[{\"delta\":{\"content\":\"Once\"}}]}\n\n").unwrap();
        remote.cancel();
        let mut bytes = [0; 4096];
        while !matches!(stream.read(&mut bytes), Ok(0) | Err(_)) {}
    });
    let options = OpenAiOptions { url, api_key: None, ..serve(HEAD).0 };
    let mut dialogue = OpenAiResponder::new(options).unwrap().dialogue(Moment::from_local_ms(0)).unwrap();
    let finish = dialogue.reply(&[user("a story")], &[], &cancel, &mut |_| ControlFlow::Continue(()));
    assert_eq!(finish.unwrap(), Finish::Cancelled);
    server.join().unwrap();
}

/// Nobody accepts at the address: its queue is full, so that a connection waits.
#[test]
fn a_cancelled_connection_is_given_up_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
    }
    let url = format!("http://{address}/v1");
    let options = OpenAiOptions { url, ..serve(HEAD).0 };
    let cancel = Cancel::default();
    let remote = cancel.clone();
    let mut dialogue = OpenAiResponder::new(options).unwrap().dialogue(Moment::from_local_ms(0)).unwrap();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        remote.cancel();
        std::time::Instant::now()
    });
    let finish = dialogue.reply(&[user("hi")], &[], &cancel, &mut |_| ControlFlow::Continue(()));
    let late = canceller.join().unwrap().elapsed();
    assert_eq!(finish.unwrap(), Finish::Cancelled);
    assert!(late < Duration::from_millis(500), "{late:?}");
}

#[test]
fn calls_and_results_are_linked_by_ids() {
    let call = ToolCall { name: "clock".into(), arguments: json!({"what": "time"}) };
    let messages = [
        user("time"),
        ChatMessage { role: Role::Assistant, content: String::new(), tool_call: Some(call) },
        ChatMessage { role: Role::Tool, content: "noon".into(), tool_call: None },
    ];
    let wire = wire_messages(&messages);
    assert_eq!(wire[1]["tool_calls"][0]["id"], "call_1");
    assert_eq!(wire[1]["tool_calls"][0]["function"]["arguments"], "{\"what\":\"time\"}");
    assert_eq!(wire[2], json!({"role": "tool", "tool_call_id": "call_1", "content": "noon"}));
}
