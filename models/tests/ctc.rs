//! CTC decoding against the sum over all alignments, a textbook prefix beam search, and pyctcdecode with KenLM, whose
//! results `golden/ctc/make.py` wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use rejoinder_models::decode::ctc::{CtcConfig, CtcDecoder, Hotword, Hypothesis, LmUnit, align};
use rejoinder_models::decode::ngram::{Ngram, NgramConfig, count};
use rejoinder_models::text::{Tokenizer, word_errors};
use serde_json::Value;

fn characters(text: &str) -> Arc<Tokenizer> {
    Arc::new(Tokenizer::characters(text.chars()).unwrap())
}

/// Nothing is pruned.
fn exhaustive() -> CtcConfig {
    CtcConfig { beam: 5000, top_tokens: 100, token_margin: 1e6, beam_margin: 1e6, ..CtcConfig::default() }
}

fn log_softmax(scores: &[f32], tokens: usize) -> Vec<f32> {
    let rows = scores.chunks_exact(tokens).flat_map(|row| {
        let sum = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
        row.iter().map(move |&x| (f64::from(x) - sum) as f32)
    });
    rows.collect()
}

fn collapse(path: &[u32]) -> Vec<u32> {
    let mut ids = path.to_vec();
    ids.dedup();
    ids.retain(|&id| id != 0);
    ids
}

/// For each text the probability of all its alignments, and the best of them.
fn all_alignments(frames: &[f32], tokens: usize) -> BTreeMap<Vec<u32>, (f64, f64, Vec<u32>)> {
    let length = frames.len() / tokens;
    let mut texts: BTreeMap<Vec<u32>, (f64, f64, Vec<u32>)> = BTreeMap::new();
    // The control piece <unk> has number 1 and never comes out.
    for number in 0..tokens.pow(length as u32) {
        let path: Vec<u32> = (0..length).map(|t| (number / tokens.pow(t as u32) % tokens) as u32).collect();
        if path.contains(&1) {
            continue;
        }
        let log_prob: f64 = path.iter().enumerate().map(|(t, &id)| f64::from(frames[t * tokens + id as usize])).sum();
        let entry = texts.entry(collapse(&path)).or_insert((0.0, f64::NEG_INFINITY, Vec::new()));
        entry.0 += log_prob.exp();
        if log_prob > entry.1 {
            (entry.1, entry.2) = (log_prob, path);
        }
    }
    texts
}

fn decode_all(decoder: CtcDecoder, frames: &[f32]) -> Vec<Hypothesis> {
    let mut stream = Arc::new(decoder).stream();
    stream.push(frames).unwrap();
    stream.finish_all()
}

