use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::units::SampleRate;

use super::*;
use crate::data::table::{Table, TableWriter};

fn read(name: &str, text: &str) -> Result<Manifest> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    Manifest::read(path)
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.csv");
    let item = |id: &str, words: &str| Item {
        id: id.into(),
        duration_s: 1.25,
        wav: format!("{DATA_ROOT}/set/{id}.wav").into(),
        speaker: "s1".into(),
        words: words.into(),
        ..Item::default()
    };
    let manifest = Manifest { items: vec![item("set/a", "one, \"two\""), item("set/b", "")] };
    manifest.write(&path).unwrap();
    assert_eq!(Manifest::read(&path).unwrap(), manifest);
}

#[test]
fn an_entry_may_name_its_channel() {
    let csv = read("m.csv", "ID,duration,wav,channel,wrd\na,1,a.wav,B,x\nb,1,a.wav,0,x\nc,1,a.wav,left,x\n").unwrap();
    let channels: Vec<_> = csv.items.iter().map(|item| item.wav.channel).collect();
    assert_eq!(channels, [Some(1), Some(0), None]);
    let json = read("m.json", r#"{"a": {"duration": 1, "wav": "a.wav", "channel": "A", "wrd": "x"}}"#).unwrap();
    assert_eq!(json.items[0].wav.channel, Some(0));
}

#[test]
fn what_python_writes_for_what_is_not_known_is_not_there() {
    let text = r#"{"a": {"duration": 1, "wav": "a.wav", "wrd": "x \"NaN\"", "snr": NaN, "speech": "none", "start": null,
                   "spk_id": null, "loud": -Infinity}}"#;
    let json = read("m.json", text).unwrap();
    let Item { words, speaker, speech, wav, .. } = &json.items[0];
    assert_eq!((words.as_str(), speaker.as_str(), speech, wav.span), ("x \"NaN\"", "", &None, None));
    let csv = read("m.csv", "ID,length,wav,wrd\na,1.5,a.wav,x\n").unwrap();
    assert_eq!(csv.items[0].duration_s, 1.5);
}

#[test]
fn errors_name_line_and_column() {
    let message = |text| read("m.csv", text).unwrap_err().to_string();
    let missing = message("ID,duration,spk_id,wrd\na,1,s,hello\n");
    assert!(missing.contains("column `wav`") && missing.contains("ID, duration, spk_id, wrd"), "{missing}");
    let number = message("ID,duration,wav,spk_id,wrd\na,1,a.wav,s,hello\nb,long,b.wav,s,hello\n");
    assert!(number.contains("line 3") && number.contains("long"), "{number}");
    let twice = message("ID,duration,wav,spk_id,wrd\na,1,a.wav,s,hello\na,1,b.wav,s,hello\n");
    assert!(twice.contains("line 3") && twice.contains("stands once"), "{twice}");
    let back = message("ID, duration, wav, start, stop, wrd\na, 1, a.wav, 2.5, 1, hello\n");
    assert!(back.contains("line 2 column `stop`") && back.contains("at least the start"), "{back}");
    let gone = Manifest::read("/nowhere/m.csv").unwrap_err().to_string();
    assert!(gone.contains("/nowhere/m.csv"), "{gone}");
}

#[test]
fn lengths_that_are_not_told_are_those_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let clip = Clip::new(vec![0.1; 12_000], SampleRate::hz(8_000));
    write_wav(folder.path().join("a.wav"), &clip).unwrap();
    let read = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let items = Manifest::read_with(&path, &ManifestConfig::default()).unwrap().items;
        items.iter().map(|item| item.duration_s).collect::<Vec<_>>()
    };
    let csv =
        "ID,wav,start,stop,wrd\na,$data_root/a.wav,,,x\nb,$data_root/a.wav,0.5,,x\nc,$data_root/a.wav,0.5,0.75,x\n";
    assert_eq!(read("m.csv", csv), [1.5, 1.0, 0.25]);
    assert_eq!(read("m.json", r#"{"a": {"wav": "{data_root}/a.wav", "wrd": "x"}}"#), [1.5]);
}

#[test]
fn errors_name_entry_and_column() {
    let message = |text: &str| read("m.json", text).unwrap_err().to_string();
    let entry = |fields: &str| message(&format!("{{\"a\": {{{fields}}}}}"));
    let cases = [
        (entry("\"wav\": \"a.wav\", \"wrd\": \"x\""), "a.wav"),
        (entry("\"duration\": -1, \"wav\": \"a.wav\", \"wrd\": \"x\""), "found `-1`"),
        (entry("\"duration\": 1, \"wav\": 3, \"wrd\": \"x\""), "entry `a` column `wav`: expected a path"),
        (
            entry("\"duration\": 1, \"wav\": {\"file\": \"a\", \"start\": 9, \"stop\": 8}, \"wrd\": \"x\""),
            "column `wav`",
        ),
        (entry("\"duration\": 1, \"wav\": \"a.wav\""), "entry `a` column `wrd`: expected a text, found nothing"),
        (entry("\"duration\": 1, \"wav\": \"a.wav\", \"start\": \"soon\", \"wrd\": \"x\""), "column `start`"),
        (
            message("{\"a\": {\"duration\": 1, \"wav\": \"a\", \"wrd\": \"\"}, \"a\": {}}"),
            "entry `a`: expected a name that",
        ),
        (message("[]"), "a map of entries by their ids"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected) && message.contains("m.json") && !message.contains('\n'), "{message}");
    }
}

/// `tests/peers/manifests.py` has written the same entries with SpeechBrain's own way of doing it, and read them with its
/// own readers.
#[test]
fn both_forms_are_speechbrains() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/manifests");
    let rows = Table::read(&golden.join("entries.csv")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("entries.json");
    let mut writer = JsonWriter::create(&path).unwrap();
    for row in &rows.rows {
        let mut fields = Vec::new();
        for (column, value) in rows.header.iter().zip(&row.fields).skip(1) {
            let number = (column == "duration").then(|| value.parse::<f64>().unwrap());
            fields.push((column, number.map_or_else(|| value.into(), Into::into)));
        }
        writer.append(&row.fields[0], &fields).unwrap();
    }
    writer.finish().unwrap();
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(text(&path), text(&golden.join("entries.json")));
    let path = dir.path().join("entries.csv");
    let mut writer = TableWriter::create(&path, &rows.header.iter().collect::<Vec<_>>()).unwrap();
    rows.rows.iter().for_each(|row| writer.append(&row.fields.iter().map(String::from).collect::<Vec<_>>()).unwrap());
    writer.flush().unwrap();
    assert_eq!(text(&path), text(&golden.join("entries.csv")));
    let csv = Manifest::read(golden.join("entries.csv")).unwrap();
    assert_eq!(Manifest::read(golden.join("entries.json")).unwrap(), csv);
    assert_eq!(csv.items.len(), rows.rows.len());
}
