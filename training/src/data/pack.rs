//! Packs: the audio of a whole manifest in one file, decoded once, so that an epoch costs no decoding.
//!
//! `audio.pack` is a 16-byte header (`RJPACK01`, sample rate as u32, zero as u32) and then mono 16-bit samples, all
//! little-endian. `audio.index.csv` beside it has the columns `ID,start,samples`, both counted in samples. A row is
//! written after its samples, so a pack that was cut off in the middle is taken up at the end of the last row.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Error, Result};

use super::table::{Table, csv_error};

const MAGIC: &[u8; 8] = b"RJPACK01";
const HEADER_BYTES: u64 = 16;

/// Where a clip lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PackedClip {
    /// First sample.
    pub start: u64,
    /// Length in samples.
    pub samples: u64,
}

/// The index of a pack: immutable and shared. Each thread reads through a [`PackReader`] of its own.
#[derive(Clone, Debug)]
pub struct Pack {
    path: PathBuf,
    sample_rate_hz: u32,
    index: Arc<HashMap<String, PackedClip>>,
}

impl Pack {
    /// Opens a pack and its index.
    ///
    /// # Errors
    /// A missing file, a header of another kind, or an index that points past the end.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        let sample_rate_hz = read_header(path, &mut file)?;
        let bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let index = read_index(&index_path(path))?;
        let end = index.iter().map(|(_, span)| span.start + span.samples).max().unwrap_or(0);
        if HEADER_BYTES + 2 * end > bytes {
            return Err(Error::data(
                path.display().to_string(),
                format!("the index names {end} samples, the pack holds {}", (bytes - HEADER_BYTES) / 2),
            ));
        }
        Ok(Self { path: path.to_owned(), sample_rate_hz, index: Arc::new(index.into_iter().collect()) })
    }

    /// Samples per second of every clip.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Where the clip `id` lies.
    pub fn span(&self, id: &str) -> Option<PackedClip> {
        self.index.get(id).copied()
    }

    /// The number of clips.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the pack holds nothing.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// A reader with its own file position.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self) -> Result<PackReader> {
        let file = File::open(&self.path).map_err(|e| Error::io(&self.path, e))?;
        Ok(PackReader { pack: self.clone(), file, bytes: Vec::new() })
    }

    /// As [`Pack::reader`], for a user that needs a certain rate.
    ///
    /// # Errors
    /// As [`Pack::reader`], and a pack at another rate.
    pub fn reader_at(&self, sample_rate_hz: u32) -> Result<PackReader> {
        if self.sample_rate_hz != sample_rate_hz {
            return Err(Error::data(
                self.path.display().to_string(),
                format!("expected a pack at {sample_rate_hz} Hz, found {} Hz", self.sample_rate_hz),
            ));
        }
        self.reader()
    }
}

/// Reads clips out of a [`Pack`].
pub struct PackReader {
    pack: Pack,
    file: File,
    bytes: Vec<u8>,
}

impl PackReader {
    /// Reads the clip `id` into `samples`, as mono samples in [-1, 1].
    ///
    /// # Errors
    /// An id that the index lacks, or a failed read.
    pub fn read(&mut self, id: &str, samples: &mut Vec<f32>) -> Result<()> {
        let span = self.pack.span(id).ok_or_else(|| {
            let place = self.pack.path.display().to_string();
            Error::data(place, format!("clip `{id}` is not in the pack; prepare the data again"))
        })?;
        self.bytes.resize(2 * span.samples as usize, 0);
        self.file
            .seek(SeekFrom::Start(HEADER_BYTES + 2 * span.start))
            .and_then(|_| self.file.read_exact(&mut self.bytes))
            .map_err(|e| Error::io(&self.pack.path, e))?;
        samples.clear();
        samples.extend(self.bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0));
        Ok(())
    }
}

