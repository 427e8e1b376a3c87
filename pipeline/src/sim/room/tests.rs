use super::*;

fn signal(length: usize) -> Vec<f32> {
    (0..length).map(|i| 0.3 * (i as f32 * 0.05).sin()).collect()
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

#[test]
fn reverberation_in_blocks_is_that_of_the_whole() {
    let response = drawn(200.0, &mut ChaCha8Rng::seed_from_u64(1));
    let sound = signal(3_000);
    let mut whole = sound.clone();
    whole.resize(4_000, 0.0);
    Reverb::new(response.clone()).apply(&mut whole);
    let direct: Vec<f32> = (0..4_000)
        .map(|n| (0..=n.min(response.len() - 1)).filter(|k| n - k < 3_000).map(|k| response[k] * sound[n - k]).sum())
        .collect();
    assert!(whole.iter().zip(&direct).all(|(a, b)| (a - b).abs() < 1e-4));
    let (mut reverb, mut blocks) = (Reverb::new(response), sound);
    blocks.resize(4_000, 0.0);
    let lengths = [1, 160, 37, 802, 3_000];
    let mut at = 0;
    for length in lengths.into_iter().cycle() {
        let end = (at + length).min(blocks.len());
        reverb.apply(&mut blocks[at..end]);
        at = end;
        if at == blocks.len() {
            break;
        }
    }
    assert!(blocks.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn an_echo_comes_late_and_quieter() {
    let config = EchoConfig { response: None, loss_db: 20.0, delay_ms: 10.0, drift_ppm: 0.0, distortion: 0.0 };
    let mut echo = Echo::new(&config, vec![1.0]);
    let sound = signal(1_600);
    let mut heard = Vec::new();
    for block in sound.chunks(160) {
        echo.played(block);
        let mut out = [0.0; 160];
        echo.add_to(&mut out);
        heard.extend(out);
    }
    assert!(heard[..160].iter().all(|x| *x == 0.0));
    assert!(heard[160..].iter().zip(&sound).all(|(a, b)| (a - 0.1 * b).abs() < 1e-6));
}

#[test]
fn a_faster_loudspeaker_shifts_the_pitch_and_not_the_delay() {
    let config = EchoConfig { response: None, loss_db: 0.0, delay_ms: 20.0, drift_ppm: 1_000.0, distortion: 0.0 };
    let mut echo = Echo::new(&config, vec![1.0]);
    let sound = signal(16_016);
    let mut heard = Vec::new();
    let mut given = 0;
    for block in 1..=100_usize {
        let until = block * 160 * 1_001 / 1_000;
        echo.played(&sound[given..until]);
        given = until;
        let mut out = [0.0; 160];
        echo.add_to(&mut out);
        heard.extend(out);
    }
    let expected = |n: usize| 0.3 * ((n as f32 * 1.001 - 320.0) * 0.05).sin();
    assert!((400..16_000).all(|n| (heard[n] - expected(n)).abs() < 1e-2));
}

#[test]
fn background_noise_has_its_level() {
    let mut noise = Noise::new(None, 0.01, ChaCha8Rng::seed_from_u64(5));
    let mut block = vec![0.0; 160_000];
    noise.add_to(&mut block);
    assert!((rms(&block) / 0.01 - 1.0).abs() < 0.05, "{}", rms(&block));
}
