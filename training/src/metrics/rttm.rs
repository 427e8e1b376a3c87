use std::collections::BTreeMap;
use std::path::Path;

use super::diarization::Turn;
use crate::{Error, Result};

/// Turns of a recording's channel.
pub type Recording = Vec<Turn>;

/// Reads who speaks when from NIST's rich transcription time marks ("The 2009 (RT-09) Rich Transcription Meeting
/// Recognition Evaluation Plan", appendix A): lines `SPEAKER file channel start duration <NA> <NA> speaker …`, times in
/// seconds. Turns are put together by file and channel. Lines of other types and comments (`;`, `#`) say nothing here.
///
/// # Errors
/// A missing file; a line of another form, with its number; one of the type `NOSCORE`, which would leave out what this
/// crate cannot.
pub fn read_rttm(path: &Path) -> Result<BTreeMap<String, Recording>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let mut recordings: BTreeMap<String, Recording> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let mistake = |reason: String| Error::data(format!("{} line {}", path.display(), number + 1), reason);
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["SPEAKER", file, channel, start, duration, _, _, speaker, ..] => {
                let seconds = |name: &str, text: &str| match text.parse::<f64>() {
                    Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => Ok(seconds),
                    _ => Err(mistake(format!("expected seconds for the {name}, found `{text}`"))),
                };
                let start_s = seconds("start", start)?;
                let end_s = start_s + seconds("duration", duration)?;
                let turns = recordings.entry(format!("{file} {channel}")).or_default();
                turns.push(Turn { speaker: speaker.to_owned(), start_s, end_s });
            }
            ["SPEAKER", ..] => {
                let form = "`SPEAKER file channel start duration <NA> <NA> speaker`";
                return Err(mistake(format!("expected {form}, found `{line}`")));
            }
            ["NOSCORE", ..] => {
                return Err(mistake("parts that do not count are not supported: take the line out".into()));
            }
            _ if line.trim_start().starts_with([';', '#']) || fields.len() >= 8 || fields.is_empty() => {}
            _ => return Err(mistake(format!("expected a line of an RTTM file, found `{line}`"))),
        }
    }
    if recordings.is_empty() {
        return Err(Error::data(path.display().to_string(), "expected lines that begin with `SPEAKER`, found none"));
    }
    Ok(recordings)
}
