//! Tokenizers and error rates against SentencePiece and jiwer, of which `golden/text/make.py` wrote the numbers, and
//! against SpeechBrain, of which `tests/peers/error_rates.py` at the root did.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../training/tests/report/mod.rs"]
mod report;

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use rejoinder_models::streaming::Streaming;
use rejoinder_models::text::{
    Alignment, Edit, ErrorCounts, Tokenizer, UNKNOWN, VocabularyConfig, character_errors, count_words, train_bpe,
    train_unigram, word_alignment, word_errors,
};
use report::report;
use serde_json::Value;

fn golden(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text").join(name)).unwrap()
}

fn sentencepiece(name: &str) -> (Vec<String>, Vec<Value>) {
    let mut all: Value = serde_json::from_str(&golden("sentencepiece.json")).unwrap();
    let pieces = serde_json::from_value(all[name]["pieces"].take()).unwrap();
    (pieces, serde_json::from_value(all[name]["cases"].take()).unwrap())
}

#[test]
fn encodes_and_decodes_as_sentencepiece_does() {
    for name in ["plain_300", "plain_800", "bytes_600"] {
        let (pieces, cases) = sentencepiece(name);
        let tokenizer = Tokenizer::new(pieces).unwrap();
        assert!(cases.len() >= 40);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(tokenizer.encode(text), ids, "{name}: {text:?}");
            // SentencePiece puts spaces around its sign for the unknown.
            let decoded = case["decoded"].as_str().unwrap().replace(" ⁇ ", "⁇");
            assert_eq!(tokenizer.decode(&ids), decoded, "{name}: {text:?}");
        }
    }
}

#[test]
fn learns_the_pieces_that_sentencepiece_learns() {
    let text = golden("sentences.txt");
    let counts = count_words(text.lines());
    for (name, byte_fallback, split_digits) in [("plain_300", false, false), ("bytes_600", true, true)] {
        let (pieces, _) = sentencepiece(name);
        let specials = vec![UNKNOWN.to_owned()];
        let config = VocabularyConfig {
            vocab_size: pieces.len(),
            specials,
            byte_fallback,
            split_digits,
            ..VocabularyConfig::default()
        };
        let ours = train_bpe(&counts, &config).unwrap();
        assert_eq!(ours.pieces(), pieces, "{name}");
    }
}

