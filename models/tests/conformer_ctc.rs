//! The streaming Conformer-CTC family, with the small net of random weights that `onnx/make.py` writes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use rejoinder_models::asr::{ConformerCtc, Decoding, Recognizer, Transcript, transcribe};
use rejoinder_models::card::{Bundle, LatencyChoice, ModelCard, NewFile};
use rejoinder_models::decode::ctc::{CtcConfig, Hotword};
use rejoinder_models::decode::ngram::{NgramConfig, count};
use rejoinder_models::features::{Fbank, FbankConfig};
use rejoinder_models::runtime::{ElementType, RuntimeConfig, RuntimeKind, Tensor, find_onnxruntime, open};
use rejoinder_models::text::Tokenizer;
use rejoinder_models::zoo::{list, open_recognizer, open_recognizer_with};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/recognizer.onnx")
}

/// The engine that is there: this suite is about the family, and `runtimes.rs` about engines.
fn config() -> RuntimeConfig {
    RuntimeConfig::default()
}

fn card_and_tokens() -> (ModelCard, String) {
    let runtime = open(&config()).unwrap();
    let bundle = Bundle::of_model(&file(), runtime.open(&file()).unwrap().as_ref()).unwrap().unwrap();
    (bundle.card().clone(), bundle.text("tokens").unwrap())
}

fn write_bundle(dir: &Path, change: impl FnOnce(&mut ModelCard)) -> Bundle {
    let (mut card, tokens) = card_and_tokens();
    change(&mut card);
    let net = std::fs::read(file()).unwrap();
    Bundle::write(dir, card, &[NewFile::new("model", "model.onnx", net), NewFile::new("tokens", "tokens.txt", tokens)])
        .unwrap()
}

fn recognizer() -> Arc<dyn Recognizer> {
    open_recognizer(&file(), &config()).unwrap()
}

/// Tones and noise that change every tenth of a second, so that the tokens do.
fn audio(samples: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let (mut hz, mut loud, mut noise) = (0.0, 0.0, 0.0);
    let mut phase = 0.0f32;
    let sample = |at| {
        if at % 1_600 == 0 {
            (hz, loud, noise) = (100.0 + 3_000.0 * random(), random().powi(2), random().powi(3));
        }
        phase += std::f32::consts::TAU * hz / 16_000.0;
        (0.3 * loud * phase.sin() + 0.3 * noise * (2.0 * random() - 1.0)).clamp(-1.0, 1.0)
    };
    (0..samples).map(sample).collect()
}

