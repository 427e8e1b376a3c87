//! Files, their errors, and resampling.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

use std::path::Path;

use proptest::prelude::*;
use rejoinder_models::audio::{self, Clip, Span, StreamResampler, WavWriter};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::units::{SampleRate, Samples};

fn tone(hz: f64, rate: u32, samples: usize) -> Vec<f32> {
    (0..samples).map(|at| (0.5 * (std::f64::consts::TAU * hz * at as f64 / f64::from(rate)).sin()) as f32).collect()
}

fn message(path: &Path) -> String {
    let text = audio::read(path).expect_err("it is no sound").to_string();
    assert!(!text.contains('\n'), "{text}");
    text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned()
}

#[test]
fn a_written_clip_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    let clip = Clip::new(tone(440.0, 16_000, 1_000), SampleRate::hz(16_000));
    audio::write_wav(&path, &clip).unwrap();
    let back = audio::read(&path).unwrap();
    assert_eq!((back.rate, back.len()), (clip.rate, clip.len()));
    assert!(back.samples.iter().zip(&clip.samples).all(|(a, b)| (a - b).abs() <= 0.5 / 32_768.0));
}

#[test]
fn integers_and_floats_of_any_width_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    let samples = tone(300.0, 44_100, 500);
    for (bits, float) in [(8, false), (16, false), (24, false), (32, false), (32, true)] {
        let sample_format = if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
        let spec = hound::WavSpec { channels: 2, sample_rate: 44_100, bits_per_sample: bits, sample_format };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for &sample in &samples {
            // Right is silent, so that the average is half of the left.
            for value in [sample, 0.0] {
                match float {
                    true => writer.write_sample(value).unwrap(),
                    false => writer.write_sample((f64::from(value) * 2f64.powi(i32::from(bits) - 1)) as i32).unwrap(),
                }
            }
        }
        writer.finalize().unwrap();
        let clip = audio::read(&path).unwrap();
        assert_eq!((clip.rate, clip.samples.len()), (SampleRate::hz(44_100), 500), "{bits} bits");
        let step = 2f32.powi(1 - i32::from(bits.min(20)));
        let apart = clip.samples.iter().zip(&samples).map(|(a, b)| (a - b / 2.0).abs()).fold(0.0, f32::max);
        assert!(apart <= step, "{bits} bits, float {float}: {apart}");
        assert_eq!(audio::read_channels(&path).unwrap().len(), 2);
    }
}

/// tests/golden/audio.py made the files and the values: the same tone, coded by ffmpeg's libraries, and some of the
/// samples that they decode.
#[test]
fn compressed_files_equal_other_decoders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/audio.json")).unwrap();
    for (name, expected) in golden.as_object().unwrap() {
        let clip = audio::read(folder.join(name)).unwrap();
        assert_eq!(u64::from(clip.rate.get()), expected["rate"].as_u64().unwrap(), "{name}");
        assert_eq!(clip.samples.len() as u64, expected["length"].as_u64().unwrap(), "{name}");
        let values: Vec<f32> = serde_json::from_value(expected["every_97th"].clone()).unwrap();
        for (at, (found, expected)) in clip.samples.iter().step_by(97).zip(&values).enumerate() {
            assert!((found - expected).abs() < 2e-4, "{name}, sample {}: {found} instead of {expected}", at * 97);
        }
    }
}

#[test]
fn opus_at_16_khz_is_the_same_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tone.opus");
    let narrow = audio::read_at(&path, SampleRate::INTERNAL).unwrap();
    let wide = audio::read(&path).unwrap().at(SampleRate::INTERNAL).unwrap();
    assert_eq!(narrow.len(), wide.len());
    // libopus delays the sound by a rate's own fraction of a sample.
    let product: f32 = narrow.samples.iter().zip(&wide.samples).map(|(a, b)| a * b).sum();
    let likeness = product / (narrow.rms() * wide.rms() * narrow.samples.len() as f32);
    assert!(likeness > 0.97, "{likeness}");
    assert!((narrow.rms() / wide.rms() - 1.0).abs() < 0.02);
}

