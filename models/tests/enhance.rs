//! Echo, noise and gain: speech from a loudspeaker in rooms whose impulse responses were measured, the caller's voice
//! over it, steady noise, and a voice from afar. What is asked of the canceller is told beside each bound.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's helpers may fail and report like the test")]

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use rejoinder_models::audio;
use rejoinder_models::enhance::{EnhanceConfig, Enhancer, EnhancerStream, Sample, Suppression};
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::units::SampleRate;

const RATE: usize = 16_000;
/// A loudspeaker beside its microphone, and a room whose reverberation is as strong as the direct sound.
const ROOMS: [&str; 2] = ["sb_rir4", "wa_dining-room"];

fn fixture(name: &str) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    audio::read_at(path, SampleRate::INTERNAL).unwrap().samples
}

/// What the assistant says: three voices without long pauses, for so many seconds.
fn far_end(seconds: usize) -> Vec<f32> {
    let files = ["audio/coffee_order.wav", "audio/set_a_timer.wav", "audio/sum.wav"];
    let speech: Vec<f32> = files.iter().flat_map(|file| fixture(file)).collect();
    speech.into_iter().cycle().take(seconds * RATE).collect()
}

/// White noise of a root mean square in dB of full scale.
fn noise(length: usize, level_db: f32) -> Vec<f32> {
    let mut state = 1_u32;
    let gain = 10_f32.powf(level_db / 20.0) * 3_f32.sqrt();
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 * 2.0 - 1.0
    };
    (0..length).map(|_| gain * draw()).collect()
}

/// What of a sound comes back: through a room's response of energy one, `loss_db` weaker, `delay_ms` late, by a clock
/// that is `drift_ppm` faster than the microphone's.
fn echo(sound: &[f32], room: &str, loss_db: f32, delay_ms: f64, drift_ppm: f64) -> Vec<f32> {
    let response = fixture(&format!("caller/{room}.flac"));
    let peak = (0..response.len()).max_by(|a, b| response[*a].abs().total_cmp(&response[*b].abs())).unwrap();
    let response = &response[peak..];
    let energy: f32 = response.iter().map(|x| x * x).sum();
    let gain = 10_f32.powf(-loss_db / 20.0) / energy.sqrt();
    let at = |moment: f64| {
        let (base, part) = (moment.floor(), moment.fract() as f32);
        let sample = |i: f64| if i < 0.0 { 0.0 } else { sound.get(i as usize).copied().unwrap_or(0.0) };
        sample(base) * (1.0 - part) + sample(base + 1.0) * part
    };
    let delay = delay_ms * 16.0;
    let mut echo = vec![0.0; sound.len() + response.len()];
    for i in 0..sound.len() {
        let x = gain * at(i as f64 * (1.0 + drift_ppm * 1e-6) - delay);
        if x != 0.0 {
            echo[i..].iter_mut().zip(response).for_each(|(sum, h)| *sum += x * h);
        }
    }
    echo.truncate(sound.len());
    echo
}

fn sum(parts: &[&[f32]]) -> Vec<f32> {
    (0..parts[0].len()).map(|i| parts.iter().map(|part| part[i]).sum()).collect()
}

fn open(config: &EnhanceConfig) -> rejoinder_models::Result<Option<Arc<dyn Enhancer>>> {
    config.open(runtime::open(&RuntimeConfig::default())?.as_ref())
}

fn stream(config: &EnhanceConfig) -> Box<dyn EnhancerStream> {
    open(config).unwrap().expect("something to do").stream().unwrap()
}

fn canceller() -> EnhanceConfig {
    EnhanceConfig { echo: true, ..EnhanceConfig::default() }
}

fn pairs(heard: &[f32], played: &[f32]) -> Vec<Sample> {
    heard.iter().zip(played).map(|(heard, played)| [*heard, *played]).collect()
}

/// What comes out, on the time of what went in, and where the canceller found the echo.
fn clean(config: &EnhanceConfig, heard: &[f32], played: &[f32]) -> (Vec<f32>, Option<f64>) {
    let (mut stream, mut out) = (stream(config), Vec::new());
    stream.push(&pairs(heard, played), &mut out).unwrap();
    let delay = stream.echo_delay_ms();
    stream.flush(&mut out).unwrap();
    assert_eq!(out.len(), heard.len() + stream.lag());
    (out.split_off(stream.lag()), delay)
}

fn db(samples: &[f32]) -> f32 {
    10.0 * (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).max(1e-10).log10()
}

/// Echo return loss enhancement: by how much the echo is weaker from a second on, in dB (ITU-T G.168).
fn erle(heard: &[f32], out: &[f32], from: usize) -> f32 {
    db(&heard[from * RATE..]) - db(&out[from * RATE..])
}

/// Weighs the bands of speech alike: y[n] = x[n] - 0.97 x[n-1].
fn emphasized(samples: &[f32]) -> Vec<f32> {
    samples.windows(2).map(|pair| pair[1] - 0.97 * pair[0]).collect()
}