proptest! {
    #[test]
    fn all_texts_have_the_sum_of_their_alignments(scores in prop::collection::vec(-3.0f32..3.0, 20)) {
        let frames = log_softmax(&scores, 5);
        let texts = all_alignments(&frames, 5);
        let found = decode_all(CtcDecoder::new(exhaustive(), characters("ab")).unwrap(), &frames);
        prop_assert_eq!(found.len(), texts.len());
        for hypothesis in found {
            let (sum, _, path) = &texts[&hypothesis.ids()];
            prop_assert!((hypothesis.log_prob - sum.ln()).abs() < 1e-5);
            prop_assert_eq!(hypothesis.score, hypothesis.log_prob);
            for (token, other) in hypothesis.tokens.iter().zip(hypothesis.tokens.iter().skip(1)) {
                prop_assert!(token.end <= other.start);
            }
            for token in &hypothesis.tokens {
                prop_assert!(path[token.start..token.end].iter().all(|&id| id == token.id));
                prop_assert!(token.start == 0 || path[token.start - 1] != token.id);
                prop_assert!(path.get(token.end) != Some(&token.id));
                let best = (token.start..token.end).map(|t| frames[t * 5 + token.id as usize]).reduce(f32::max);
                prop_assert_eq!(Some(token.log_prob), best);
            }
        }
    }

    #[test]
    fn given_tokens_lie_where_their_likeliest_alignment_has_them(scores in prop::collection::vec(-3.0f32..3.0, 20)) {
        let frames = log_softmax(&scores, 5);
        for (ids, (_, _, path)) in all_alignments(&frames, 5) {
            for (token, id) in align(&frames, 5, 0, &ids).iter().zip(&ids) {
                prop_assert_eq!(token.id, *id);
                prop_assert!(path[token.start..token.end].iter().all(|&id| id == token.id));
                prop_assert!(token.start == 0 || path[token.start - 1] != token.id);
                prop_assert!(path.get(token.end) != Some(&token.id));
            }
        }
    }

    #[test]
    fn the_language_model_is_added_to_each_text(scores in prop::collection::vec(-3.0f32..3.0, 20)) {
        let frames = log_softmax(&scores, 5);
        let tokenizer = characters("ab");
        let model = Arc::new(count(["a ab b", "ab ab", "b a"], &NgramConfig { order: 2, ..NgramConfig::default() }).unwrap());
        let config = CtcConfig { lm_weight: 0.7, word_bonus: 0.9, unknown_penalty: 2.0, ..exhaustive() };
        let texts = all_alignments(&frames, 5);
        let words = CtcDecoder::new(config.clone(), tokenizer.clone()).unwrap().with_lm(model.clone(), LmUnit::Word);
        for hypothesis in decode_all(words, &frames) {
            let text = hypothesis.text(&tokenizer);
            let read = model.perplexity([text.as_str()]);
            let expected = texts[&hypothesis.ids()].0.ln() + 0.7 * read.log_prob + 0.9 * (read.tokens - 1) as f64
                - 2.0 * read.unknown as f64;
            prop_assert!((hypothesis.score - expected).abs() < 1e-4, "{:?}: {} for {}", text, hypothesis.score, expected);
        }
        let pieces = Arc::new(count(["a ▁ a b ▁ b", "a b ▁ a b"], &NgramConfig::default()).unwrap());
        let decoder = CtcDecoder::new(config, tokenizer.clone()).unwrap().with_lm(pieces.clone(), LmUnit::Piece);
        for hypothesis in decode_all(decoder, &frames) {
            let text: Vec<&str> = hypothesis.tokens.iter().map(|t| tokenizer.piece(t.id).unwrap()).collect();
            let read = pieces.perplexity([text.join(" ").as_str()]);
            let expected = texts[&hypothesis.ids()].0.ln() + 0.7 * read.log_prob + 0.9 * (read.tokens - 1) as f64;
            prop_assert!((hypothesis.score - expected).abs() < 1e-4, "{:?}: {} for {}", text, hypothesis.score, expected);
        }
    }

    #[test]
    fn any_chunking_equals_the_whole(
        scores in prop::collection::vec(-4.0f32..6.0, 12 * 40),
        cuts in prop::collection::vec(0usize..7, 0..20),
        beam in 1usize..6,
    ) {
        let frames = log_softmax(&scores, 12);
        let model = Arc::new(count(["bad cab", "a fad"], &NgramConfig::default()).unwrap());
        let hotword = Hotword { text: "dig a".to_owned(), boost: 1.0 };
        let plain = || CtcDecoder::new(CtcConfig { beam, ..CtcConfig::default() }, characters("abcdefghi")).unwrap();
        for decoder in [plain(), plain().with_lm(model.clone(), LmUnit::Word).with_hotwords(std::slice::from_ref(&hotword)).unwrap()] {
            let decoder = Arc::new(decoder);
            let whole = decoder.decode(&frames).unwrap();
            let mut stream = decoder.stream();
            let mut rest = frames.as_slice();
            for cut in &cuts {
                let (piece, after) = rest.split_at((cut * 12).min(rest.len()));
                let before = stream.partial().ids();
                let changed = stream.push(piece).unwrap();
                prop_assert!(changed || before == stream.partial().ids());
                rest = after;
            }
            stream.push(rest).unwrap();
            prop_assert_eq!(stream.frames(), 40);
            prop_assert_eq!(&stream.finish(), &whole);
            stream.push(&frames).unwrap();
            prop_assert_eq!(stream.finish(), whole);
        }
    }

    #[test]
    fn any_values_are_decoded_or_refused(
        frames in prop::collection::vec(prop_oneof![
            8 => -60.0f32..0.0, 2 => Just(f32::NEG_INFINITY), 1 => Just(0.0f32)], 6 * 12),
        bad in prop::option::of((0usize..72, prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(3.0f32)])),
        lexicon_only: bool,
    ) {
        let model = Arc::new(count(["ab b", "b a"], &NgramConfig::default()).unwrap());
        let config = CtcConfig { beam: 3, lexicon_only, ..CtcConfig::default() };
        let decoder = CtcDecoder::new(config, characters("abc")).unwrap().with_lm(model, LmUnit::Word);
        let decoder = Arc::new(decoder.with_hotwords(&[Hotword { text: "cab".to_owned(), boost: -1.0 }]).unwrap());
        let mut frames = frames;
        if let Some((at, value)) = bad {
            frames[at] = value;
        }
        let hopeless = frames.chunks(6).any(|row| row.iter().all(|&x| x == f32::NEG_INFINITY));
        let result = decoder.decode(&frames);
        prop_assert_eq!(result.is_err(), bad.is_some() || hopeless);
        if let Err(error) = result {
            prop_assert!(error.to_string().contains("log probabilities"));
        }
    }
}

