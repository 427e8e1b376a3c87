//! N-gram models: against a direct computation from the formulas, and against KenLM reading our ARPA files.
//! `golden/ngram/make.py` wrote the numbers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;

use proptest::prelude::*;
use rejoinder_models::decode::ngram::{Ngram, NgramConfig, State, count, mix};
use rejoinder_models::text::{NormalizeConfig, normalize};
use serde_json::Value;

fn golden(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

fn sentences() -> Vec<String> {
    golden("text/sentences.txt").lines().map(|line| normalize(line, &NormalizeConfig::recognition())).collect()
}

fn counted(config: &NgramConfig) -> Ngram {
    count(sentences().iter().map(String::as_str), config).unwrap()
}

fn state(model: &Ngram, context: &[&str]) -> State {
    context.iter().fold(model.begin(), |state, word| model.score(&state, model.id(word)).1)
}

fn sum(model: &Ngram, state: &State) -> f64 {
    let possible = (0..model.vocabulary().len() as u32).filter(|&id| model.vocabulary()[id as usize] != "<s>");
    possible.map(|id| f64::from(model.score(state, id).0).exp()).sum()
}

#[test]
fn the_estimate_is_modified_kneser_ney() {
    let golden: Value = serde_json::from_str(&golden("ngram/golden.json")).unwrap();
    for case in golden["estimates"].as_array().unwrap() {
        let order = case["order"].as_u64().unwrap() as usize;
        let model = counted(&NgramConfig { order, ..NgramConfig::default() });
        let scores = case["scores"].as_array().unwrap();
        assert!(scores.len() > 100);
        for score in scores {
            let context: Vec<&str> = score[0].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
            let (word, expected) = (score[1].as_str().unwrap(), score[2].as_f64().unwrap());
            let found = f64::from(model.score(&state(&model, &context), model.id(word)).0);
            assert!((found - expected).abs() < 1e-4, "order {order}, {context:?} {word}: {found} for {expected}");
        }
    }
}

#[test]
fn probabilities_sum_to_one_after_any_context() {
    let plain = NgramConfig { order: 4, ..NgramConfig::default() };
    for config in [
        plain.clone(),
        NgramConfig { order: 1, ..plain.clone() },
        NgramConfig { min_counts: vec![1, 1, 2], min_word_count: 2, ..plain.clone() },
        NgramConfig { prune: 1e-6, ..plain },
    ] {
        let model = counted(&config);
        for context in [&[][..], &["the"], &["of", "the"], &["one", "of", "the"], &["zebra"], &["in", "the", "zebra"]] {
            let total = sum(&model, &state(&model, context));
            assert!((total - 1.0).abs() < 1e-3, "{config:?} {context:?}: {total}");
        }
    }
}

#[test]
fn pruning_trades_size_for_little_perplexity() {
    let text = sentences();
    let (train, held): (Vec<_>, Vec<_>) = text.iter().map(String::as_str).enumerate().partition(|(i, _)| i % 10 > 0);
    let train: Vec<&str> = train.into_iter().map(|(_, line)| line).collect();
    let model = |prune| count(train.iter().copied(), &NgramConfig { prune, ..NgramConfig::default() }).unwrap();
    let perplexity = |model: &Ngram| model.perplexity(held.iter().map(|(_, line)| *line)).value();
    let (full, pruned) = (model(0.0), model(1e-5));
    let size = |model: &Ngram| model.sizes()[1..].iter().sum::<usize>();
    assert!(size(&pruned) * 4 < size(&full) * 3, "{:?} of {:?}", pruned.sizes(), full.sizes());
    assert_eq!(pruned.sizes()[0], full.sizes()[0]);
    assert!(perplexity(&pruned) < 1.05 * perplexity(&full), "{} for {}", perplexity(&pruned), perplexity(&full));
}

/// Bayesian interpolation by its formula, over all contexts and words of two small models.
#[test]
fn a_mixture_weighs_its_parts_by_what_they_give_to_the_context() {
    let config = NgramConfig { order: 3, ..NgramConfig::default() };
    let asked = ["a large tea please", "a small tea", "one large coffee please", "a coffee"];
    let told = ["the sea was large", "a small ship", "one saw the large ship", "tea was the sea"];
    let (orders, books) = (count(asked, &config).unwrap(), count(told, &config).unwrap());
    let occurs = |gram: &[&str]| {
        let framed = asked.iter().chain(&told).map(|text| format!("<s> {text} </s>"));
        let words: Vec<String> = framed.collect();
        words.iter().any(|text| text.split(' ').collect::<Vec<_>>().windows(gram.len()).any(|window| window == gram))
    };
    let weights = [1.0, 0.2];
    let mixed = mix(&[(&orders, weights[0]), (&books, weights[1])], 0.0).unwrap();
    let joint = |model: &Ngram, words: &[&str]| {
        let mut probability = 1.0;
        let mut state = State::default();
        for word in words {
            if !model.knows(word) {
                return 0.0;
            }
            let counted = if *word == "<s>" { "</s>" } else { word };
            probability *= f64::from(model.score(&state, model.id(counted)).0).exp();
            state = model.score(&state, model.id(word)).1;
        }
        probability
    };
    let after = |context: &[&str]| {
        let step = |state, word: &&str| mixed.score(&state, mixed.id(word)).1;
        context.iter().fold(State::default(), step)
    };
    let mut compared = 0;
    for context in [&[][..], &["a"], &["the"], &["<s>", "a"], &["a", "large"], &["the", "sea"], &["a", "small"]] {
        let total = sum(&mixed, &after(context));
        assert!((total - 1.0).abs() < 1e-3, "{context:?}: {total}");
        for word in ["a", "large", "tea", "sea", "ship", "please", "</s>"] {
            let words: Vec<&str> = [context, &[word]].concat();
            if !occurs(&words) {
                continue;
            }
            compared += 1;
            let given = [joint(&orders, context), joint(&books, context)];
            let both = [joint(&orders, &words), joint(&books, &words)];
            let expected =
                (weights[0] * both[0] + weights[1] * both[1]) / (weights[0] * given[0] + weights[1] * given[1]);
            let found = f64::from(mixed.score(&after(context), mixed.id(word)).0).exp();
            assert!((found / expected - 1.0).abs() < 1e-3, "{context:?} {word}: {found} for {expected}");
        }
    }
    assert!(compared > 12, "{compared}");
    assert!(mix(&[], 0.0).is_err() && mix(&[(&books, 0.0)], 0.0).is_err());
}

#[test]
fn files_give_the_model_back() {
    let config = NgramConfig { order: 3, prune: 1e-6, ..NgramConfig::default() };
    let model = counted(&config);
    let folder = tempfile::tempdir().unwrap();
    let (arpa, small) = (folder.path().join("lm.arpa"), folder.path().join("lm.bin"));
    model.write_arpa(&arpa).unwrap();
    model.write(&small).unwrap();
    let text = sentences();
    let perplexity = |model: &Ngram| model.perplexity(text.iter().map(String::as_str)).value();
    let from_arpa = Ngram::read_arpa(&arpa).unwrap();
    assert_eq!(from_arpa.sizes(), model.sizes());
    assert!((perplexity(&from_arpa) / perplexity(&model) - 1.0).abs() < 1e-4);
    let from_small = Ngram::read(&small).unwrap();
    assert_eq!(from_small.sizes(), model.sizes());
    let ratio = perplexity(&from_small) / perplexity(&model);
    assert!((ratio - 1.0).abs() < 0.02, "8 bits change the perplexity by {ratio}");
    assert_eq!(from_small.to_bytes(), Ngram::from_bytes(&from_small.to_bytes()).unwrap().to_bytes());
    let bytes = std::fs::metadata(&small).unwrap().len();
    let entries = model.sizes().iter().sum::<usize>() as u64;
    assert!(bytes < 14 * entries, "{bytes} bytes for {entries} n-grams");
}

/// Writes what `golden/ngram/make.py` reads when `REJOINDER_WRITE_GOLDEN` is set, else checks it.
#[test]
fn the_arpa_that_kenlm_read_is_ours() {
    let arpa = counted(&NgramConfig { order: 3, prune: 3e-5, ..NgramConfig::default() }).to_arpa();
    if std::env::var_os("REJOINDER_WRITE_GOLDEN").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ngram");
        std::fs::write(folder.join("sentences.txt"), sentences().join("\n") + "\n").unwrap();
        std::fs::write(folder.join("pruned.arpa"), &arpa).unwrap();
    }
    assert!(arpa == golden("ngram/pruned.arpa"), "the model differs from the one that was written");
}