/// Le Roux et al., "SDR – half-baked or well done?", 2019.
fn si_sdr(reference: &[f32], found: &[f32]) -> f32 {
    let dot: f32 = reference.iter().zip(found).map(|(a, b)| a * b).sum();
    let scale = dot / reference.iter().map(|x| x * x).sum::<f32>();
    let rest: f32 = reference.iter().zip(found).map(|(a, b)| (b - scale * a).powi(2)).sum();
    10.0 * (scale * scale * reference.iter().map(|x| x * x).sum::<f32>() / rest).log10()
}

/// As [`erle`] and [`si_sdr`] have them for the original of the port, libwebrtc: `tests/peers/echo.py`.
const ERLE_PEER: [[f32; 3]; 2] = [[47.2, 47.1, 47.0], [42.9, 43.8, 39.2]];
const DOUBLE_TALK_PEER: [(f32, f32); 2] = [(9.1, 11.4), (8.5, 9.9)];

#[test]
fn an_echo_goes_within_seconds_whatever_its_room_and_its_unknown_delay() {
    let far = far_end(12);
    for (room, peers) in ROOMS.into_iter().zip(ERLE_PEER) {
        for (delay_ms, peer) in [20.0, 80.0, 200.0].into_iter().zip(peers) {
            let heard = sum(&[&echo(&far, room, 6.0, delay_ms, 0.0), &noise(far.len(), -70.0)]);
            let (out, found) = clean(&canceller(), &heard, &far);
            let erle = erle(&heard, &out, 4);
            println!("{room}, {delay_ms} ms: {erle:.1} dB, peer {peer:.1} dB, found {found:?}");
            assert!(erle > peer - 3.0, "{erle:.1} dB in {room} at {delay_ms} ms, of the peer {peer} dB");
            assert!((found.unwrap() - delay_ms).abs() <= 12.0, "{found:?} ms found, {delay_ms} ms true");
        }
    }
}

#[test]
fn a_delay_that_jumps_and_clocks_that_differ_are_followed() {
    let far = far_end(24);
    let (before, after) = (echo(&far, ROOMS[0], 6.0, 30.0, 0.0), echo(&far, ROOMS[0], 6.0, 130.0, 0.0));
    let jump = 12 * RATE;
    let heard: Vec<f32> = before[..jump].iter().chain(&after[jump..]).copied().collect();
    let (out, _) = clean(&canceller(), &heard, &far);
    let after = erle(&heard, &out, 18);
    println!("after a jump: {after:.1} dB");
    assert!(after > 30.0, "{after:.1} dB after the jump");
    for drift_ppm in [-100.0, 100.0] {
        let heard = echo(&far, ROOMS[0], 6.0, 60.0, drift_ppm);
        let (out, _) = clean(&canceller(), &heard, &far);
        let erle = erle(&heard, &out, 6);
        println!("{drift_ppm} ppm: {erle:.1} dB");
        assert!(erle > 30.0, "{erle:.1} dB at {drift_ppm} ppm");
    }
}

/// The voice comes through, and what is left of the echo is far below it. The measure is the voice alone on the same
/// way: the high-pass filter before the canceller turns the phase of its lowest notes.
#[test]
fn a_voice_stays_with_and_without_an_echo_over_it() {
    let far = far_end(16);
    let voice = fixture("caller/latte.flac");
    let at = 9 * RATE;
    let mut near = vec![0.0; far.len()];
    near[at..at + voice.len()].copy_from_slice(&voice);
    let during = |samples: &[f32]| emphasized(&samples[at..at + voice.len()]);
    let (alone, _) = clean(&canceller(), &near, &vec![0.0; near.len()]);
    let lost = db(&during(&near)) - db(&during(&alone));
    println!("without an echo {lost:.1} dB of the voice are lost");
    assert!(lost.abs() < 1.0, "{lost:.1} dB of the voice were lost without an echo");
    for (room, (before_peer, after_peer)) in ROOMS.into_iter().zip(DOUBLE_TALK_PEER) {
        let heard = sum(&[&echo(&far, room, 6.0, 40.0, 0.0), &near]);
        let (out, _) = clean(&canceller(), &heard, &far);
        let (before, after) = (si_sdr(&during(&near), &during(&heard)), si_sdr(&during(&alone), &during(&out)));
        let lost = db(&during(&alone)) - db(&during(&out));
        println!("{room}: SI-SDR {before:.1} dB -> {after:.1} dB, {lost:.1} dB of the voice lost");
        assert!((before - before_peer).abs() < 0.1, "another mix than the peer's: {before} dB, {before_peer} dB");
        assert!(after > before + 0.5, "SI-SDR {before:.1} dB before, {after:.1} dB after");
        assert!(after > after_peer - 1.5, "SI-SDR {after:.1} dB, of the peer {after_peer} dB");
        assert!(lost < 6.0, "{lost:.1} dB of the voice were lost in double talk");
    }
}

