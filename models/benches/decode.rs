//! How long text and decoding take: `cargo bench --profile dev -p rejoinder-models --bench decode`.

#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rejoinder_models::Result;
use rejoinder_models::decode::ctc::{CtcConfig, CtcDecoder, Hotword, LmUnit};
use rejoinder_models::decode::ngram::{NgramConfig, count};
use rejoinder_models::text::{NormalizeConfig, Tokenizer, VocabularyConfig, count_words, normalize, train_bpe};

const SENTENCES: &str = include_str!("../tests/golden/text/sentences.txt");

/// Frames of 40 ms in a chunk of 320 ms.
const CHUNK_FRAMES: usize = 8;

/// Prints median, 95th and 99th percentile of the time of a call, in microseconds.
fn measure(name: &str, calls: usize, mut call: impl FnMut(usize)) {
    let mut times: Vec<f64> = (0..calls)
        .map(|at| {
            let start = Instant::now();
            call(at);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{name:<44} median {:>8.1} us   p95 {:>8.1} us   p99 {:>8.1} us", at(0.5), at(0.95), at(0.99));
}

/// Frames of a recogniser that is often unsure: (frames, tokens) log probabilities.
fn frames(tokenizer: &Tokenizer, text: &str) -> Vec<f32> {
    let mut seed = 1u64;
    let mut out = Vec::new();
    for id in tokenizer.encode(text).into_iter().flat_map(|id| [id, 0, 0, 0]) {
        let row: Vec<f32> = (0..tokenizer.len() as u32)
            .map(|other| {
                seed = (seed * 1_103_515_245 + 12345) % (1 << 31);
                7.0 * seed as f32 / (1u64 << 31) as f32 + if other == id { 5.0 } else { 0.0 }
            })
            .collect();
        let sum = row.iter().map(|x| x.exp()).sum::<f32>().ln();
        out.extend(row.into_iter().map(|x| x - sum));
    }
    out
}

fn main() -> Result<()> {
    let config = NormalizeConfig::recognition();
    let sentences: Vec<&str> = SENTENCES.lines().collect();
    let text: Vec<String> = sentences.iter().map(|line| normalize(line, &config)).collect();
    let words = count_words(text.iter().map(String::as_str));
    let tokenizer = Arc::new(train_bpe(&words, &VocabularyConfig { vocab_size: 500, ..VocabularyConfig::default() })?);
    let model = Arc::new(count(text.iter().map(String::as_str), &NgramConfig::default())?);

    measure("normalise a sentence", 2000, |at| {
        black_box(normalize(sentences[at % sentences.len()], &config));
    });
    measure("encode a sentence, BPE of 500", 2000, |at| {
        black_box(tokenizer.encode(&text[at % text.len()]));
    });
    measure("n-gram scores of a sentence", 2000, |at| {
        black_box(model.perplexity([text[at % text.len()].as_str()]));
    });

    let frames = frames(&tokenizer, &text[..40].join(" "));
    let plain = || CtcDecoder::new(CtcConfig::default(), Arc::clone(&tokenizer));
    let hotwords = ["iced mocha", "oat milk"].map(|text| Hotword { text: text.to_owned(), boost: 1.0 });
    let cases = [
        ("CTC, 320 ms of 500 tokens: greedy", CtcDecoder::new(CtcConfig::greedy(), Arc::clone(&tokenizer))?),
        ("CTC, 320 ms of 500 tokens: beam 16", plain()?),
        ("CTC, 320 ms: beam 16, words, hotwords", {
            plain()?.with_lm(Arc::clone(&model), LmUnit::Word).with_hotwords(&hotwords)?
        }),
    ];
    for (name, decoder) in cases {
        let mut stream = Arc::new(decoder).stream();
        let chunks: Vec<&[f32]> = frames.chunks(CHUNK_FRAMES * tokenizer.len()).collect();
        let mut failed = None;
        measure(name, chunks.len(), |at| {
            failed = stream.push(chunks[at]).err().or(failed.take());
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}
