//! Recordings of a made-up speaker: few words, of which each phone has a spectrum of its own.

use std::path::Path;

use rejoinder_models::tts::excitation::Pitch;
use rejoinder_models::tts::source_filter::{SourceFilter, SourceFilterConfig};

/// A pronouncing dictionary of five words.
pub(crate) const DICTIONARY: &str = "see S IY1\nsaw S AO1\nme M IY1\nmow M OW1\nso S OW1\n";

/// The size of all that is cut and synthesized.
pub(crate) fn geometry() -> SourceFilterConfig {
    SourceFilterConfig { rate_hz: 16_000, hop: 200, fft: 800, harmonic_order: 40, noise_order: 20 }
}

/// The sound of a phone as the two cepstra of the synthesizer.
fn cepstra(config: &SourceFilterConfig, phone: &str) -> (Vec<f32>, f32) {
    let mut cepstra = vec![0.0; config.width()];
    let noise = config.harmonic_order;
    let (harmonic_level, noise_level, tilt, voicing) = match phone {
        "S" => (-9.0, -2.5, -0.8, 0.0),
        "M" => (-3.0, -8.0, 1.5, 1.0),
        "IY1" => (-2.5, -8.0, 0.2, 1.0),
        "AO1" => (-2.0, -8.0, 1.2, 1.0),
        "OW1" => (-2.2, -8.0, 0.8, 1.0),
        _ => (-9.0, -9.0, 0.0, 0.0),
    };
    (cepstra[0], cepstra[1], cepstra[noise]) = (harmonic_level, tilt, noise_level);
    (cepstra, voicing)
}

/// Writes recordings of the dictionary's words, with their manifest.
pub(crate) fn make_recordings(folder: &Path, config: &SourceFilterConfig) {
    let words = [["see", "saw"], ["me", "mow"], ["so", "me"], ["saw", "mow"], ["mow", "see"], ["me", "so"]];
    let mut manifest = "id,path,transcript,prompt\n".to_owned();
    for (number, pair) in words.iter().enumerate() {
        let mut synthesizer = SourceFilter::new(config).unwrap();
        let mut samples = Vec::new();
        let line = |word: &str| DICTIONARY.lines().find(|l| l.starts_with(&format!("{word} "))).unwrap();
        let spoken = pair.iter().flat_map(|w| line(w).split(' ').skip(1).map(|p| (p, 12)));
        for (phone, frames) in [("sil", 10)].into_iter().chain(spoken).chain([("sil", 10)]) {
            let (cepstra, voicing) = cepstra(config, phone);
            for t in 0..frames {
                let pitch = Pitch { hz: 180.0 - t as f32, voicing };
                synthesizer.push(pitch, &cepstra, &mut samples).unwrap();
            }
        }
        synthesizer.flush(&mut samples).unwrap();
        let clip = rejoinder_models::audio::Clip::new(samples, rejoinder_models::units::SampleRate::hz(config.rate_hz));
        rejoinder_models::audio::write_wav(folder.join(format!("{number}.wav")), &clip).unwrap();
        manifest.push_str(&format!("{number},{number}.wav,{} {}.,p{number}\n", pair[0], pair[1]));
    }
    std::fs::write(folder.join("manifest.csv"), manifest).unwrap();
}
