//! Sets in the layouts in which they are published, in small: what is prepared of each has the columns and the splits of
//! SpeechBrain's script for it, and what is missing is named.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::path::Path;

use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::units::SampleRate;
use rejoinder_training::Result;
use rejoinder_training::data::pack::Pack;
use rejoinder_training::data::prepare::{self, PrepareConfig};

/// A recording of so many milliseconds. The decoder goes by what a file holds, so that a wave file stands for any other.
fn sound(root: &Path, path: &str, milliseconds: usize) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let samples = (0..16 * milliseconds).map(|n| 0.1 * (n as f32 * 0.3).sin()).collect();
    write_wav(path, &Clip::new(samples, SampleRate::INTERNAL)).unwrap();
}

fn text(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Prepares the set below `folder/set` into `folder/out`.
fn prepare(folder: &Path, layout: &str, settings: &str) -> Result<()> {
    let root = folder.display();
    let text =
        format!("sets = \"{root}/sets\"\nout = \"{root}/out\"\n[{layout}]\ndata_folder = \"{root}/set\"\n{settings}\n");
    let config: PrepareConfig = toml::from_str(&text).unwrap();
    prepare::prepare(&config, &mut |_, _, _| {})
}

#[test]
fn two_sets_that_would_write_one_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let second = format!("[fsdd]\ndata_folder = \"{}/other\"", folder.path().display());
    let error = prepare(folder.path(), "timit", &second).unwrap_err().to_string();
    assert!(error.contains("two sets write") && error.contains("out/train"), "{error}");
}

#[test]
fn more_sets_get_folders_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (set, words) in [("set", "one more time"), ("other", "and again now")] {
        text(&root.join(set), "train.tsv", &format!("client_id\tpath\tsentence\ns1\ta.mp3\t{words}\n"));
        sound(&root.join(set), "clips/a.mp3", 100);
    }
    let more = |out: &str| {
        let lines = [
            "splits = [\"train\"]\n[[more]]".to_owned(),
            format!("sets = \"{0}/sets\"\nout = \"{0}/{out}\"\n[more.common_voice]", root.display()),
            format!("data_folder = \"{}/other\"\nsplits = [\"train\"]", root.display()),
        ];
        lines.join("\n")
    };
    let error = prepare(root, "common_voice", &more("out")).unwrap_err().to_string();
    assert!(error.contains("two sets write") && error.contains("out/train"), "{error}");
    prepare(root, "common_voice", &more("other")).unwrap();
    assert_eq!(split(root, "train", &["wrd"]), [["one more time"]]);
    let manifest = rows(&root.join("other/train/manifest.csv"));
    assert_eq!(manifest[0]["wrd"], "and again now");
    assert!(!root.join("out/dev").exists());

    // What is there is not taken for another set.
    std::fs::remove_dir_all(root.join("other/train")).unwrap();
    std::fs::rename(root.join("out/train"), root.join("other/train")).unwrap();
    let error = prepare(root, "common_voice", &more("other")).unwrap_err().to_string();
    assert!(
        error.contains("it was prepared by other settings (data_folder = ") && error.contains("written elsewhere"),
        "{error}"
    );
}

/// The rows of a manifest or list, by its columns.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let row =
        |row: csv::StringRecord| header.iter().zip(row.iter()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Columns of the rows of a prepared split, whose clips are all packed.
fn split(folder: &Path, split: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let folder = folder.join("out").join(split);
    let rows = rows(&folder.join("manifest.csv"));
    let pack = Pack::open(folder.join("audio.pack")).unwrap();
    for row in &rows {
        let samples = pack.span(&row["ID"]).unwrap().samples as f64;
        assert!((samples / 16_000.0 - row["duration"].parse::<f64>().unwrap()).abs() < 1e-9);
    }
    rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect()).collect()
}

