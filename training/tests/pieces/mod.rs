//! Streams that are fed in pieces.

use rejoinder_models::asr::Recognizer;

/// What is heard of a clip in pieces of these lengths, over and over.
pub(crate) fn in_pieces(recognizer: &dyn Recognizer, clip: &[f32], lengths: &[usize]) -> String {
    let (mut stream, mut rest) = (recognizer.stream().unwrap(), clip);
    for length in lengths.iter().cycle() {
        let (piece, more) = rest.split_at((*length).min(rest.len()));
        stream.push(piece).unwrap();
        let (shown, now) = (stream.partial(), stream.preview().unwrap());
        assert_eq!(stream.partial(), shown, "a preview changes nothing");
        rest = more;
        if rest.is_empty() {
            let text = stream.flush().unwrap().text;
            assert_eq!(now.text, text, "the last preview is the end");
            return text;
        }
    }
    unreachable!("lengths are given")
}
