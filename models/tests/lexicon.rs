//! The search over words by their phones.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use proptest::prelude::*;
use rejoinder_models::decode::ctc::Hotword;
use rejoinder_models::decode::lexicon::{LexiconConfig, LexiconDecoder, Phones};
use rejoinder_models::decode::ngram::{Ngram, NgramConfig, State, count};

const PHONES: &str = "<blk> 0\nA 1\nB 2\nC 3\n";
/// `ab` and `abb` share their beginning, `ab` and `hab` sound alike, `a` has two ways to be said.
const LEXICON: &str = "ab A B\nhab A B\nabb A B B\na A\na C A\nca C A\n";

fn lm() -> Arc<Ngram> {
    let texts = ["ab ca", "ca a", "abb a ca", "hab ab", "a a ab", "ca hab"];
    Arc::new(count(texts, &NgramConfig { order: 2, ..NgramConfig::default() }).unwrap())
}

/// A search that prunes nothing.
fn wide(lm_weight: f32, word_bonus: f32) -> LexiconConfig {
    LexiconConfig { beam: 50_000, beam_margin: 1e6, phone_margin: 1e6, lm_weight, word_bonus }
}

fn decoder(config: LexiconConfig) -> Arc<LexiconDecoder> {
    Arc::new(LexiconDecoder::new(config, &Phones::parse(PHONES).unwrap(), 0, LEXICON, lm()).unwrap())
}

/// The logarithm of the probability that frames of 4 phones spell `phones`, summed over all paths.
fn ctc(frames: &[f32], phones: &[usize]) -> f64 {
    let count = frames.len() / 4;
    let mut sum = 0.0_f64;
    for path in 0..4_usize.pow(count as u32) {
        let steps: Vec<usize> = (0..count).map(|t| path / 4_usize.pow(t as u32) % 4).collect();
        let mut spelled: Vec<usize> = steps.clone();
        spelled.dedup();
        spelled.retain(|phone| *phone != 0);
        if spelled == phones {
            sum += steps.iter().enumerate().map(|(t, p)| f64::from(frames[4 * t + p])).sum::<f64>().exp();
        }
    }
    sum.ln()
}

/// All sequences of up to `most` lines of the lexicon.
fn sentences(most: usize) -> Vec<Vec<(&'static str, Vec<usize>)>> {
    let entries: Vec<(&str, Vec<usize>)> = LEXICON
        .lines()
        .map(|line| {
            let mut fields = line.split(' ');
            let word = fields.next().unwrap();
            (word, fields.map(|name| 1 + "ABC".find(name).unwrap()).collect())
        })
        .collect();
    let mut all = vec![Vec::new()];
    let mut last: Vec<Vec<(&str, Vec<usize>)>> = vec![Vec::new()];
    for _ in 0..most {
        last =
            last.iter().flat_map(|s| entries.iter().map(move |e| [&s[..], std::slice::from_ref(e)].concat())).collect();
        all.extend(last.clone());
    }
    all
}

/// The best words by trying all, each with its best pronunciation.
fn by_hand(frames: &[f32], weight: f64, bonus: f64) -> (Vec<&'static str>, f64) {
    let lm = lm();
    let mut scores: Vec<(Vec<&str>, f64)> = Vec::new();
    for sentence in sentences(frames.len() / 4) {
        let phones: Vec<usize> = sentence.iter().flat_map(|(_, phones)| phones.clone()).collect();
        let words: Vec<&str> = sentence.iter().map(|(word, _)| *word).collect();
        let mut state: State = lm.begin();
        let mut score = ctc(frames, &phones);
        for word in &words {
            let (log_prob, next) = lm.score(&state, lm.id(word));
            score += weight * f64::from(log_prob) + bonus;
            state = next;
        }
        score += weight * f64::from(lm.score_end(&state));
        match scores.iter_mut().find(|(known, _)| *known == words) {
            Some((_, best)) => *best = best.max(score),
            None => scores.push((words, score)),
        }
    }
    scores.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

fn frames(weights: &[f32]) -> Vec<f32> {
    let softmax = |row: &[f32]| {
        let sum: f32 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x - sum.ln()).collect::<Vec<_>>()
    };
    weights.chunks_exact(4).flat_map(softmax).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Hypotheses with the same future are recombined, so their sum can only be more than the score of one sentence.
    #[test]
    fn an_unpruned_search_finds_no_worse_than_all_sentences_tried(
        weights in proptest::collection::vec(-3.0f32..3.0, 16),
        lm_weight in 0.0f32..1.5,
        bonus in -1.0f32..1.0,
    ) {
        let frames = frames(&weights);
        let (_, best) = by_hand(&frames, lm_weight.into(), bonus.into());
        let found = decoder(wide(lm_weight, bonus)).decode(&frames).unwrap();
        prop_assert!(found.score >= best - 1e-4, "{} and {best}", found.score);
    }

    /// Without recombination of histories the two agree: each frame is nearly certain, so that one sentence counts.
    #[test]
    fn certain_frames_give_the_best_sentence(
        picks in proptest::collection::vec(0usize..4, 4),
        lm_weight in 0.2f32..1.5,
    ) {
        let weights: Vec<f32> = picks.iter().flat_map(|p| (0..4).map(move |i| if i == *p { 30.0 } else { 0.0 })).collect();
        let frames = frames(&weights);
        let (words, score) = by_hand(&frames, lm_weight.into(), 0.0);
        let found = decoder(wide(lm_weight, 0.0)).decode(&frames).unwrap();
        let texts: Vec<&str> = found.words.iter().map(|word| word.text.as_str()).collect();
        if score > -15.0 {
            prop_assert_eq!(texts, words);
            prop_assert!((found.score - score).abs() < 1e-3, "{} and {score}", found.score);
        }
    }

    #[test]
    fn any_chunking_gives_the_same_words(
        weights in proptest::collection::vec(-4.0f32..4.0, 4 * 24),
        cuts in proptest::collection::vec(1usize..7, 1..12),
    ) {
        let frames = frames(&weights);
        let decoder = decoder(LexiconConfig { beam: 6, ..LexiconConfig::default() });
        let whole = decoder.decode(&frames).unwrap();
        let mut stream = decoder.stream();
        let (mut rest, mut cut) = (frames.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((4 * cut.next().unwrap()).min(rest.len()));
            stream.push(now).unwrap();
            rest = later;
        }
        prop_assert_eq!(stream.frames(), 24);
        let partial = stream.partial();
        prop_assert_eq!(stream.finish(), whole.clone());
        prop_assert_eq!(stream.frames(), 0);
        prop_assert!(partial.words.windows(2).all(|pair| pair[0].end <= pair[1].start + 1));
        prop_assert!(whole.words.iter().all(|w| w.start < w.end && w.end <= 24 && w.confidence <= 1.0));
    }
}