/// What preparing says once a file is gone.
fn message_without(folder: &Path, file: &str, layout: &str, settings: &str) -> String {
    std::fs::remove_dir_all(folder.join("out")).unwrap();
    std::fs::remove_file(folder.join("set").join(file)).unwrap();
    let message = prepare(folder, layout, settings).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn librispeech_and_the_mini_one() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for (number, name) in ["train-clean-5", "train-other-500", "dev-clean-2", "test-clean"].into_iter().enumerate() {
        sound(&set, &format!("{name}/10{number}/1240/10{number}-1240-0000.flac"), 100 * (number + 1));
        text(
            &set,
            &format!("{name}/10{number}/1240/10{number}-1240.trans.txt"),
            &format!("10{number}-1240-0000 CHAPTER ONE\n"),
        );
    }
    prepare(folder.path(), "mini_librispeech", "").unwrap();
    let columns = ["ID", "wav", "spk_id", "wrd"];
    for (name, number, published) in
        [("train", 0, "train-clean-5"), ("valid", 2, "dev-clean-2"), ("test", 3, "test-clean")]
    {
        let id = format!("10{number}-1240-0000");
        let wav = format!("$data_root/{published}/10{number}/1240/{id}.flac");
        let expected = [id, wav, format!("10{number}-1240"), "chapter one".to_owned()];
        assert_eq!(split(folder.path(), name, &columns), [expected]);
    }

    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    let settings = "tr_splits = [\"train-clean-5\", \"train-other-500\"]\nother_splits = [\"test-clean\"]";
    prepare(folder.path(), "librispeech", settings).unwrap();
    let train = split(folder.path(), "train", &["ID", "duration"]);
    assert_eq!(train, [["100-1240-0000", "0.1"], ["101-1240-0000", "0.2"]]);
    assert_eq!(split(folder.path(), "test-clean", &["ID"]), [["103-1240-0000"]]);
    let gone = "train-other-500/101/1240/101-1240-0000.flac";
    assert!(message_without(folder.path(), gone, "librispeech", settings).contains(gone));
}

#[test]
fn what_is_packed_stays_where_recordings_are_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let chapter = folder.path().join("set/train-clean-5/10/1240");
    let ids: Vec<String> = (0..6).map(|number| format!("10-1240-000{number}")).collect();
    ids.iter().for_each(|id| sound(&chapter, &format!("{id}.flac"), 100));
    let transcript = ids[..5].iter().map(|id| format!("{id} ONE\n")).collect::<String>();
    text(&chapter, "10-1240.trans.txt", &transcript);
    text(&chapter, "._10-1240.trans.txt", "a desktop's own");
    for number in [1, 3] {
        text(&chapter, &format!("{}.flac", ids[number]), "no sound");
    }
    let settings = "tr_splits = [\"train-clean-5\"]\nother_splits = []";
    let message = prepare(folder.path(), "librispeech", settings).unwrap_err().to_string();
    assert!(message.contains("2 recordings cannot be read"), "{message}");
    assert!(message.contains(&ids[1]) && message.contains(&ids[3]), "{message}");
    // Those that were packed are not read again: they could be gone.
    std::fs::write(chapter.join(format!("{}.flac", ids[0])), "gone").unwrap();
    [1, 3].into_iter().for_each(|number| sound(&chapter, &format!("{}.flac", ids[number]), 200));
    prepare(folder.path(), "librispeech", settings).unwrap();
    let durations = split(folder.path(), "train", &["ID", "duration"]);
    let expected = [0.1, 0.2, 0.1, 0.2, 0.1].map(|seconds| format!("{seconds:?}"));
    assert!(
        durations.iter().zip(ids.iter().zip(&expected)).all(|(row, (id, s))| row == &[id.clone(), s.clone()]),
        "{durations:?}"
    );
    assert_eq!(durations.len(), 5, "the sixth has no transcript");
}