/// Appends clips to a pack.
pub struct PackWriter {
    path: PathBuf,
    audio: BufWriter<File>,
    index: csv::Writer<File>,
    end: u64,
    clips: HashMap<String, PackedClip>,
    pending: Vec<(String, PackedClip)>,
    bytes: Vec<u8>,
}

impl PackWriter {
    /// Takes up the pack at `path`, or begins a new one; whatever lies behind the last whole clip is cut off.
    ///
    /// # Errors
    /// When the files cannot be written, or the pack there has another rate.
    pub fn resume(path: impl AsRef<Path>, sample_rate_hz: u32) -> Result<Self> {
        let path = path.as_ref();
        let index = index_path(path);
        let is_begun = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
        if !is_begun(path) || !is_begun(&index) {
            return Self::create(path, sample_rate_hz);
        }
        let mut file = File::options().read(true).write(true).open(path).map_err(|e| Error::io(path, e))?;
        let found = read_header(path, &mut file)?;
        if found != sample_rate_hz {
            return Err(Error::data(
                path.display().to_string(),
                format!("expected a pack at {sample_rate_hz} Hz, found {found} Hz"),
            ));
        }
        let clips = read_index(&index)?;
        let end = clips.iter().map(|(_, span)| span.start + span.samples).max().unwrap_or(0);
        file.set_len(HEADER_BYTES + 2 * end)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(|e| Error::io(path, e))?;
        let rows = File::options().append(true).open(&index).map_err(|e| Error::io(&index, e))?;
        Ok(Self::over(path, file, csv::Writer::from_writer(rows), end, clips.into_iter().collect()))
    }

    /// Begins a new pack, over whatever is there.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn create(path: impl AsRef<Path>, sample_rate_hz: u32) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::create(path).map_err(|e| Error::io(path, e))?;
        let mut header = MAGIC.to_vec();
        header.extend(sample_rate_hz.to_le_bytes());
        header.extend(0_u32.to_le_bytes());
        file.write_all(&header).map_err(|e| Error::io(path, e))?;
        let index = index_path(path);
        let mut rows = csv::Writer::from_writer(File::create(&index).map_err(|e| Error::io(&index, e))?);
        rows.write_record(["ID", "start", "samples"]).map_err(|e| csv_error(&index, e))?;
        Ok(Self::over(path, file, rows, 0, HashMap::new()))
    }

    fn over(path: &Path, file: File, index: csv::Writer<File>, end: u64, clips: HashMap<String, PackedClip>) -> Self {
        let audio = BufWriter::new(file);
        Self { path: path.to_owned(), audio, index, end, clips, pending: Vec::new(), bytes: Vec::new() }
    }

    /// Where each clip lies.
    pub fn spans(&self) -> impl Iterator<Item = (&str, PackedClip)> {
        self.clips.iter().map(|(id, span)| (id.as_str(), *span))
    }

    /// Whether the clip `id` is there already.
    pub fn contains(&self, id: &str) -> bool {
        self.clips.contains_key(id)
    }

    /// Where the clip `id` lies.
    pub fn span(&self, id: &str) -> Option<PackedClip> {
        self.clips.get(id).copied()
    }

    /// Adds a clip of mono samples; what lies outside [-1, 1] is clipped. It counts once [`flush`](Self::flush) is
    /// through.
    ///
    /// # Errors
    /// An id that is there already, or a failed write.
    pub fn append(&mut self, id: &str, samples: &[f32]) -> Result<()> {
        let span = PackedClip { start: self.end, samples: samples.len() as u64 };
        if self.clips.insert(id.to_owned(), span).is_some() {
            return Err(Error::data(self.path.display().to_string(), format!("clip `{id}` stands twice")));
        }
        self.bytes.clear();
        let quantised = samples.iter().map(|s| (s * 32768.0).round().clamp(-32768.0, 32767.0) as i16);
        self.bytes.extend(quantised.flat_map(i16::to_le_bytes));
        self.audio.write_all(&self.bytes).map_err(|e| Error::io(&self.path, e))?;
        self.end += span.samples;
        self.pending.push((id.to_owned(), span));
        Ok(())
    }

    /// Brings samples, then rows, to their files.
    ///
    /// # Errors
    /// When a write fails.
    pub fn flush(&mut self) -> Result<()> {
        self.audio.flush().map_err(|e| Error::io(&self.path, e))?;
        for (id, span) in self.pending.drain(..) {
            let row = [&id, &span.start.to_string(), &span.samples.to_string()];
            self.index.write_record(row).map_err(|e| csv_error(&self.path, e))?;
        }
        self.index.flush().map_err(|e| Error::io(&self.path, e))
    }
}