/// The recogniser's work written out again for a whole clip, without any of its code: all frames at once, cut with
/// the padding, one run a chunk, the best token of each frame.
fn by_hand(samples: &[f32]) -> String {
    let fbank = Fbank::new(FbankConfig::kaldi()).unwrap();
    let frames: Vec<f32> = fbank.compute(samples).unwrap().iter().map(|v| (v + 8.0) / 3.0).collect();
    let (total, bins, chunk, left) = (frames.len() / 80, 80, 32, 14);
    let frame = |at: i64| match usize::try_from(at) {
        Ok(at) if at < total => frames[at * bins..(at + 1) * bins].to_vec(),
        _ => vec![0.0; bins],
    };
    let model = open(&config()).unwrap().open(&file()).unwrap();
    let mut session = model.session().unwrap();
    let mut caches = [vec![1, 2, 8, 8], vec![1, 2, 8, 8], vec![1, 2, 16]].map(|s| Tensor::zeros(ElementType::F32, &s));
    let mut best = Vec::new();
    for begin in (0..total).step_by(chunk) {
        let x: Vec<f32> = (0..left + chunk).flat_map(|i| frame(begin as i64 - left as i64 + i as i64)).collect();
        let [k, v, conv] = caches;
        let inputs = vec![
            ("x", Tensor::f32(&[1, left + chunk, bins], x).unwrap()),
            ("cache_k", k),
            ("cache_v", v),
            ("cache_conv", conv),
            ("left_valid", Tensor::f32(&[1], vec![((begin / 8) as f32).min(8.0)]).unwrap()),
        ];
        let mut outputs = session.run(inputs, &["log_probs", "cache_k_out", "cache_v_out", "cache_conv_out"]).unwrap();
        caches = [outputs.remove(1), outputs.remove(1), outputs.remove(1)];
        let log_probs = outputs.remove(0).into_f32("log_probs").unwrap();
        for row in log_probs.rows().into_iter() {
            best.push((0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as u32);
        }
    }
    best.dedup();
    best.retain(|&id| id != 0);
    Tokenizer::parse(&card_and_tokens().1).unwrap().decode(&best)
}

#[test]
fn a_stream_gives_what_the_written_out_computation_gives() {
    let recognizer = recognizer();
    for (samples, seed) in [(0, 1), (100, 2), (5_120, 3), (16_000, 4), (40_001, 5), (80_000, 6)] {
        let audio = audio(samples, seed);
        let expected = by_hand(&audio);
        assert_eq!(transcribe(recognizer.as_ref(), &audio).unwrap().text, expected, "{samples} samples");
        assert!(samples < 16_000 || expected.split(' ').count() > 1, "the clip of {samples} samples has no words");
    }
}

#[test]
fn words_have_times_in_order_and_confidence() {
    let audio = audio(80_000, 6);
    let Transcript { text, words, .. } = transcribe(recognizer().as_ref(), &audio).unwrap();
    assert_eq!(words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>().join(" "), text);
    for pair in words.windows(2) {
        assert!(pair[0].start < pair[0].end && pair[0].end <= pair[1].start, "{pair:?}");
    }
    assert!(words.last().unwrap().end.0 <= 80_000 + 5_120);
    assert!(words.iter().all(|w| (0.0..=1.0).contains(&w.confidence)));
    assert!(words.iter().all(|w| w.start.0 % 1_280 == 0), "output frames are 80 ms apart");
}

#[test]
fn a_stream_is_as_new_after_flush_and_reset() {
    let (recognizer, audio) = (recognizer(), audio(30_000, 9));
    let mut stream = recognizer.stream().unwrap();
    let expected = transcribe(recognizer.as_ref(), &audio).unwrap();
    stream.push(&audio[..20_000]).unwrap();
    stream.reset();
    for _ in 0..2 {
        stream.push(&audio).unwrap();
        assert_eq!(stream.flush().unwrap(), expected);
        assert_eq!(stream.partial(), Transcript::default());
    }
}

#[test]
fn push_tells_when_the_partial_transcript_changes() {
    let (recognizer, audio) = (recognizer(), audio(60_000, 11));
    let mut stream = recognizer.stream().unwrap();
    let (mut last, mut changes) = (stream.partial(), 0);
    for piece in audio.chunks(160) {
        let changed = stream.push(piece).unwrap();
        let now = stream.partial();
        assert_eq!(changed, now.text != last.text);
        changes += usize::from(changed);
        last = now;
    }
    assert!(changes > 3);
}

#[test]
fn both_engines_hear_the_same() {
    if find_onnxruntime().is_none() {
        eprintln!("skipped: ONNX Runtime is not installed");
        return;
    }
    let audio = audio(60_000, 12);
    let texts = [RuntimeKind::Ort, RuntimeKind::Tract].map(|kind| {
        let recognizer = open_recognizer(&file(), &RuntimeConfig::of(kind)).unwrap();
        transcribe(recognizer.as_ref(), &audio).unwrap().text
    });
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn a_bundle_gives_what_its_lone_file_gives() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("tiny");
    write_bundle(&dir, |_| {});
    let audio = audio(40_000, 13);
    let bundled = open_recognizer(&dir, &config()).unwrap();
    assert_eq!(bundled.name(), "tiny");
    assert_eq!(transcribe(bundled.as_ref(), &audio).unwrap(), transcribe(recognizer().as_ref(), &audio).unwrap());
    let listed = list(root.path()).unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].bundle.as_ref().unwrap().card().licence, "CC0-1.0");
}