#[test]
fn what_is_not_sound_gets_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.wav");
    assert!(message(&path).contains("No such file"), "{}", message(&path));
    std::fs::write(&path, []).unwrap();
    assert_eq!(message(&path), "the file is empty (0 bytes)");
    std::fs::write(&path, "turn on the kitchen light\n".repeat(100)).unwrap();
    let text = message(&path);
    assert!(text.starts_with("not audio that can be read"), "{text}");
    assert!(text.ends_with("supported are WAV, FLAC, MP3, Ogg/Opus, Ogg/Vorbis and NIST SPHERE"), "{text}");
    audio::write_wav(&path, &Clip::new(Vec::new(), SampleRate::INTERNAL)).unwrap();
    assert_eq!(message(&path), "it holds no samples");
    assert!(audio::read(folder.path()).is_err());
}

#[test]
fn a_damaged_header_and_samples_that_are_no_numbers_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.wav");
    audio::write_wav(&path, &Clip::new(vec![0.5; 16_000], SampleRate::INTERNAL)).unwrap();
    let good = std::fs::read(&path).unwrap();
    // The fields of the canonical WAVE header: format at 20, rate at 24, bits of a sample at 34, data from 44 on.
    let with = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        std::fs::write(&path, bytes).unwrap();
        message(&path)
    };
    assert_eq!(with(24, &1_u32.to_le_bytes()), "its sample rate is 1 Hz; expected 1000 to 1000000 Hz");
    assert_eq!(with(24, &0_u32.to_le_bytes()), "its sample rate is 0 Hz; expected 1000 to 1000000 Hz");
    assert!(with(22, &[0]).starts_with("its header is damaged ("), "no channels");
    std::fs::write(&path, &good[..30]).unwrap();
    assert_eq!(message(&path), "truncated: the file ends within its header");
    let mut floats = good[..44].to_vec();
    (floats[20], floats[34], floats[32]) = (3, 32, 4);
    floats[28..32].copy_from_slice(&64_000_u32.to_le_bytes());
    for (odd, shown) in [(f32::NAN, "NaN"), (-2e6, "-2000000")] {
        floats.truncate(44);
        for i in 0..8_000 {
            let sample: f32 = if i == 4_000 { odd } else { 0.5 };
            floats.extend(sample.to_le_bytes());
        }
        std::fs::write(&path, &floats).unwrap();
        assert_eq!(message(&path), format!("damaged: at 0.250 s it holds {shown}; expected samples"));
    }
}

#[test]
fn a_truncated_file_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.wav");
    audio::write_wav(&path, &Clip::new(tone(440.0, 16_000, 16_000), SampleRate::INTERNAL)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 20_000]).unwrap();
    let expected = "truncated: the header promises 16000 samples a channel (1.000 s), the file holds 6000 (0.375 s)";
    assert_eq!(message(&path), expected);
}

#[test]
fn a_truncated_ogg_file_says_so_and_flac_counts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cut = |name: &str| {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let half = bytes[..bytes.len() * 3 / 4].to_vec();
        audio::read_bytes(half, name).unwrap_err().to_string()
    };
    assert_eq!(cut("tone.opus"), "tone.opus: truncated: the file ends within an Ogg page");
    assert_eq!(cut("tone.ogg"), "tone.ogg: truncated: the file ends within an Ogg page");
    assert!(cut("tone.flac").starts_with("tone.flac: truncated: the header promises 6400 samples a channel"));
}

#[test]
fn a_wav_file_from_a_pipe_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.wav");
    audio::write_wav(&path, &Clip::new(tone(440.0, 16_000, 1_600), SampleRate::INTERNAL)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0x7fff_f000u32, 0x7fff_ffff, u32::MAX] {
        let mut piped = bytes.clone();
        piped[4..8].copy_from_slice(&length.saturating_add(36).to_le_bytes());
        piped[40..44].copy_from_slice(&length.to_le_bytes());
        assert_eq!(audio::read_bytes(piped, "pipe.wav").unwrap().samples.len(), 1_600, "{length:x}");
    }
    for (format, bits) in [(3_u16, 32_u16), (3, 64), (6, 8), (7, 8)] {
        let frame = bits / 8;
        let mut piped = b"RIFF\xff\xff\xff\xffWAVEfmt ".to_vec();
        piped.extend(18_u32.to_le_bytes());
        piped.extend([format, 1].map(u16::to_le_bytes).concat());
        piped.extend([16_000, 16_000 * u32::from(frame)].map(u32::to_le_bytes).concat());
        piped.extend([frame, bits, 0].map(u16::to_le_bytes).concat());
        piped.extend(b"data\x00\xf0\xff\x7f");
        piped.resize(piped.len() + 1_600 * usize::from(frame), 0);
        let name = format!("{format} of {bits} bits");
        assert_eq!(audio::read_bytes(piped, &name).unwrap().samples.len(), 1_600, "{name}");
    }
}

