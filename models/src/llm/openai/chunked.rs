use super::ENGINE;
use crate::{Error, Result};

/// The chunked transfer coding (RFC 9112, section 7.1). Trailers are left out.
#[derive(Debug, Default)]
pub(super) struct ChunkedBody {
    line: Vec<u8>,
    left: usize,
    state: ChunkState,
}

/// The most bytes of a chunk's size with its extensions.
const LONGEST_LINE: usize = 4096;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum ChunkState {
    #[default]
    Size,
    Data,
    AfterData,
    Done,
}

impl ChunkedBody {
    /// Takes a piece of any length and appends the body's bytes. True at the last chunk.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.state {
                ChunkState::Done => break,
                ChunkState::Data => {
                    let now = self.left.min(rest.len());
                    out.extend_from_slice(&rest[..now]);
                    self.left -= now;
                    rest = &rest[now..];
                    if self.left == 0 {
                        self.state = ChunkState::AfterData;
                    }
                    continue;
                }
                ChunkState::AfterData if byte == b'\n' => self.state = ChunkState::Size,
                ChunkState::AfterData => {}
                ChunkState::Size if byte == b'\n' => self.size()?,
                ChunkState::Size if self.line.len() > LONGEST_LINE => {
                    return Err(Error::engine(ENGINE, "a chunk whose size does not end"));
                }
                ChunkState::Size => self.line.push(byte),
            }
            rest = after;
        }
        Ok(self.state == ChunkState::Done)
    }

    fn size(&mut self) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let digits = text.split(';').next().unwrap_or_default().trim();
        self.left = usize::from_str_radix(digits, 16)
            .map_err(|_| Error::engine(ENGINE, format!("a chunk whose size is {digits:?}")))?;
        self.state = if self.left == 0 { ChunkState::Done } else { ChunkState::Data };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_chunking_of_chunks_equals_the_whole(parts in prop::collection::vec("[a-z]{1,9}", 0..5), cut in 1usize..7) {
            let mut wire: String = parts.iter().map(|part| format!("{:x};x=y\r\n{part}\r\n", part.len())).collect();
            wire.push_str("0\r\n\r\n");
            let (mut body, mut out, mut done) = (ChunkedBody::default(), Vec::new(), false);
            for piece in wire.as_bytes().chunks(cut) {
                done = body.push(piece, &mut out).unwrap();
            }
            prop_assert!(done);
            prop_assert_eq!(out, parts.concat().into_bytes());
        }
    }
}