/// Frames in which each token is nearly certain, with `noise` spread over the others by a linear congruence.
fn peaky(ids: &[u32], tokens: usize, noise: f32, peak: f32, mut seed: u64) -> Vec<f32> {
    let mut scores = Vec::new();
    for &id in ids {
        for other in 0..tokens as u32 {
            seed = (seed * 1_103_515_245 + 12345) % (1 << 31);
            let control = if other == 1 { 100.0 } else { 0.0 };
            let random = noise * seed as f32 / (1u64 << 31) as f32;
            scores.push(random + if other == id { peak } else { 0.0 } - control);
        }
    }
    log_softmax(&scores, tokens)
}

#[test]
fn a_long_stream_keeps_its_tokens() {
    let tokenizer = characters("abcdefgh");
    let path: Vec<u32> = (0..30_000u32).map(|t| if t % 3 == 2 { 0 } else { 2 + t / 3 * 7 % 9 }).collect();
    let frames = peaky(&path, 11, 4.0, 9.0, 1);
    let decode = |beam| {
        let config = CtcConfig { beam, ..CtcConfig::default() };
        Arc::new(CtcDecoder::new(config, tokenizer.clone()).unwrap()).decode(&frames).unwrap()
    };
    let (greedy, wide) = (decode(1), decode(4));
    assert_eq!(greedy.ids(), collapse(&path));
    assert_eq!(wide.ids(), greedy.ids());
    assert_eq!(wide.tokens, greedy.tokens);
    assert!(wide.log_prob > greedy.log_prob);
    assert!((0.9..=1.0).contains(&wide.confidence()));
    let words = wide.words(&tokenizer);
    assert_eq!(words.len(), wide.text(&tokenizer).split_whitespace().count());
    assert!(words.windows(2).all(|pair| pair[0].end < pair[1].start));
}

#[test]
fn a_hotword_decides_and_half_of_one_does_not() {
    let tokenizer = characters("abcdefghijklmnopqrstuvwxyz");
    let path: Vec<u32> = tokenizer.encode("one oat latte").into_iter().flat_map(|id| [id, 0]).collect();
    let mut frames = peaky(&path, tokenizer.len(), 1.0, 8.0, 3);
    let (o, u) = (tokenizer.id("o").unwrap() as usize, tokenizer.id("u").unwrap() as usize);
    let at = 8 * tokenizer.len();
    frames.swap(at + o, at + u);
    frames[at + o] = frames[at + u] - 1.0;
    let text = |words: &[&str]| {
        let hotwords: Vec<Hotword> = words.iter().map(|w| Hotword { text: (*w).to_owned(), boost: 1.0 }).collect();
        let decoder = CtcDecoder::new(CtcConfig::default(), tokenizer.clone()).unwrap();
        let best = Arc::new(decoder.with_hotwords(&hotwords).unwrap()).decode(&frames).unwrap();
        (best.text(&tokenizer), best.score - best.log_prob)
    };
    assert_eq!(text(&[]).0, "one uat latte");
    assert_eq!(text(&["oat latte"]).0, "one oat latte");
    let (half, boost) = text(&["oat latter", "oatmeal", "on"]);
    assert_eq!(half, "one uat latte");
    assert!(boost.abs() < 1e-5, "{boost}");
}