#[test]
fn common_voice() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    let header = "client_id\tpath\tsentence\tup_votes\n";
    let list = |rows: &str| format!("{header}{rows}");
    text(
        &set,
        "train.tsv",
        &list("s1\ta.mp3\tDon\u{2019}t say \"hello\u{2014}there\"!\t2\ns2\tb.mp3\tToo short.\t2\n"),
    );
    text(&set, "dev.tsv", &list("s3\tc.mp3\tUn café très chaud\t2\n"));
    text(&set, "test.tsv", &list("s4\td.mp3\tOne more time\t2\n"));
    for name in ["a", "b", "c", "d"] {
        sound(&set, &format!("clips/{name}.mp3"), 100);
    }
    prepare(folder.path(), "common_voice", "").unwrap();
    let columns = ["ID", "wav", "spk_id", "wrd"];
    assert_eq!(
        split(folder.path(), "train", &columns),
        [["a", "$data_root/clips/a.mp3", "s1", "don't say hello there"]]
    );
    assert_eq!(split(folder.path(), "dev", &columns), [["c", "$data_root/clips/c.mp3", "s3", "un café très chaud"]]);
    assert_eq!(split(folder.path(), "test", &["wrd"]), [["one more time"]]);
    assert!(message_without(folder.path(), "clips/d.mp3", "common_voice", "").contains("clips/d.mp3"));
    text(&set, "train.tsv", "path\tsentence\na.mp3\thello\n");
    let message = message_without(folder.path(), "clips/a.mp3", "common_voice", "");
    assert!(message.contains("train.tsv") && message.contains("`client_id`"), "{message}");
}

#[test]
fn aishell() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for (name, speaker) in [("train", "S0002"), ("dev", "S0724"), ("test", "S0764")] {
        sound(&set, &format!("wav/{name}/{speaker}/BAC009{speaker}W0122.wav"), 100);
    }
    sound(&set, "wav/train/S0002/BAC009S0002W0123.wav", 100);
    let transcripts = "BAC009S0002W0122 而 对 楼市  成交\nBAC009S0724W0122 广州 市\nBAC009S0764W0122 甚至\n";
    text(&set, "transcript/aishell_transcript_v0.8.txt", transcripts);
    prepare(folder.path(), "aishell", "").unwrap();
    let train = split(folder.path(), "train", &["ID", "wav", "spk_id", "wrd", "transcript"]);
    let wav = "$data_root/wav/train/S0002/BAC009S0002W0122.wav";
    assert_eq!(train, [["BAC009S0002W0122", wav, "S0002", "而 对 楼市 成交", "而 对 楼市 成交"]]);
    assert_eq!(split(folder.path(), "dev", &["wrd"]), [["广州 市"]]);
    assert_eq!(split(folder.path(), "test", &["wrd"]), [["甚至"]]);
    let list = "transcript/aishell_transcript_v0.8.txt";
    assert!(message_without(folder.path(), list, "aishell", "").contains(list));
}

