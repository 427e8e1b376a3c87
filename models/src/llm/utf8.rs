//! Bytes to whole characters.

/// Turns bytes that come in pieces into text, whole characters only. Bytes that are no UTF-8 become U+FFFD, as in
/// [`String::from_utf8_lossy`].
#[derive(Debug, Default)]
pub(super) struct Utf8Stream {
    held: Vec<u8>,
}

impl Utf8Stream {
    /// Takes a piece and appends the characters that are whole.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        self.held.extend_from_slice(bytes);
        let mut done = 0;
        loop {
            match std::str::from_utf8(&self.held[done..]) {
                Ok(text) => {
                    out.push_str(text);
                    done = self.held.len();
                    break;
                }
                Err(error) => {
                    let valid = done + error.valid_up_to();
                    out.push_str(&String::from_utf8_lossy(&self.held[done..valid]));
                    done = valid;
                    let Some(wrong) = error.error_len() else { break };
                    out.push(char::REPLACEMENT_CHARACTER);
                    done += wrong;
                }
            }
        }
        self.held.drain(..done);
    }

    /// Ends the stream: what is left is no whole character.
    pub(super) fn flush(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.held).is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_chunking_equals_the_whole(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac)], 0..40), sizes in prop::collection::vec(1usize..5, 40)) {
            let mut stream = Utf8Stream::default();
            let (mut out, mut rest) = (String::new(), bytes.as_slice());
            for size in sizes {
                let (piece, left) = rest.split_at(size.min(rest.len()));
                stream.push(piece, &mut out);
                rest = left;
            }
            stream.push(rest, &mut out);
            stream.flush(&mut out);
            prop_assert_eq!(out, String::from_utf8_lossy(&bytes));
        }
    }
}