fn spell(phones: &str) -> Vec<f32> {
    let pick = |c: char| "-ABC".find(c).unwrap();
    let weights: Vec<f32> =
        phones.chars().flat_map(|c| (0..4).map(move |i| if i == pick(c) { 9.0 } else { 0.0 })).collect();
    frames(&weights)
}

fn texts(decoder: &Arc<LexiconDecoder>, phones: &str) -> Vec<(String, usize, usize)> {
    let words = decoder.decode(&spell(phones)).unwrap().words;
    words.into_iter().map(|word| (word.text, word.start, word.end)).collect()
}

#[test]
fn words_have_their_frames() {
    let found = texts(&decoder(wide(1.0, 0.0)), "--AB--CCA--");
    assert_eq!(found, [("ab".to_owned(), 2, 4), ("ca".to_owned(), 6, 9)]);
}

#[test]
fn the_same_phone_twice_needs_a_blank_between() {
    let decoder = decoder(wide(1.0, 0.0));
    assert_eq!(texts(&decoder, "AB-B"), [("abb".to_owned(), 0, 4)]);
    assert_ne!(texts(&decoder, "ABB"), [("abb".to_owned(), 0, 3)]);
    let words: Vec<String> = texts(&decoder, "A-A").into_iter().map(|(word, ..)| word).collect();
    assert_eq!(words, ["a", "a"]);
}

#[test]
fn hotwords_choose_among_words_that_sound_alike() {
    let plain = decoder(wide(0.3, 0.0));
    let boost = |text: &str| {
        let hotword = Hotword { text: text.to_owned(), boost: 2.0 };
        Arc::new(plain.as_ref().clone().with_hotwords(&[hotword]).unwrap())
    };
    for word in ["ab", "hab"] {
        assert_eq!(texts(&boost(word), "-AB-")[0].0, word);
    }
    assert_eq!(texts(&boost("ca hab"), "CA-AB")[1].0, "hab");
    let unheard = Hotword { text: "bab".to_owned(), boost: 2.0 };
    let refused = plain.as_ref().clone().with_hotwords(&[unheard]).unwrap_err().to_string();
    assert!(refused.contains("`bab`") && refused.contains("lexicon"), "{refused}");
}

#[test]
fn silence_has_no_words_and_an_open_word_does_not_hide_those_before() {
    let decoder = decoder(wide(1.0, 0.0));
    assert!(decoder.decode(&spell("------")).unwrap().words.is_empty());
    assert!(decoder.decode(&[]).unwrap().words.is_empty());
    assert_eq!(texts(&decoder, "ABC-")[0].0, "ab");
}

#[test]
fn bad_files_and_frames_are_refused() {
    let phones = Phones::parse(PHONES).unwrap();
    let open = |lexicon: &str| LexiconDecoder::new(LexiconConfig::default(), &phones, 0, lexicon, lm());
    for (lexicon, part) in [("ab A X\n", "ab A X"), ("ab\n", "ab"), ("ab <blk>\n", "<blk>"), ("zz A\n", "knows")] {
        let message = open(lexicon).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    for list in ["A 1\n", "A 0\nA 1\n", "A 0\nB\n"] {
        assert!(Phones::parse(list).is_err(), "{list}");
    }
    let mut stream = Arc::new(open(LEXICON).unwrap()).stream();
    assert!(stream.push(&[0.0; 3]).is_err());
    assert!(stream.push(&[f32::NAN; 4]).is_err());
    assert_eq!(stream.frames(), 0);
    let config = LexiconConfig { beam: 0, ..LexiconConfig::default() };
    assert!(LexiconDecoder::new(config, &phones, 0, LEXICON, lm()).is_err());
}