#[test]
fn timit() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for path in ["TRAIN/DR1/FCJF0/SI1027", "TRAIN/DR1/FCJF0/SA1", "TEST/DR1/FAKS0/SI1573", "TEST/DR1/FELC0/SI756"] {
        sound(&set, &format!("{path}.WAV"), 500);
        text(&set, &format!("{path}.WRD"), "100 3000 even\n3000 7000 then\n");
        let phones = "0 100 h#\n100 900 iy\n900 1200 v\n1200 2000 ix\n2000 2200 q\n2200 3000 dcl\n3000 3100 pau\n3100 7000 eng\n7000 8000 h#\n";
        text(&set, &format!("{path}.PHN"), phones);
    }
    let columns = ["ID", "wav", "spk_id", "wrd", "phn", "ground_truth_phn_ends"];
    // What SpeechBrain's `get_phoneme_lists` gives for this file, whose sets are 60, 48 and 39.
    let folded = [
        ("60", "sil iy v ix q dcl pau eng sil", "100 900 1200 2000 2200 3000 3100 7000 8000"),
        ("48", "sil iy v ix vcl sil ng sil", "100 900 1200 2000 3000 3100 7000 8000"),
        ("39", "sil iy v ih sil ng sil", "100 900 1200 2000 3100 7000 8000"),
    ];
    for (set, phones, ends) in folded {
        prepare(folder.path(), "timit", &format!("phn_set = {set}")).unwrap();
        let wav = "$data_root/TRAIN/DR1/FCJF0/SI1027.WAV";
        let expected = ["fcjf0_si1027", wav, "fcjf0", "even then", phones, ends];
        assert_eq!(split(folder.path(), "train", &columns), [expected]);
        assert_eq!(split(folder.path(), "valid", &["ID"]), [["faks0_si1573"]]);
        assert_eq!(split(folder.path(), "test", &["ID"]), [["felc0_si756"]]);
        std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    }
    prepare(folder.path(), "timit", "").unwrap();
    let message = message_without(folder.path(), "TEST/DR1/FAKS0/SI1573.PHN", "timit", "");
    assert!(message.contains("SI1573.WAV") && message.contains("SI1573.PHN"), "{message}");
    std::fs::rename(set.join("TRAIN"), set.join("TEST/DR9")).unwrap();
    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    let message = prepare(folder.path(), "timit", "").unwrap_err().to_string();
    assert!(message.contains("expected a folder `TRAIN`"), "{message}");
}

#[test]
fn speech_commands() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for word in ["yes", "no", "bed", "tree"] {
        (0..20).for_each(|n| sound(&set, &format!("{word}/sp{n:02}_nohash_0.wav"), if n == 0 { 900 } else { 1_000 }));
    }
    let listed = |speaker: usize| {
        ["yes", "no", "bed", "tree"].map(|word| format!("{word}/sp{speaker:02}_nohash_0.wav\n")).concat()
    };
    text(&set, "validation_list.txt", &listed(1));
    text(&set, "testing_list.txt", &(listed(2) + &listed(3)));
    sound(&set, "_background_noise_/pink.wav", 3_000);
    sound(&set, "_background_noise_/tap.wav", 3_000);
    let settings = "words_wanted = [\"yes\", \"no\"]\npercentage_unknown = 50\npercentage_silence = 50";
    prepare(folder.path(), "speech_commands", settings).unwrap();
    let columns = ["command", "ID", "wav", "spk_id", "wrd", "start", "stop", "transcript"];
    let valid = split(folder.path(), "valid", &columns);
    let wav = |path: &str| format!("$data_root/{path}");
    let (id, file) = ("yes/sp01_nohash_0", wav("yes/sp01_nohash_0.wav"));
    assert_eq!(valid[1], ["yes", id, &file, "sp01", "yes", "0", "16000", "yes"]);
    let count =
        |name: &str, command: &str| split(folder.path(), name, &columns).iter().filter(|row| row[0] == command).count();
    assert_eq!(["valid", "test", "train"].map(|name| count(name, "yes") + count(name, "no")), [2, 4, 34]);
    // Half as much silence, in equal parts of both recordings of noise.
    assert_eq!(["valid", "test", "train"].map(|name| count(name, "silence")), [0, 2, 16]);
    let unknown: usize = ["valid", "test", "train"].map(|name| count(name, "unknown")).iter().sum();
    assert!((10..=30).contains(&unknown), "{unknown} of 40, of which half are wanted");
    for row in split(folder.path(), "train", &columns) {
        let [start, stop] = [5, 6].map(|column: usize| row[column].parse::<usize>().unwrap());
        let seconds = if row[1].ends_with("/sp00_nohash_0") { 14_400 } else { 16_000 };
        assert_eq!(stop - start, seconds, "{row:?}");
        match row[0].as_str() {
            "unknown" => assert!(["bed", "tree"].contains(&row[4].as_str()) && row[7] == row[4]),
            "silence" => assert!(row[4].is_empty() && row[3].is_empty() && row[2].contains("_background_noise_")),
            word => assert_eq!(word, row[4]),
        }
    }
    assert!(
        message_without(folder.path(), "testing_list.txt", "speech_commands", settings).contains("testing_list.txt")
    );
    text(&set, "testing_list.txt", "");
    let message = prepare(folder.path(), "speech_commands", "words_wanted = [\"marvin\"]").unwrap_err().to_string();
    assert!(message.contains("recordings of `marvin`"), "{message}");
}

