//! Transcripts as phones, and the pronunciations of a vocabulary.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use rejoinder_models::text::{Alignment, ErrorCounts};
use rejoinder_models::tts::frontend::Frontend;
use rejoinder_models::tts::phones;

use crate::data::loader::AsrBatch;
use crate::nets::conformer::ConformerConfig;
use crate::tasks::g2p::read_dictionary;
use crate::{Error, Result};

/// The phones of the CMU dictionary without stress, and the blank at 0.
pub(super) const PHONES: usize = 1 + phones::UNSTRESSED;

/// Tells how words sound: by a dictionary, else by letters.
pub(super) struct Pronouncer {
    dictionary: HashMap<String, Vec<Vec<u32>>>,
    frontend: Frontend,
}

impl Pronouncer {
    /// Reads a dictionary in the form of CMU's, and the two files of a `g2p` run or a voice's bundle.
    pub(super) fn read(dictionary: &Path, g2p: &Path) -> Result<Self> {
        let words = read_dictionary(dictionary)?.words.into_iter().map(|word| {
            let mut ways: Vec<Vec<u32>> = Vec::new();
            for way in word.pronunciations.into_iter().map(numbers) {
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
            (word.spelling, ways)
        });
        Ok(Self { dictionary: words.collect(), frontend: Frontend::read(g2p)? })
    }

    /// Reads the lexicon of a bundle, and for other words what [`read`](Self::read) reads.
    ///
    /// # Errors
    /// A phone that there is none of; missing files.
    pub(super) fn of_lexicon(lexicon: &str, g2p: &Path) -> Result<Self> {
        let known: HashMap<&str, u32> = (1..PHONES as u32).map(|phone| (name(phone), phone)).collect();
        let mut dictionary: HashMap<String, Vec<Vec<u32>>> = HashMap::new();
        for line in lexicon.lines() {
            let mut parts = line.split_whitespace();
            let Some(word) = parts.next() else { continue };
            let number = |phone: &str| {
                let mistake = || Error::data(format!("lexicon, `{line}`"), format!("expected a phone, found {phone}"));
                known.get(phone).copied().ok_or_else(mistake)
            };
            let way = parts.map(number).collect::<Result<_>>()?;
            dictionary.entry(word.to_owned()).or_default().push(way);
        }
        Ok(Self { dictionary, frontend: Frontend::read(g2p)? })
    }

    /// How a word in lower case may sound, the usual way first: phones from 1 to 39.
    fn word(&self, word: &str) -> Vec<Vec<u32>> {
        match self.dictionary.get(word) {
            Some(ways) => ways.clone(),
            None => vec![numbers(self.frontend.pronounce(word))],
        }
    }

    /// The phones of each of some normalised words.
    pub(super) fn words(&self, words: &str) -> Vec<Vec<u32>> {
        words.split_whitespace().filter_map(|word| self.word(word).into_iter().next()).collect()
    }

    /// The phones of normalised words.
    pub(super) fn sentence(&self, words: &str) -> Vec<u32> {
        self.words(words).concat()
    }

    /// The lexicon of a vocabulary: a line for each way to say a word.
    pub(super) fn lexicon<'a>(&self, vocabulary: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::new();
        for word in vocabulary {
            for way in self.word(word).iter().filter(|way| !way.is_empty()) {
                text.push_str(word);
                for phone in way {
                    // Writing to a string cannot fail.
                    let _ = write!(text, " {}", name(*phone));
                }
                text.push('\n');
            }
        }
        text
    }
}

/// The phone list: a name and its number in each line.
pub(super) fn list() -> String {
    (0..PHONES as u32).map(|phone| format!("{} {phone}\n", name(phone))).collect()
}

fn numbers(tokens: Vec<u8>) -> Vec<u32> {
    tokens.into_iter().filter_map(phones::unstressed).map(|phone| 1 + phone as u32).collect()
}

fn name(phone: u32) -> &'static str {
    match phone.checked_sub(1) {
        None => rejoinder_models::text::BLANK,
        Some(phone) => phones::unstressed_name(phone as usize).unwrap_or("?"),
    }
}

/// The phones in the middle of what each frame of the phone head sees; the blank where there is none.
pub(super) fn phone_labels(net: &ConformerConfig, batch: &AsrBatch) -> Vec<Vec<Option<u32>>> {
    batch.labels.iter().map(|labels| seen_labels(net, labels)).collect()
}

/// As [`phone_labels`], of the phones of one clip's feature frames.
fn seen_labels(net: &ConformerConfig, labels: &[u8]) -> Vec<Option<u32>> {
    // An encoder frame sees the feature frames before and up to its own first one.
    let (parts, step) = (net.phone_frames(), net.subsampling / net.phone_frames());
    // The middle of what it sees is that of its parts, of which the first is this much before it.
    let before = net.left_features() / 2 + (parts - 1) * step / 2;
    let label = |frame: usize| {
        let at = (frame * step).checked_sub(before);
        Some(at.and_then(|at| labels.get(at)).map_or(0, |phone| u32::from(*phone)))
    };
    (0..labels.len() / step).map(label).collect()
}

/// How far the phones that were heard are from those that were said.
pub(super) fn phone_errors(said: &[u32], heard: &[u32]) -> ErrorCounts {
    let units = |phones: &[u32]| phones.iter().map(u32::to_string).collect::<Vec<_>>();
    Alignment::new(&units(said), &units(heard)).counts()
}

/// Frames of the phone head for those of the encoder.
pub(super) fn phone_frames(net: &ConformerConfig, lengths: &[usize]) -> Vec<usize> {
    lengths.iter().map(|length| net.phone_frames() * length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_in_the_middle_of_what_a_frame_sees() {
        let net = |subsampling: usize| -> ConformerConfig {
            let sizes =
                "bins = 8\ndim = 8\nlayers = 1\nheads = 2\nfeed_forward = 8\nkernel = 3\nchannels = 8\nchunk = 2";
            toml::from_str(&format!("{sizes}\nleft = 2\ndropout = 0.0\nsubsampling = {subsampling}")).unwrap()
        };
        let labels: Vec<u8> = (0..32).collect();
        let at = |subsampling| seen_labels(&net(subsampling), &labels).into_iter().flatten().collect::<Vec<_>>();
        // Frame i of 8 sees 8i - 14 to 8i, whose halves have their middle at 8i - 9 and 8i - 5; of 4 it sees 4i - 6 to 4i.
        assert_eq!(at(8), [0, 0, 0, 3, 7, 11, 15, 19]);
        assert_eq!(at(4), [0, 1, 5, 9, 13, 17, 21, 25]);
    }
}