#[test]
fn only_known_words_come_out_of_a_lexicon() {
    let tokenizer = characters("abcdefghijklmnopqrstuvwxyz");
    let model: Arc<Ngram> = Arc::new(count(["one oat latte", "two bats"], &NgramConfig::default()).unwrap());
    let path: Vec<u32> = tokenizer.encode("one oot batte").into_iter().flat_map(|id| [id, 0]).collect();
    let frames = peaky(&path, tokenizer.len(), 3.0, 6.0, 5);
    let config = CtcConfig { lexicon_only: true, beam: 64, top_tokens: 40, beam_margin: 60.0, ..CtcConfig::default() };
    let decoder = CtcDecoder::new(config, tokenizer.clone()).unwrap().with_lm(model.clone(), LmUnit::Word);
    let text = Arc::new(decoder).decode(&frames).unwrap().text(&tokenizer);
    assert_eq!(text, "one oat latte");
}

#[test]
fn bad_configs_and_lengths_are_refused() {
    let tokenizer = characters("ab");
    for (config, wanted) in [
        (CtcConfig { blank: 9, ..CtcConfig::default() }, "blank"),
        (CtcConfig { beam: 0, ..CtcConfig::default() }, "beam"),
        (CtcConfig { token_margin: f32::NAN, ..CtcConfig::default() }, "token_margin"),
        (CtcConfig { lm_weight: f32::INFINITY, ..CtcConfig::default() }, "lm_weight"),
    ] {
        assert!(CtcDecoder::new(config, tokenizer.clone()).unwrap_err().to_string().contains(wanted));
    }
    let decoder = Arc::new(CtcDecoder::new(CtcConfig::greedy(), tokenizer).unwrap());
    assert!(decoder.decode(&[-1.0; 7]).unwrap_err().to_string().contains("multiple of 5"));
    assert_eq!(decoder.decode(&[]).unwrap(), Hypothesis::default());
}

#[test]
fn finds_what_others_find() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("ctc/golden.json")).unwrap()).unwrap();
    let tokenizer = characters("'abcdefghijklmnopqrstuvwxyz");
    let model = Arc::new(Ngram::read_arpa(folder.join("ngram/pruned.arpa")).unwrap());
    let weight = |name: &str| golden["weights"][name].as_f64().unwrap() as f32;
    let exact = CtcConfig { beam: 50, ..exhaustive() };
    let plain = Arc::new(CtcDecoder::new(exact, tokenizer.clone()).unwrap());
    let config = CtcConfig {
        lm_weight: weight("lm_weight"),
        word_bonus: weight("word_bonus"),
        unknown_penalty: weight("unknown_penalty"),
        beam: 100,
        ..CtcConfig::default()
    };
    let fused = CtcDecoder::new(config, tokenizer.clone()).unwrap().with_lm(model, LmUnit::Word);
    let fused = Arc::new(fused);
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    let (mut same, mut before, mut after, mut theirs_after) = (0, 0, 0, 0);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let path: Vec<u32> = tokenizer.encode(text).into_iter().flat_map(|id| [id, 0]).collect();
        let frames = peaky(&path, tokenizer.len(), 5.0, 4.0, case["seed"].as_u64().unwrap());
        let expected = |name: &str| case[name].as_f64().unwrap();
        let best = plain.decode(&frames).unwrap();
        assert_eq!(best.text(&tokenizer), case["plain"].as_str().unwrap());
        assert!((best.log_prob - expected("plain_log_prob")).abs() < 1e-3, "{} {case}", best.log_prob);
        before += word_errors(text, &best.text(&tokenizer)).errors();

        let best = fused.decode(&frames).unwrap();
        let theirs = case["fused"].as_str().unwrap();
        if best.text(&tokenizer) == theirs {
            let added = best.score - best.log_prob;
            assert!((added - expected("fused_added")).abs() < 1e-3, "{added} {case}");
            // The search follows a part of all alignments.
            let part = best.log_prob - expected("fused_log_prob");
            assert!((-2.0..1e-3).contains(&part), "{} {case}", best.log_prob);
            same += 1;
        } else {
            // pyctcdecode's search loses alignments, so that its text can be the worse one.
            let score = expected("fused_log_prob") + expected("fused_added");
            assert!(best.score > score - 1.0, "{} {} {case}", best.text(&tokenizer), best.score);
        }
        theirs_after += word_errors(text, theirs).errors();
        after += word_errors(text, &best.text(&tokenizer)).errors();
    }
    assert!(same * 2 >= cases.len(), "{same} texts are the same");
    assert!(after * 2 < before && after <= theirs_after, "{before} errors, {after} left, {theirs_after} by theirs");
}