#[test]
fn hotwords_and_the_language_model_of_the_bundle_count() {
    let root = tempfile::tempdir().unwrap();
    let (card, tokens) = card_and_tokens();
    let lm = count(["a be", "ef i a", "i be ef"], &NgramConfig::default()).unwrap();
    let files = [
        NewFile::new("model", "model.onnx", std::fs::read(file()).unwrap()),
        NewFile::new("tokens", "tokens.txt", tokens),
        NewFile::new("lm", "lm.bin", lm.to_bytes()),
    ];
    Bundle::write(root.path(), card, &files).unwrap();
    let audio = audio(60_000, 14);
    let hear = |decoding: Decoding| {
        let recognizer = open_recognizer_with(root.path(), &config(), &LatencyChoice::default(), &decoding).unwrap();
        transcribe(recognizer.as_ref(), &audio).unwrap().text
    };
    let greedy = hear(Decoding::greedy());
    let known = |text: &str| text.split(' ').all(|word| ["a", "be", "ef", "i"].contains(&word));
    assert!(!known(&greedy), "{greedy}");
    let search = CtcConfig { lexicon_only: true, token_margin: 100.0, beam_margin: 100.0, ..CtcConfig::default() };
    let with_lm = hear(Decoding { search: Some(search), ..Decoding::default() });
    assert!(known(&with_lm) && with_lm.contains(' '), "{with_lm}");
    let search = CtcConfig { token_margin: 100.0, beam_margin: 100.0, ..CtcConfig::default() };
    let hotwords = vec![Hotword { text: "becd".into(), boost: 40.0 }];
    let preferred = hear(Decoding { search: Some(search), lm: false, hotwords, ..Decoding::default() });
    assert!(preferred.contains("becd") && !greedy.contains("becd"), "{preferred}");
}