#[test]
fn voicebank() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for (part, texts, id) in [
        ("trainset_28spk", "trainset_28spk_txt", "p226_001"),
        ("trainset_28spk", "trainset_28spk_txt", "p228_001"),
        ("testset", "testset_txt", "p232_001"),
    ] {
        sound(&set, &format!("clean_{part}_wav/{id}.wav"), 100);
        sound(&set, &format!("noisy_{part}_wav/{id}.wav"), 100);
        text(&set, &format!("{texts}/{id}.txt"), "It's a \"part-time\" job.\n");
    }
    let voice = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/tts-kathleen");
    let settings = format!("save_folder = \"{}/out\"\ng2p = \"{}\"", folder.path().display(), voice.display());
    prepare(folder.path(), "voicebank", &settings).unwrap();
    for (name, id) in [("train", "p228_001"), ("valid", "p226_001"), ("test", "p232_001")] {
        let rows = rows(&folder.path().join("out").join(name).with_extension("csv"));
        assert_eq!((rows.len(), rows[0]["ID"].as_str(), rows[0]["length"].as_str()), (1, id, "0.1"));
        assert_eq!(rows[0]["words"], "ITS A PARTTIME JOB");
        assert_eq!(rows[0]["phones"], "IH T S EY P AA R T AY M JH AA B");
        for (column, kind) in [("noisy_wav", "/noisy_"), ("clean_wav", "/clean_")] {
            assert!(rows[0][column].contains(kind) && Path::new(&rows[0][column]).is_file(), "{rows:?}");
        }
    }
    let message = message_without(folder.path(), "clean_testset_wav/p232_001.wav", "voicebank", &settings);
    assert!(message.contains("noisy_testset_wav/p232_001.wav") && message.contains("clean twin"), "{message}");
}

#[test]
fn speechocean762() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for (name, id, speaker) in [("train", "000010011", "0001"), ("test", "000030012", "0003")] {
        let path = format!("WAVE/SPEAKER{speaker}/{id}.WAV");
        sound(&set, &path, 100);
        text(&set, &format!("{name}/wav.scp"), &format!("{id}\t{path}\n"));
        text(&set, &format!("{name}/text"), &format!("{id}\tWE CALL IT BEAR\n"));
        text(&set, &format!("{name}/utt2spk"), &format!("{id}\t{speaker}\n"));
        text(&set, &format!("{name}/spk2age"), &format!("{speaker}\t6\n"));
    }
    let scores = |id: &str| {
        format!(
            r#""{id}": {{"accuracy": 8, "completeness": 10.0, "fluency": 9, "prosodic": 9, "total": 8, "words": []}}"#
        )
    };
    text(&set, "resource/scores.json", &format!("{{{}, {}}}", scores("000010011"), scores("000030012")));
    prepare(folder.path(), "speechocean762", "").unwrap();
    let columns = ["ID", "wav", "spk_id", "wrd", "age", "accuracy", "completeness", "fluency", "prosodic", "total"];
    let expected = |id: &str, speaker: &str| {
        let wav = format!("$data_root/WAVE/SPEAKER{speaker}/{id}.WAV");
        let told = [&format!("speechocean762/{id}"), &wav, speaker, "we call it bear", "6", "8", "10.0", "9", "9", "8"];
        told.map(str::to_owned)
    };
    assert_eq!(split(folder.path(), "train", &columns), [expected("000010011", "0001")]);
    assert_eq!(split(folder.path(), "test", &columns), [expected("000030012", "0003")]);
    text(&set, "test/text", "");
    let message = message_without(folder.path(), "WAVE/SPEAKER0003/000030012.WAV", "speechocean762", "");
    assert!(message.contains("test/text") && message.contains("`000030012`"), "{message}");
    let message = message_without(folder.path(), "resource/scores.json", "speechocean762", "");
    assert!(message.contains("resource/scores.json"), "{message}");
}