#[test]
fn a_wav_file_whose_recorder_was_killed_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.wav");
    audio::write_wav(&path, &Clip::new(tone(440.0, 16_000, 1_600), SampleRate::INTERNAL)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for whole in [0_u32, 36] {
        let mut killed = bytes.clone();
        killed[4..8].copy_from_slice(&whole.to_le_bytes());
        killed[40..44].fill(0);
        assert_eq!(audio::read_bytes(killed.clone(), "killed.wav").unwrap().samples.len(), 1_600, "{whole}");
        std::fs::write(&path, &killed).unwrap();
        let part = audio::read_span(&path, Span::Samples(100, Some(300))).unwrap();
        assert_eq!(part[0].samples, audio::read(&path).unwrap().samples[100..300], "{whole}");
        killed.truncate(44);
        assert!(audio::read_bytes(killed, "killed.wav").is_err());
    }
    // A file that is complete without sound, whose comments are none.
    let mut silent = bytes[..44].to_vec();
    silent[40..44].fill(0);
    silent.extend(b"LIST\x04\0\0\0INFO");
    silent[4..8].copy_from_slice(&48_u32.to_le_bytes());
    assert!(audio::read_bytes(silent, "silent.wav").is_err());
}

#[test]
fn damaged_compressed_files_never_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for name in ["tone.opus", "tone.ogg", "tone.mp3", "tone.flac"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        for step in 1..40 {
            let cut = bytes.len() * step / 40;
            let _ = audio::read_bytes(bytes[..cut].to_vec(), name);
            let mut changed = bytes.clone();
            changed[cut] ^= 0x55;
            let _ = audio::read_bytes(changed, name);
        }
    }
}

#[test]
fn a_file_that_was_never_closed_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer.wav");
    let mut writer = WavWriter::create(&path, SampleRate::hz(24_000), 2).unwrap();
    writer.write(&[&[0.25; 100], &[-0.25; 60]]).unwrap();
    writer.write(&[&[0.5; 10], &[]]).unwrap();
    std::mem::forget(writer);
    let channels = audio::read_channels(&path).unwrap();
    assert_eq!(channels.len(), 2);
    assert_eq!(channels[0].samples, [[0.25; 100].as_slice(), &[0.5; 10]].concat());
    assert_eq!(channels[1].samples, [[-0.25; 60].as_slice(), &[0.0; 50]].concat());
}

/// Against [`audio::read_channels`] of the whole file.
#[test]
fn a_part_of_a_file_is_that_part_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let stereo = folder.path().join("stereo.wav");
    let mut writer = WavWriter::create(&stereo, SampleRate::hz(24_000), 2).unwrap();
    writer.write(&[&tone(440.0, 24_000, 30_000), &tone(880.0, 24_000, 30_000)]).unwrap();
    writer.finish().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = ["tone.opus", "tone.ogg", "tone.mp3", "tone.flac", "sentence.flac"].map(|name| golden.join(name));
    for path in files.into_iter().chain([stereo]) {
        let whole = audio::read_channels(&path).unwrap();
        let (all, rate) = (whole[0].samples.len(), f64::from(whole[0].rate.get()));
        let (start, stop) = (all / 3 + 7, all / 2);
        let seconds = |sample: usize| sample as f64 / rate;
        let spans = [
            (Span::Samples(start as u64, Some(stop as u64)), start..stop),
            (Span::Seconds(seconds(start), Some(seconds(stop))), start..stop),
            (Span::Samples(0, Some(start as u64)), 0..start),
            (Span::Seconds(seconds(stop), None), stop..all),
            (Span::Samples(stop as u64, Some(2 * all as u64)), stop..all),
        ];
        for (span, range) in spans {
            let part = audio::read_span(&path, span).unwrap();
            assert_eq!(part.len(), whole.len());
            for (part, whole) in part.iter().zip(&whole) {
                assert_eq!(part.samples, whole.samples[range.clone()], "{} {span:?}", path.display());
            }
        }
        let message = audio::read_span(&path, Span::Seconds(1e4, None)).unwrap_err().to_string();
        assert!(message.contains("ends before the part from 10000.000 s"), "{message}");
    }
}

