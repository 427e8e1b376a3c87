//! Server-sent events (WHATWG HTML, section 9.2.6): the `data` of each event.

use super::ENGINE;
use crate::{Error, Result};

/// The most bytes of a line, and of an event: a server that sends more without an end is none.
pub(super) const LARGEST: usize = 1 << 20;

/// Cuts a byte stream into events. Lines end with LF, CR LF or CR.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    line: Vec<u8>,
    data: Option<String>,
    after_cr: bool,
}

impl SseParser {
    /// Takes a piece of any length and appends the data of the events that are whole.
    ///
    /// # Errors
    /// [`Error::Engine`] for a line or an event that does not end.
    pub(super) fn push(&mut self, bytes: &[u8], events: &mut Vec<String>) -> Result<()> {
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => self.end_line(events),
                byte => self.line.push(byte),
            }
        }
        match self.line.len() + self.data.as_ref().map_or(0, String::len) {
            0..=LARGEST => Ok(()),
            _ => Err(Error::engine(ENGINE, format!("an event of more than {LARGEST} bytes"))),
        }
    }

    fn end_line(&mut self, events: &mut Vec<String>) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            events.extend(self.data.take());
            return;
        }
        let line = String::from_utf8_lossy(&line);
        let Some(value) = line.strip_prefix("data:").or((line == "data").then_some("")) else { return };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(pieces: &[&[u8]]) -> Vec<String> {
        let (mut parser, mut events) = (SseParser::default(), Vec::new());
        pieces.iter().for_each(|piece| parser.push(piece, &mut events).unwrap());
        events
    }

    #[test]
    fn events_of_the_standard_are_read() {
        // The examples of section 9.2.6.
        assert_eq!(parse(&[b"data: YHOO\ndata: +2\ndata: 10\n\n"]), ["YHOO\n+2\n10"]);
        assert_eq!(
            parse(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"]),
            ["first event", "second event"]
        );
        assert_eq!(parse(&[b"data\n\ndata\ndata\n\ndata:"]), ["", "\n"]);
        assert_eq!(parse(&[b"event: x\r\ndata: a\r\n\r\ndata: b\r\r"]), ["a", "b"]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        for piece in [&b"data: aaaaaaaaaaaaaaaa"[..], b"aaaaaaaaaaaaaaaa", b"data: aaaaaaaaaaaa\n"] {
            let mut parser = SseParser::default();
            let failed = (0..100_000).find_map(|_| parser.push(piece, &mut Vec::new()).err());
            assert!(failed.unwrap().to_string().contains("an event of more than"));
        }
    }

    proptest! {
        #[test]
        fn any_chunking_equals_the_whole(text in "(data: ?[a-zé]{0,4}|:|id|)(\r|\n|\r\n)(\n|\r\n|)(data:x\n\n|)", cut in 0usize..30) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(parse(&[bytes]), parse(&[&bytes[..cut], &bytes[cut..]]));
            prop_assert_eq!(parse(&[bytes]), parse(&single));
        }
    }
}