#[test]
fn kenlm_reads_our_arpa_and_finds_the_same_scores() {
    let golden: Value = serde_json::from_str(&golden("ngram/golden.json")).unwrap();
    let model = Ngram::parse_arpa(&self::golden("ngram/pruned.arpa")).unwrap();
    let cases = golden["kenlm"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let found = model.perplexity([text]);
        let expected = case["log10"].as_f64().unwrap() * std::f64::consts::LN_10;
        assert!((found.log_prob - expected).abs() < 1e-3, "{text:?}: {} for {expected}", found.log_prob);
        assert_eq!(found.unknown as u64, case["unknown"].as_u64().unwrap());
    }
}

#[test]
fn words_are_found_by_their_beginning() {
    let model = counted(&NgramConfig::default());
    assert!(model.knows("printing") && model.knows_start("printi") && model.knows_start(""));
    assert!(!model.knows("printi") && !model.knows_start("qqq") && model.id("qqq") == model.id("<unk>"));
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    assert!(count(["a"], &NgramConfig { order: 6, ..NgramConfig::default() }).is_err());
    assert!(count([" "], &NgramConfig::default()).is_err());
    let falling = NgramConfig { min_counts: vec![2, 1], ..NgramConfig::default() };
    assert!(count(["a b"], &falling).unwrap_err().to_string().contains("min_counts"));
    for (text, wanted) in [
        ("", "\\end\\"),
        ("\\data\\\n\\1-grams:\nx a\n\\end\\", "line 3"),
        ("\\data\\\n\\1-grams:\n-1 a\n\\2-grams:\n-1 a b\n\\end\\", "line 5"),
        ("\\data\\\n\\2-grams:\n-1 a b\n\\end\\", "line 2"),
        ("\\1-grams:\n-1 a\n\\2-grams:\n-1 a a\n\\3-grams:\n-1 </s> a a\n\\end\\", "</s> a a"),
    ] {
        let error = Ngram::parse_arpa(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text:?}: {error}");
    }
    assert!(Ngram::read("no/such.bin").unwrap_err().to_string().contains("no/such.bin"));
}

proptest! {
    #[test]
    fn damaged_files_never_panic(at in 0usize..400, to: u8, cut in 0usize..400) {
        let bytes = count(["a b c", "a b", "c a b"], &NgramConfig::default()).unwrap().to_bytes();
        let _ = Ngram::from_bytes(&bytes[..cut.min(bytes.len())]);
        let mut damaged = bytes.clone();
        let at = at % bytes.len();
        damaged[at] = to;
        if let Ok(model) = Ngram::from_bytes(&damaged) {
            model.perplexity(["a b c d"]);
        }
    }

    #[test]
    fn any_words_have_a_score(words in prop::collection::vec(0u32..50, 0..12)) {
        let model = count(["a b c", "a b", "c a b"], &NgramConfig { order: 5, ..NgramConfig::default() }).unwrap();
        let mut state = model.begin();
        for word in words {
            let (score, next) = model.score(&state, word);
            prop_assert!(score.is_finite() && score <= 1e-6);
            state = next;
        }
    }
}