/// The index that belongs to a pack: `audio.pack` has `audio.index.csv`.
pub fn index_path(pack: &Path) -> PathBuf {
    pack.with_extension("index.csv")
}

fn read_header(path: &Path, file: &mut File) -> Result<u32> {
    let mut header = [0_u8; HEADER_BYTES as usize];
    file.read_exact(&mut header).map_err(|e| Error::io(path, e))?;
    if &header[..8] != MAGIC {
        return Err(Error::data(path.display().to_string(), "expected an audio pack (RJPACK01)"));
    }
    Ok(u32::from_le_bytes([header[8], header[9], header[10], header[11]]))
}

fn read_index(path: &Path) -> Result<Vec<(String, PackedClip)>> {
    let table = Table::read(path)?;
    let (id, start, samples) = (table.column("ID")?, table.column("start")?, table.column("samples")?);
    let number = |row: &super::table::Row, column: usize, name: &str| {
        row.fields[column].parse::<u64>().map_err(|_| table.error(row, name, "a count of samples", &row.fields[column]))
    };
    let span = |row| -> Result<PackedClip> {
        Ok(PackedClip { start: number(row, start, "start")?, samples: number(row, samples, "samples")? })
    };
    table.rows.iter().map(|row| Ok((row.fields[id].to_owned(), span(row)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_come_back_and_a_torn_pack_is_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audio.pack");
        let ramp: Vec<f32> = (0..1000).map(|i| i as f32 / 1024.0 - 0.5).collect();
        let mut writer = PackWriter::resume(&path, 16_000).unwrap();
        writer.append("a", &ramp).unwrap();
        writer.append("loud", &[2.0, -2.0]).unwrap();
        writer.flush().unwrap();
        drop(writer);
        let mut torn = File::options().append(true).open(&path).unwrap();
        torn.write_all(&[1, 2, 3]).unwrap();

        let mut writer = PackWriter::resume(&path, 16_000).unwrap();
        assert!(writer.contains("a") && !writer.contains("b"));
        assert!(writer.append("a", &ramp).is_err());
        writer.append("b", &ramp[..10]).unwrap();
        writer.flush().unwrap();

        let pack = Pack::open(&path).unwrap();
        assert_eq!((pack.len(), pack.sample_rate_hz()), (3, 16_000));
        let mut reader = pack.reader().unwrap();
        let mut samples = Vec::new();
        reader.read("b", &mut samples).unwrap();
        assert_eq!(samples, &ramp[..10]);
        reader.read("a", &mut samples).unwrap();
        assert_eq!(samples, ramp);
        reader.read("loud", &mut samples).unwrap();
        assert_eq!(samples, [32767.0 / 32768.0, -1.0]);
        let message = reader.read("c", &mut samples).unwrap_err().to_string();
        assert!(message.contains("`c` is not in the pack"), "{message}");
    }

    #[test]
    fn a_pack_that_is_too_short_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audio.pack");
        let mut writer = PackWriter::create(&path, 16_000).unwrap();
        writer.append("a", &[0.0; 100]).unwrap();
        writer.flush().unwrap();
        File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
        let message = Pack::open(&path).unwrap_err().to_string();
        assert!(message.contains("100 samples") && message.contains("holds 42"), "{message}");
    }
}