#[test]
fn a_sound_comes_out_late_by_the_lag() {
    let voice = fixture("caller/latte.flac");
    let noise = Some(Suppression::Moderate);
    for config in
        [canceller(), EnhanceConfig { noise, ..EnhanceConfig::default() }, EnhanceConfig { noise, ..canceller() }]
    {
        let mut stream = stream(&config);
        let mut out = Vec::new();
        stream.push(&pairs(&voice, &vec![0.0; voice.len()]), &mut out).unwrap();
        let (voice, out) = (emphasized(&voice), emphasized(&out));
        let likeness = |lag: usize| voice.iter().zip(&out[lag..]).map(|(a, b)| a * b).sum::<f32>();
        let found = (0..400).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b))).unwrap();
        assert!(found.abs_diff(stream.lag()) <= 3, "late by {found}, said {}", stream.lag());
    }
}

#[test]
fn steady_noise_is_suppressed_by_what_was_asked_and_speech_is_not() {
    let voice = fixture("caller/latte.flac");
    let (lead, silence) = (vec![0.0; 3 * RATE], vec![0.0; 3 * RATE + voice.len()]);
    let heard = sum(&[&[lead.clone(), voice.clone()].concat(), &noise(silence.len(), -50.0)]);
    let mut last = 0.0;
    for (strength, least) in [(Suppression::Low, 4.0), (Suppression::Moderate, 9.0), (Suppression::High, 13.0)] {
        let config = EnhanceConfig { noise: Some(strength), ..EnhanceConfig::default() };
        let (out, found) = clean(&config, &heard, &silence);
        let (quiet, _) = clean(&config, &[lead.clone(), voice.clone()].concat(), &silence);
        let weaker = db(&heard[RATE..3 * RATE]) - db(&out[RATE..3 * RATE]);
        let voiced = si_sdr(&emphasized(&quiet[3 * RATE..]), &emphasized(&out[3 * RATE..]));
        println!("{strength:?}: noise {weaker:.1} dB weaker, SI-SDR of the voice {voiced:.1} dB");
        assert!(weaker > least && weaker > last, "{strength:?}: {weaker:.1} dB");
        assert!(voiced > 10.0, "{strength:?}: SI-SDR {voiced:.1} dB");
        assert_eq!(found, None, "no echo is looked for");
        last = weaker;
    }
}

#[test]
fn a_voice_from_afar_becomes_louder_and_a_near_one_does_not_clip() {
    let config = EnhanceConfig { max_gain_db: 24.0, ..EnhanceConfig::default() };
    let speech = far_end(20);
    let from = 15 * RATE;
    for (gain_db, least, most) in [(-30.0, 10.0, 24.5), (0.0, -3.0, 12.0)] {
        let heard: Vec<f32> = speech.iter().map(|x| x * 10_f32.powf(gain_db / 20.0)).collect();
        let (out, _) = clean(&config, &heard, &vec![0.0; heard.len()]);
        let louder = db(&out[from..]) - db(&heard[from..]);
        println!("a voice at {:.0} dB: {louder:.1} dB louder", db(&heard));
        assert!((least..most).contains(&louder), "{louder:.1} dB louder");
        assert!(out.iter().all(|x| x.abs() <= 1.0));
    }
}

#[test]
fn a_gain_beyond_reason_is_refused_and_nothing_to_do_is_no_stream() {
    let config = EnhanceConfig { max_gain_db: 99.0, ..EnhanceConfig::default() };
    let error = open(&config).err().unwrap().to_string();
    assert_eq!(error, "max_gain_db: expected 0 to 50, found 99");
    assert!(open(&EnhanceConfig::default()).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_chunking_gives_the_output_of_the_whole(cuts in prop::collection::vec(0usize..700, 1..40)) {
        let suppression = Some(Suppression::Moderate);
        let config = EnhanceConfig { noise: suppression, max_gain_db: 12.0, ..canceller() };
        let far = far_end(2);
        let heard = sum(&[&echo(&far, ROOMS[1], 6.0, 20.0, 0.0), &noise(far.len(), -60.0)]);
        let samples = pairs(&heard, &far);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        let mut stream = stream(&config);
        stream.push(&samples, &mut whole).unwrap();
        stream.flush(&mut whole).unwrap();
        let mut rest = &samples[..];
        for cut in cuts {
            let (piece, more) = rest.split_at(cut.min(rest.len()));
            stream.push(piece, &mut pieces).unwrap();
            let pushed = samples.len() - more.len();
            prop_assert!(pushed < pieces.len() + stream.delay());
            rest = more;
        }
        stream.push(rest, &mut pieces).unwrap();
        stream.flush(&mut pieces).unwrap();
        prop_assert!(whole == pieces);
    }
}