#[test]
fn fsdd() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    for name in ["7_jackson_4", "7_jackson_5", "0_theo_32"] {
        sound(&set, &format!("recordings/{name}.wav"), 100);
    }
    prepare(folder.path(), "fsdd", "").unwrap();
    let columns = ["ID", "wav", "spk_id", "wrd"];
    let train = split(folder.path(), "train", &columns);
    assert_eq!(train[0], ["fsdd/0_theo_32", "$data_root/recordings/0_theo_32.wav", "theo", "zero"]);
    assert_eq!(train[1], ["fsdd/7_jackson_5", "$data_root/recordings/7_jackson_5.wav", "jackson", "seven"]);
    assert_eq!(split(folder.path(), "test", &["ID"]), [["fsdd/7_jackson_4"]]);
    sound(&set, "recordings/jackson.wav", 100);
    let message = message_without(folder.path(), "recordings/7_jackson_4.wav", "fsdd", "");
    assert!(message.contains("recordings/jackson.wav") && message.contains("digit, speaker, take"), "{message}");
    std::fs::remove_file(set.join("recordings/jackson.wav")).unwrap();
    let message = prepare(folder.path(), "fsdd", "").unwrap_err().to_string();
    assert!(message.contains("recordings of the split `test`"), "{message}");
}

#[test]
fn ljspeech() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("set");
    let mut metadata = String::new();
    for session in 1..3 {
        for clip in 0..10 {
            let id = format!("LJ{session:03}-{clip:04}");
            sound(&set, &format!("wavs/{id}.wav"), 100);
            metadata += &format!("{id}|In 18{clip:02}, \"he said|In eighteen {clip}, \"he said\n");
        }
    }
    text(&set, "metadata.csv", &metadata);
    let root = folder.path().display();
    let text = format!("data_folder = \"{root}/set\"\nsave_folder = \"{root}/out\"\nsplit_ratio = [80, 10, 10]\n");
    let config = toml::from_str(&text).unwrap();
    prepare::prepare_ljspeech(&config, &mut |_, _, _| {}).unwrap();
    let list = |name: &str| rows(&folder.path().join("out").join(name));
    let lists = ["train.csv", "valid.csv", "test.csv"].map(list);
    assert_eq!(lists.each_ref().map(Vec::len), [16, 2, 2]);
    let mut ids: Vec<_> = lists.iter().flatten().map(|row| row["ID"].clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    for (list, segment) in lists.iter().zip(["True", "False", "False"]) {
        let sessions = list.iter().filter(|row| row["ID"].starts_with("LJ001")).count();
        assert_eq!(2 * sessions, list.len(), "each session is parted by itself");
        for row in list {
            assert_eq!(
                (row["uttid"].as_str(), row["segment"].as_str(), row["duration"].as_str()),
                (&*row["ID"], segment, "0.1")
            );
            assert!(row["label"].starts_with("In eighteen ") && Path::new(&row["wav"]).is_file(), "{row:?}");
        }
    }
    std::fs::remove_file(folder.path().join("out/test.csv")).unwrap();
    std::fs::write(set.join("metadata.csv"), "LJ001-0000|two fields\n").unwrap();
    let message = prepare::prepare_ljspeech(&config, &mut |_, _, _| {}).unwrap_err().to_string();
    assert!(message.contains("metadata.csv line 1") && message.contains("two fields"), "{message}");
}
