use super::*;

fn parse(text: &str) -> Result<Config> {
    Config::parse(text, Path::new("test.toml"))
}

fn with(extra: &str) -> String {
    let endpoint = "[llm]\nkind = \"openai\"\n[llm.endpoint]\nurl = \"http://localhost:1/v1\"\n";
    format!("{extra}\n[asr]\nmodel = \".\"\n[tts]\nmodel = \".\"\n{endpoint}")
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse(&with("")).unwrap();
    assert_eq!(config.policy.silence, Samples(9_600));
    assert_eq!(config.audio, AudioConfig::default());
    assert!(config.tools.iter().any(|name| name == "clock"));
}

#[test]
fn mistakes_are_told_in_one_line_with_the_key_and_what_is_allowed() {
    for (extra, expected) in [
        ("[vad]\nkind = \"earshot\"\ntreshold = 0.4", "unknown field `treshold`"),
        ("[vad]\nkind = \"earshod\"", "unknown variant `earshod`, expected one of `earshot`, `webrtc`, `silero`"),
        ("[turn]\nsilence_ms = -3", "turn.silence_ms: expected 0 to 10000, found -3"),
        ("[turn]\nsilence_ms = \"long\"", "line 2: invalid type: string \"long\", expected f64"),
        ("[segments]\nthreshold = 2.0", "threshold of the voice activity segmenter: expected 0 to 1, found 2"),
        ("[dialogue]\ntools = [\"clok\"]", "dialogue.tools: expected"),
        ("[dialogu]\nmemory = 3", "unknown field `dialogu`"),
        ("[runtime]\nthreads = 0", "runtime.threads: expected 1 to 256, found 0"),
        ("[turn", "line 1:"),
    ] {
        let error = parse(&with(extra)).unwrap_err().to_string();
        assert!(error.starts_with("test.toml: ") && error.contains(expected), "{extra}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_model_that_is_not_there_is_named_with_its_key() {
    let error = parse(&with("").replacen("\".\"", "\"no-such-model\"", 1)).unwrap_err().to_string();
    assert!(error.starts_with("test.toml: asr.model: no-such-model: no such model"), "{error}");
}

#[test]
fn a_key_is_taken_from_the_environment_only() {
    let text = with("").replace("kind = \"openai\"", "kind = \"openai\"\napi_key_variable = \"NO_SUCH_VARIABLE_HERE\"");
    let error = parse(&text).unwrap_err().to_string();
    assert_eq!(error, "test.toml: llm.api_key_variable: NO_SUCH_VARIABLE_HERE is not in the environment");
}