/// Each mistake in a card is one line that names the key or the tensor.
#[test]
fn a_card_that_does_not_fit_its_file_is_refused() {
    type Change = fn(&mut ModelCard);
    let changes: [(Change, &str); 9] = [
        (|c| c.chunking = None, "the card lacks the table [chunking]"),
        (|c| c.features = None, "the card lacks the table [features]"),
        (|c| c.sample_rate = None, "the card lacks the key `sample_rate`"),
        (|c| c.states[0].input = "cache_q".into(), "the card names the input `cache_q`, which the file lacks"),
        (
            |c| c.states[1].shape[2] = 9,
            "the card says f32 of shape [1, 2, 9, 8], the file has f32 of shape [1, 2, 8, 8]",
        ),
        (|c| c.chunking.as_mut().unwrap().left_frames = 4, "`x`: card and tokens ask for f32 of shape [1, 36, 80]"),
        (|c| c.chunking.as_mut().unwrap().valid.as_mut().unwrap().input = "n".into(), "names the input `n`"),
        (|c| c.normalization.as_mut().unwrap().mean.truncate(3), "as many values in std as in mean"),
        (
            |c| drop(c.params.insert("blank".into(), toml::Value::Integer(99))),
            "blank: expected a number below 10, found 99",
        ),
    ];
    for (change, expected) in changes {
        let root = tempfile::tempdir().unwrap();
        let good = write_bundle(root.path(), |_| {});
        let mut card = good.card().clone();
        change(&mut card);
        std::fs::write(root.path().join("card.toml"), card.to_toml().unwrap()).unwrap();
        let message = open_recognizer(root.path(), &config()).err().unwrap().to_string();
        assert!(message.contains(expected), "expected {expected}, found {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn what_is_no_recogniser_is_told() {
    let linear = file().with_file_name("linear.onnx");
    let refused = |path: &Path| open_recognizer(path, &config()).err().unwrap().to_string();
    assert!(refused(&linear).contains("linear.onnx: the metadata lacks the key `rejoinder.card`"));
    assert!(refused(Path::new("no-such-model")).contains("no-such-model: no such model"));
    let root = tempfile::tempdir().unwrap();
    write_bundle(root.path(), |card| card.family = "whistling".into());
    assert!(refused(root.path()).contains("the family `whistling` is not known: expected conformer-ctc"));
    let (mut card, _) = card_and_tokens();
    card.task = rejoinder_models::card::Task::Vad;
    let root = tempfile::tempdir().unwrap();
    Bundle::write(root.path(), card, &[NewFile::new("model", "m.onnx", b"x")]).unwrap();
    assert!(refused(root.path()).contains("expected a model for asr, found one for vad"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any chunking of the audio gives the transcript of the whole, times and confidences included.
    #[test]
    fn any_chunking_gives_the_transcript_of_the_whole(
        seed in 0u32..1_000,
        samples in 0usize..30_000,
        sizes in proptest::collection::vec(0usize..6_000, 1..12),
        beam in any::<bool>(),
    ) {
        let search = if beam { CtcConfig { beam: 4, ..CtcConfig::default() } } else { CtcConfig::greedy() };
        let decoding = Decoding { search: Some(search), ..Decoding::default() };
        let runtime = open(&config()).unwrap();
        let model = runtime.open(&file()).unwrap();
        let bundle = Bundle::of_model(&file(), model.as_ref()).unwrap().unwrap();
        let recognizer = ConformerCtc::of_model(&bundle, model, runtime.as_ref(), &decoding).unwrap();
        let audio = audio(samples, seed);
        let whole = transcribe(&recognizer, &audio).unwrap();
        let mut stream = recognizer.stream().unwrap();
        let (mut rest, mut sizes) = (audio.as_slice(), sizes.into_iter().cycle());
        let mut turns = 0;
        while !rest.is_empty() && turns < 10_000 {
            let (piece, after) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            stream.push(piece).unwrap();
            rest = after;
            turns += 1;
        }
        stream.push(rest).unwrap();
        prop_assert_eq!(&stream.flush().unwrap(), &whole);
        let log_probs = recognizer.log_probs(&audio).unwrap();
        let other = recognizer.with_decoding(&bundle, &decoding).unwrap();
        prop_assert_eq!(other.decode(&log_probs).unwrap(), whole);
    }
}

/// Words of the net's four phones, which are called after their numbers.
const SOUNDS: &str = "<blk> 0\nP1 1\nP2 2\nP3 3\n";
const LEXICON: &str = "one P1\ntwo P2\nthree P3\nonetwo P1 P2\ntwothree P2 P3\n";

fn with_words(dir: &Path, sounds: &str) -> Bundle {
    let (mut card, tokens) = card_and_tokens();
    card.params.insert("lexicon".into(), toml::Table::from_iter([("beam".to_owned(), 8.into())]).into());
    let lm = count(
        ["one two", "three one", "onetwo three", "twothree"],
        &NgramConfig { order: 2, ..NgramConfig::default() },
    );
    let lm_file = dir.join("lm.tmp");
    lm.unwrap().write(&lm_file).unwrap();
    let files = [
        NewFile::new("model", "model.onnx", std::fs::read(file()).unwrap()),
        NewFile::new("tokens", "tokens.txt", tokens),
        NewFile::new("phones", "phones.txt", sounds),
        NewFile::new("lexicon", "lexicon.txt", LEXICON),
        NewFile::new("lm", "lm.bin", std::fs::read(&lm_file).unwrap()),
    ];
    std::fs::remove_file(lm_file).unwrap();
    Bundle::write(&dir.join("bundle"), card, &files).unwrap()
}

#[test]
fn with_a_lexicon_words_are_found_by_their_phones() {
    let root = tempfile::tempdir().unwrap();
    let bundle = with_words(root.path(), SOUNDS);
    let by_words = open_recognizer(bundle.root(), &config()).unwrap();
    let audio = audio(80_000, 6);
    let whole = transcribe(by_words.as_ref(), &audio).unwrap();
    let known: Vec<&str> = LEXICON.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(whole.words.len() > 2 && whole.words.iter().all(|word| known.contains(&word.text.as_str())), "{whole:?}");
    assert!(whole.words.iter().all(|word| word.start.0 % 640 == 0 && word.start < word.end), "frames are 40 ms apart");
    let mut stream = by_words.stream().unwrap();
    for piece in audio.chunks(777) {
        stream.push(piece).unwrap();
    }
    assert_eq!(stream.flush().unwrap(), whole);
    let net = ConformerCtc::open(&bundle, open(&config()).unwrap().as_ref(), &Decoding::default()).unwrap();
    assert_eq!(net.decode(&net.log_probs(&audio).unwrap()).unwrap(), whole);
    let greedy = net.with_decoding(&bundle, &Decoding::greedy()).unwrap();
    assert_eq!(transcribe(&greedy, &audio).unwrap().text, by_hand(&audio));
}

#[test]
fn a_phone_list_that_does_not_fit_the_net_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let bundle = with_words(root.path(), &format!("{SOUNDS}P4 4\n"));
    let message = open_recognizer(bundle.root(), &config()).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("5 phones") && message.contains("4 phones"), "{message}");
}