#[test]
fn a_tokenizer_is_its_file() {
    let text = golden("sentences.txt");
    let config = VocabularyConfig { vocab_size: 500, ..VocabularyConfig::default() };
    let tokenizer = train_bpe(&count_words(text.lines()), &config).unwrap();
    assert_eq!((tokenizer.len(), tokenizer.id("<blk>"), tokenizer.id("<unk>")), (500, Some(0), Some(1)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.txt");
    tokenizer.write(&path).unwrap();
    assert_eq!(Tokenizer::read(&path).unwrap(), tokenizer);
    for line in text.lines() {
        let ids = tokenizer.encode(line);
        assert_eq!(tokenizer.decode(&ids), line.split_whitespace().collect::<Vec<_>>().join(" "));
        let words = tokenizer.words(&ids);
        assert_eq!(
            words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(),
            line.split_whitespace().collect::<Vec<_>>()
        );
        assert_eq!(words.iter().map(|w| w.tokens.len()).sum::<usize>(), ids.len());
    }
}

#[test]
fn models_and_vocabularies_of_sentencepiece_open() {
    let golden_models: Value = serde_json::from_str(&golden("sentencepiece_models.json")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text");
    let mut cases = 0;
    let names = [("unigram", true), ("unigram_small", true), ("unigram_bytes", false), ("bpe", false), ("char", false)];
    for (name, has_vocabulary) in names {
        let model = Tokenizer::read(folder.join(format!("{name}.model"))).unwrap();
        let mut openings = vec![("model", model.clone())];
        let vocabulary = Tokenizer::read(folder.join(format!("{name}.vocab"))).unwrap();
        assert_eq!(vocabulary.pieces(), model.pieces());
        // What the model says of normalisation, and of pieces in `<>` that stand for text, is in no other file.
        if has_vocabulary {
            openings.extend([("vocab", vocabulary), ("tokens.txt", Tokenizer::parse(&model.to_text()).unwrap())]);
        }
        for case in golden_models[name]["cases"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            let decoded = case["decoded"].as_str().unwrap().replace(" ⁇ ", "⁇");
            for (file, tokenizer) in &openings {
                assert_eq!(tokenizer.encode(text), ids, "{name}.{file}: {text:?}");
                assert_eq!(tokenizer.decode(&ids), decoded, "{name}.{file}: {text:?}");
            }
            cases += 1;
        }
    }
    report("Tokenizers", "SentencePiece's models", &format!("pieces of {cases} texts"), 0.0);
    assert!(Tokenizer::read(folder.join("sentences.model")).unwrap_err().to_string().contains("sentences.model"));
    let broken = tempfile::tempdir().unwrap().path().with_extension("model");
    std::fs::write(&broken, "no model").unwrap();
    assert!(Tokenizer::read(&broken).unwrap_err().to_string().contains("SentencePiece"));
    std::fs::remove_file(broken).unwrap();
}

#[test]
fn learns_a_unigram_vocabulary_as_likely_as_that_of_sentencepiece() {
    let golden_models: Value = serde_json::from_str(&golden("sentencepiece_models.json")).unwrap();
    let text = golden("sentences.txt");
    let specials = ["<unk>", "<s>", "</s>"].map(String::from);
    let mut worst = 0.0_f64;
    for (name, vocab_size, specials) in [("unigram", 400, &specials[..]), ("unigram_small", 150, &specials[..1])] {
        let config = VocabularyConfig { vocab_size, specials: specials.to_vec(), ..VocabularyConfig::default() };
        let tokenizer = train_unigram(&count_words(text.lines()), &config).unwrap();
        assert_eq!(tokenizer.len(), vocab_size);
        let pieces = text.lines().flat_map(|line| tokenizer.encode(line));
        let ours: f64 = pieces.map(|id| f64::from(tokenizer.score(id).unwrap())).sum();
        let theirs = golden_models[name]["likelihood"].as_f64().unwrap();
        let excess = ours / theirs - 1.0;
        assert!(excess < 0.03, "{name}: {ours} and {theirs}");
        worst = worst.max(excess);
        assert_eq!(Tokenizer::parse(&tokenizer.to_text()).unwrap(), tokenizer);
        assert_eq!(tokenizer.decode(&tokenizer.encode("a line of text")), "a line of text");
    }
    report("Unigram training", "SentencePiece's", "surplus of bits for 200 sentences", worst as f32);
    let config = VocabularyConfig { vocab_size: 5, ..VocabularyConfig::default() };
    assert!(train_unigram(&count_words(["some words"]), &config).unwrap_err().to_string().contains("vocab_size"));
    assert!(train_unigram(&count_words([" "]), &VocabularyConfig::default()).is_err());
}

#[test]
fn characters_have_a_piece_for_the_space_between_words() {
    let tokenizer = Tokenizer::characters("abcdeilorw'".chars()).unwrap();
    assert_eq!(tokenizer.piece(2), Some("▁"));
    let ids = tokenizer.encode(" ice cold ");
    assert_eq!(ids.len(), 8);
    assert_eq!(tokenizer.decode(&ids), "ice cold");
    let words: Vec<_> = tokenizer.words(&ids).into_iter().map(|w| (w.text, w.tokens)).collect();
    assert_eq!(words, [("ice".to_owned(), 0..3), ("cold".to_owned(), 4..8)]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("ice xyz")), "ice ⁇");
}

#[test]
fn bad_files_are_named_with_the_line() {
    for (text, wanted) in [
        ("<blk> 0\na x\n", "line 2"),
        ("<blk> 0\na 2\n", "token 1"),
        ("<blk> 0\na 1\nb 1\n", "token 1"),
        ("<blk> 0\na 1\na 2\n", "piece 2"),
        ("a 99999999999\n", "line 1"),
        ("alone\n", "line 1"),
        ("<blk> 0 0.0\na 1\n", "1 of 2"),
        ("<blk> 0 0.0\na 1 nan\n", "piece 1"),
        ("0.5\n", "line 1"),
    ] {
        let error = Tokenizer::parse(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text:?}: {error}");
    }
    let error = Tokenizer::read("no/such/tokens.txt").unwrap_err().to_string();
    assert!(error.contains("no/such/tokens.txt"), "{error}");
    let config = VocabularyConfig { vocab_size: 3, ..VocabularyConfig::default() };
    assert!(train_bpe(&count_words(["some words"]), &config).unwrap_err().to_string().contains("vocab_size"));
    assert!(train_bpe(&count_words([" "]), &VocabularyConfig::default()).is_err());
}

#[test]
fn error_rates_are_those_of_jiwer() {
    let golden: Value = serde_json::from_str(&golden("jiwer.json")).unwrap();
    let mut sum = ErrorCounts::default();
    for pair in golden["pairs"].as_array().unwrap() {
        let (reference, hypothesis) = (pair["reference"].as_str().unwrap(), pair["hypothesis"].as_str().unwrap());
        let words = word_errors(reference, hypothesis);
        sum += words;
        assert!((words.rate() - pair["wer"].as_f64().unwrap()).abs() < 1e-12, "{reference:?} {hypothesis:?}");
        let characters = character_errors(reference, hypothesis);
        assert!((characters.rate() - pair["cer"].as_f64().unwrap()).abs() < 1e-12, "{reference:?} {hypothesis:?}");
    }
    assert!((sum.rate() - golden["together"].as_f64().unwrap()).abs() < 1e-12);
}

/// The reference's unit, the kind of the edit and the hypothesis' unit, as SpeechBrain prints them.
fn place(edit: &Edit) -> [&str; 3] {
    match edit {
        Edit::Hit(unit) => [unit, "=", unit],
        Edit::Substitution(wanted, found) => [wanted, "S", found],
        Edit::Deletion(wanted) => [wanted, "D", ""],
        Edit::Insertion(found) => ["", "I", found],
    }
}

#[test]
fn error_rates_and_alignments_are_speechbrains() {
    let golden: Value = serde_json::from_str(&golden("speechbrain.json")).unwrap();
    let pairs = golden["pairs"].as_array().unwrap();
    let [mut words, mut characters] = [ErrorCounts::default(); 2];
    let mut worst = 0.0_f64;
    let mut compare = |counts: ErrorCounts, percent: &Value| {
        let (found, expected) = (100.0 * counts.rate(), percent.as_f64().unwrap());
        assert!((found - expected).abs() < 1e-9, "{counts:?}: {found} {expected}");
        worst = worst.max((found - expected).abs() / 100.0);
    };
    for pair in pairs {
        let (reference, hypothesis) = (pair["reference"].as_str().unwrap(), pair["hypothesis"].as_str().unwrap());
        let alignment = word_alignment(reference, hypothesis);
        let lines = [0, 1, 2].map(|line| alignment.edits.iter().map(|edit| place(edit)[line]).collect::<Vec<_>>());
        assert_eq!(serde_json::json!(lines), pair["alignment"]);
        compare(alignment.counts(), &pair["wer"]);
        words += alignment.counts();
        characters += character_errors(reference, hypothesis);
    }
    compare(words, &golden["words"]["WER"]);
    compare(characters, &golden["characters"]["WER"]);
    let name = "word and character error rates";
    report(name, "SpeechBrain's ErrorRateStats", &format!("rates of {} texts", pairs.len()), worst as f32);
    report(name, "SpeechBrain's ErrorRateStats", "alignments, place by place", 0.0);
}

#[test]
fn an_alignment_prints_as_a_table() {
    let alignment = word_alignment("a cup of black coffee", "a cap black coffee please");
    assert_eq!(
        alignment.to_string(),
        "REF: a cup of black coffee ******\nHYP: a cap ** black coffee please\n       S   D               I"
    );
    assert_eq!(alignment.counts().to_string(), "60.00 % (3 of 5: 1 sub, 1 del, 1 ins)");
    assert_eq!(word_errors("", "").rate(), 0.0);
    assert_eq!(word_errors("", "a b").rate(), 2.0);
}

proptest! {
    #[test]
    fn any_text_survives_byte_pieces(text in "\\PC{0,30}", prefix: bool, cut in 1usize..5) {
        let (pieces, _) = sentencepiece("bytes_600");
        let tokenizer = Arc::new(Tokenizer::new(pieces).unwrap());
        let text = text.replace('▁', "");
        let ids = tokenizer.encode_verbatim(&text, prefix);
        let expected = if prefix { text.as_str() } else { text.strip_prefix(' ').unwrap_or(&text) };
        prop_assert_eq!(tokenizer.decode(&ids), expected);

        let mut stream = tokenizer.stream();
        let mut out = String::new();
        for piece in ids.chunks(cut) {
            stream.push(piece, &mut out).unwrap();
        }
        stream.flush(&mut out).unwrap();
        prop_assert_eq!(out, expected);
    }

    #[test]
    fn any_tokens_decode_alike_in_any_chunking(ids in prop::collection::vec(0u32..620, 0..40), cut in 1usize..9) {
        let (pieces, _) = sentencepiece("bytes_600");
        let tokenizer = Arc::new(Tokenizer::new(pieces).unwrap());
        let mut stream = tokenizer.stream();
        let mut out = String::new();
        for piece in ids.chunks(cut) {
            stream.push(piece, &mut out).unwrap();
        }
        stream.flush(&mut out).unwrap();
        prop_assert_eq!(out, tokenizer.decode(&ids));
        prop_assert!(tokenizer.words(&ids).iter().all(|word| word.tokens.end <= ids.len()));
    }

    #[test]
    fn an_alignment_gives_back_both_sides(a in prop::collection::vec("[abc]", 0..9), b in prop::collection::vec("[abc]", 0..9)) {
        use rejoinder_models::text::Edit::{Deletion, Hit, Insertion, Substitution};
        let alignment = Alignment::new(&a, &b);
        let (mut wanted, mut found) = (Vec::new(), Vec::new());
        for edit in &alignment.edits {
            match edit.clone() {
                Hit(unit) => { wanted.push(unit.clone()); found.push(unit); }
                Substitution(x, y) => { wanted.push(x); found.push(y); }
                Deletion(x) => wanted.push(x),
                Insertion(y) => found.push(y),
            }
        }
        prop_assert_eq!(wanted, a);
        prop_assert_eq!(found, b);
    }
}
