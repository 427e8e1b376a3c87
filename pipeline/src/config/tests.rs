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
    assert_eq!(config.turn_taking, TurnTaking::default());
    assert_eq!(config.audio, AudioConfig::default());
    assert!(config.tools.iter().any(|name| name == "clock"));
}

#[test]
fn mistakes_are_told_in_one_line_with_the_key_and_what_is_allowed() {
    for (extra, expected) in [
        ("[vad]\nkind = \"earshot\"\nmode = 4", "unknown field `mode`"),
        ("[vad]\nkind = \"earshod\"", "unknown variant `earshod`, expected one of `earshot`, `webrtc`, `silero`"),
        ("[audio.enhance]\nnoise = \"some\"", "unknown variant `some`, expected one of `low`, `moderate`, `high`"),
        ("[audio.enhance]\nnoise = true", "expected one of low, moderate, high, very_high"),
        (
            "[audio.enhance]\nnoise = \"low\"\ndenoiser = \"d\"",
            "audio.enhance.denoiser: expected `noise` or `denoiser`, found both",
        ),
        ("[audio.enhance]\ndenoiser = \"nowhere\"", "audio.enhance.denoiser: "),
        ("[audio.enhance]\nmax_gain_db = 99", "audio.enhance.max_gain_db: expected 0 to 50, found 99"),
        (
            "[segments]\nmin_silence_ms = 700",
            "segments.min_silence_ms: expected at most 600, as turn.hangover_ms is, found 700",
        ),
        ("[turn]\nhangover_ms = -3", "turn.hangover_ms: expected 1 to 10000, found -3"),
        ("[turn]\nend = { model = \"asr-en\", threshold = 2 }", "turn.end.threshold: expected 0 to 1, found 2"),
        ("[turn]\nend = { model = \"nowhere\" }", "turn.end.model: "),
        ("[turn]\nhangover_ms = \"long\"", "line 2: invalid type: string \"long\", expected a number"),
        ("[speculation]\nmax_starts = -4", "line 2: invalid value: integer `-4`, expected a whole number from 0 on"),
        ("[turn]\npatience_ms = 500", "turn.patience_ms: expected 600 to 20000, found 500"),
        (
            "[turn]\nmin_silence_ms = 700",
            "turn.min_silence_ms: expected less than 600, as turn.hangover_ms is, found 700",
        ),
        ("[turn]\nno_answer = { after_ms = 5 }", "turn.no_answer.after_ms: expected 1000 to 600000, found 5"),
        ("[turn]\nno_answer = { after_ms = 5000, prompt = \"?\" }", "turn.no_answer.prompt: expected something to say"),
        (
            "[turn]\nwake = { phrase = \"hi\", follow_up_ms = 5000 }\nno_answer = { after_ms = 6000 }",
            "turn.no_answer.after_ms: expected at most 5000, as turn.wake.follow_up_ms is",
        ),
        ("[turn]\nend = { model = \"turn-en\", after_ms = 650 }", "turn.end.after_ms: expected 0 to 600, found 650"),
        ("[turn]\nwake = { phrase = \"\" }", "turn.wake.phrase: expected words, found none"),
        ("[turn]\nwake = { phrase = \"hi\", threshold = 0.4 }", "turn.wake.threshold: nothing to compare it with"),
        ("[turn]\nwake = { phrase = \"hi\", model = \"nowhere\" }", "turn.wake.model: nowhere: no such model"),
        ("[turn]\npush_to_talk = true\nwake = { phrase = \"hello\" }", "turn.wake: a phrase opens nothing where"),
        ("[interruption]\nduck_db = 3", "interruption.duck_db: expected -120 to 0, found 3"),
        ("[interruption]\nmin_speech_ms = -1", "interruption.min_speech_ms: expected 0 to 1000, found -1"),
        ("[interruption]\nthreshold = 1.5", "interruption.threshold: expected 0 to 1, found 1.5"),
        ("[interruption]\nwindow_ms = 1", "interruption.window_ms: expected 100 to 5000, found 1"),
        (
            "[interruption.judge]\nnoise_ms = 2000",
            "interruption.judge.noise_ms: expected at most 1200, as interruption",
        ),
        (
            "[interruption]\nwindow_ms = 900",
            "interruption.judge.sure_ms: expected at most 900, as interruption.window_ms",
        ),
        ("[interruption.judge]\nvoiced = 2", "interruption.judge.voiced: expected 0 to 1, found 2"),
        ("[speculation]\nmax_held_ms = -1", "speculation.max_held_ms: expected 0 to 4000, found -1"),
        ("[speculation]\nstarts = 1", "unknown field `starts`"),
        ("[vad]\nkind = \"webrtc\"\nhysteresis = { threshold = 2 }", "vad.hysteresis: threshold of the voice activity"),
        (
            "[segments]\nmin_speech_ms = -1",
            "min_speech_ms of the voice activity segmenter: expected 0 to 60000, found -1",
        ),
        ("[clauses]\nmax_chars = 0", "clauses.max_chars: expected 1 or more, found 0"),
        ("[vad]\nkind = \"silero\"\npath = \"nowhere.onnx\"", "vad.path: nowhere.onnx: no such model"),
        ("[vad]\nkind = \"crdnn\"\nmodel = \"nope\"", "vad.model: nope: no such model"),
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
fn a_latency_is_one_of_the_bundles() {
    let text = |chunk_ms: &str| with("").replacen("\".\"", &format!("\"asr-en\"\n{chunk_ms}"), 1);
    let latency = parse(&text("chunk_ms = 320")).unwrap().latency;
    assert_eq!(latency, LatencyChoice { chunk_ms: Some(320.0), left_ms: None });
    let error = parse(&text("chunk_ms = 640")).unwrap_err().to_string();
    assert!(error.starts_with("test.toml: asr: ") && error.lines().count() == 1, "{error}");
    assert!(error.ends_with("chunk_ms and left_ms: expected 320 and 3200, found 640 and any"), "{error}");
}

#[test]
fn a_key_is_taken_from_the_environment_only() {
    let text = with("").replace("kind = \"openai\"", "kind = \"openai\"\napi_key_variable = \"NO_SUCH_VARIABLE_HERE\"");
    let error = parse(&text).unwrap_err().to_string();
    assert_eq!(error, "test.toml: llm.api_key_variable: NO_SUCH_VARIABLE_HERE is not in the environment");
}

#[test]
fn turn_taking_is_what_was_written() {
    let text = "[turn]\nwake = { phrase = \"hey rejoinder\", follow_up_ms = 5000 }\nhalf_duplex = true\n\
                no_answer = { after_ms = 4000 }\n[interruption]\nduck_db = -90\n[speculation]\nmax_starts = 0";
    let TurnTaking { policy, wake, prompt, duck_db, .. } = parse(&with(text)).unwrap().turn_taking;
    assert_eq!(wake.unwrap().strip("hey rejoinder go"), "go");
    assert_eq!((policy.follow_up.unwrap().0, policy.no_answer.unwrap().0), (80_000, 64_000));
    assert!(policy.half_duplex && policy.max_starts == 0 && prompt == "Are you still there?");
    assert_eq!(duck_db, -60.0);
}

#[test]
fn a_variant_of_a_configuration_says_what_differs() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/assistants"));
    let variant = |text: &str| Config::parse(&format!("include = \"default.toml\"\n{text}"), &folder.join("mine.toml"));
    let base = Config::load(folder.join("default.toml")).unwrap();
    let slower = variant("[turn]\nhangover_ms = 790").unwrap();
    assert_eq!(slower.turn_detector, base.turn_detector);
    assert_eq!(slower.turn_taking.policy.min_silence, base.turn_taking.policy.min_silence);
    assert!(slower.turn_taking.policy.hangover > base.turn_taking.policy.hangover);
    let asked = variant("[llm]\nkind = \"openai\"\nendpoint = { url = \"http://localhost:1/v1\" }").unwrap();
    assert!(matches!(asked.responder, ResponderConfig::OpenAi(_)));
    let wrong = |text: &str| variant(text).unwrap_err().to_string();
    let error = wrong("[turn]\nhangover = 900");
    assert!(error.contains("mine.toml: unknown field `hangover`") && error.lines().count() == 1, "{error}");
    assert!(wrong("[turn]\nhangover_ms = \"long\"").contains("expected a number"));
}

#[test]
fn an_assistants_answers_come_from_one_place() {
    for (llm, expected) in [
        ("kind = \"llama\"", "llm.model: expected a bundle's name or a GGUF file, found nothing"),
        ("kind = \"openai\"", "llm.endpoint: expected a table with a url, found nothing"),
        ("kind = \"openai\"\nmodel = \"lm-en\"", "llm: model and options are for kind = \"llama\"; found \"openai\""),
        ("kind = \"llama\"\nmodel = \"lm-en\"\noptions = { threads = 0 }", "llm.options.threads: expected 1 to 256"),
        ("kind = \"llama\"\nmodell = \"lm-en\"", "line 7: unknown field `modell`"),
    ] {
        let error =
            parse(&format!("[asr]\nmodel = \".\"\n[tts]\nmodel = \".\"\n[llm]\n{llm}")).unwrap_err().to_string();
        assert!(error.starts_with("test.toml: ") && error.contains(expected), "{llm}: {error}");
    }
}

#[test]
fn the_written_out_configuration_shows_the_defaults() {
    let text = include_str!("../../../configs/assistants/turn_taking.toml");
    let raw: RawConfig = toml::from_str(text).unwrap();
    let turn = RawTurn { end: None, no_answer: None, wake: None, ..raw.turn };
    assert_eq!((turn, raw.segments), (RawTurn::default(), SegmenterConfig::default()));
    assert_eq!((raw.interruption, raw.speculation), (RawInterruption::default(), RawSpeculation::default()));
}