#[test]
fn a_resampled_tone_keeps_its_phase() {
    for (from, to) in [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (16_000, 24_000), (22_050, 48_000)] {
        let source = tone(440.0, from, from as usize);
        let out = audio::resample(&source, SampleRate::hz(from), SampleRate::hz(to)).unwrap();
        let expected = tone(440.0, to, to as usize);
        assert_eq!(out.len(), expected.len(), "{from} to {to}");
        let inner = to as usize / 20..to as usize * 19 / 20;
        let apart = out[inner.clone()].iter().zip(&expected[inner]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-3, "{from} to {to}: {apart}");
    }
}

#[test]
fn what_the_target_rate_cannot_hold_is_filtered_out() {
    let source = tone(9_000.0, 48_000, 48_000);
    let out = audio::resample(&source, SampleRate::hz(48_000), SampleRate::hz(16_000)).unwrap();
    let loudest = out[800..15_200].iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
    assert!(loudest < 5e-4, "an alias of {loudest}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_chunking_equals_the_whole(
        rates in prop::sample::select(vec![
            (48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (24_000, 48_000), (16_000, 16_000), (11_025, 16_000),
        ]),
        length in 0usize..6_000,
        mut cuts in prop::collection::vec(0usize..6_000, 0..12),
    ) {
        let (from, to) = (SampleRate::hz(rates.0), SampleRate::hz(rates.1));
        let samples: Vec<f32> = (0..length).map(|n| ((n * n) % 251) as f32 / 251.0 - 0.5).collect();
        let whole = audio::resample(&samples, from, to).unwrap();
        prop_assert_eq!(whole.len() as u64, Samples(length as u64).convert(from, to).0);
        let mut stream = StreamResampler::new(from, to).unwrap();
        let mut out = Vec::new();
        cuts.iter_mut().for_each(|cut| *cut %= length + 1);
        cuts.extend([0, length]);
        cuts.sort_unstable();
        for piece in cuts.windows(2) {
            stream.push(&samples[piece[0]..piece[1]], &mut out).unwrap();
            let trailing = Samples(piece[1].saturating_sub(stream.delay()) as u64).convert(from, to).0;
            prop_assert!(out.len() as u64 + 1 >= trailing);
        }
        stream.flush(&mut out).unwrap();
        prop_assert_eq!(out, whole);
    }
}

/// The length that an Ogg/Opus file gives itself: the last page's position less the samples to skip, at 48 kHz
/// (RFC 7845, sections 4 and 5.1).
fn opus_seconds(bytes: &[u8]) -> Option<f64> {
    let find = |mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    let last = bytes.windows(4).rposition(|window| window == b"OggS")?;
    let end = u64::from_le_bytes(bytes.get(last + 6..last + 14)?.try_into().ok()?);
    let head = find(b"OpusHead")?;
    let skip = u16::from_le_bytes(bytes.get(head + 10..head + 12)?.try_into().ok()?);
    Some(end.checked_sub(u64::from(skip))? as f64 / 48_000.0)
}

/// Every file decodes, and to the length that its manifest gives; where a manifest errs, to the length that the file
/// gives itself. `REJOINDER_DATA_STEP=1` reads all files rather than some.
#[test]
fn real_recordings_decode_to_the_length_of_their_manifests() {
    let Some(folder) = std::env::var_os("REJOINDER_DATA").map(std::path::PathBuf::from) else {
        println!("skipped: set REJOINDER_DATA to the folder of the unpacked recordings");
        return;
    };
    let step = std::env::var("REJOINDER_DATA_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(97);
    let mut wrong = Vec::new();
    for set in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(manifest) = std::fs::read_to_string(set.join("manifest.csv")) else { continue };
        let (mut files, mut errs, mut seconds) = (0, 0, 0.0);
        for line in manifest.lines().skip(1).step_by(step) {
            let mut fields = line.split(',').skip(1);
            let (Some(path), Some(duration)) = (fields.next(), fields.next()) else { continue };
            let Ok(duration) = duration.parse::<f64>() else { continue };
            let path = set.join(path);
            let clip = audio::read_at(&path, SampleRate::INTERNAL).unwrap();
            files += 1;
            seconds += clip.seconds();
            let is = |seconds: f64| (clip.seconds() - seconds).abs() <= 0.002;
            if !is(duration) {
                errs += 1;
                let own = opus_seconds(&std::fs::read(&path).unwrap());
                if !own.is_some_and(is) {
                    let found = clip.seconds();
                    wrong.push(format!("{}: {found:.3} s, manifest {duration:.3} s, file {own:?}", path.display()));
                }
            }
        }
        let name = set.file_name().unwrap().to_string_lossy().into_owned();
        println!("{name}: {files} files, {errs} of another length than their manifest says, {seconds:.1} s");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
