//! A recogniser that learns from a teacher's answers alone, whatever its labels say.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod prepared;

use std::path::Path;

use burn::tensor::Device;
use rejoinder_training::nets::conformer::{FrontEnd, Reach};
use rejoinder_training::recipe::Recipe;
use rejoinder_training::tasks::asr::AsrRecipe;
use rejoinder_training::trainer::{self, RunMode};

/// Twelve tones of three pitches, and what is said to be heard in them.
fn write_clips(folder: &Path, words: [&str; 3]) {
    let clips = (0..12).map(|clip| {
        let pitch = 0.02 * (1 + 2 * (clip % 3)) as f32;
        let samples = (0..12_000 + 300 * clip).map(|i| 0.3 * (pitch * i as f32).sin()).collect();
        (format!("tones/{clip}"), "s".to_owned(), words[clip % 3].to_owned(), samples)
    });
    prepared::write_clips(folder, clips);
}

fn recipe(folder: &Path, run: &str, clips: &str, dim: usize, distill: &str) -> AsrRecipe {
    let root = folder.display();
    let text = format!(
        "run = \"{root}/{run}\"\n[prepare]\nsets = \"{root}\"\nout = \"{root}\"\n[tokenizer]\nvocabulary = 12\n\
         [data]\ntrain = [{{ folder = \"{root}/{clips}\" }}]\nvalid = \"{root}/right\"\ntests = []\n\
         [loader]\nmax_seconds = 8.0\nworkers = 1\n\
         [net]\nbins = 80\ndim = {dim}\nlayers = 1\nheads = 2\nfeed_forward = 32\nkernel = 5\nchannels = 16\nchunk = 4\n\
         left = 8\ndropout = 0.0\n\
         {distill}\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 120\nlearning_rate = 1e-2\nwarmup_steps = 5\naverage_decay = 0.8\n\
         valid_every = 100\n\
         [export]\nbundle = \"{root}/{run}/bundle\"\nname = \"tiny\"\nlicence = \"CC0-1.0\"\nsummary = \"a test\"\n\
         recipe = \"a test\"\ndata = []\n"
    );
    toml::from_str(&text).unwrap()
}

/// The loss against the right words.
fn loss(recipe: &AsrRecipe) -> f64 {
    let device = Device::flex();
    let figures = trainer::evaluate(&recipe.task().unwrap(), &recipe.trained(&device).unwrap(), &device).unwrap();
    let means = figures.means();
    means.iter().find(|(name, _)| *name == "loss").unwrap().1
}

#[test]
fn a_student_believes_its_teacher_as_far_as_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("right"), ["one tone", "no tone", "a tone"]);
    write_clips(&folder.path().join("wrong"), ["no tone", "a tone", "one tone"]);
    let teacher = recipe(folder.path(), "teacher", "right", 24, "");
    teacher.tokenizer().unwrap();
    teacher.train(RunMode::New).unwrap();
    let taught = loss(&teacher);

    // What the student is told of its clips is wrong.
    let student = |weight: f64, answers: &str| {
        let root = folder.path().display();
        let table = format!("[distill]\nteacher = \"{root}/teacher\"\nweight = {weight}\nanswers = \"{answers}\"\n");
        let student = recipe(folder.path(), "student", "wrong", 16, &table);
        student.tokenizer().unwrap();
        student.train(RunMode::Fresh).unwrap();
        loss(&student)
    };
    let (frames, tokens, labels) = (student(1.0, "frames"), student(1.0, "tokens"), student(0.0, "frames"));
    let told = format!("teacher {taught}, student by frames {frames}, by tokens {tokens}, by labels {labels}");
    assert!(frames < 0.5 * labels && tokens < 0.5 * labels, "{told}");

    // A bundle in 32-bit floats teaches what its run teaches, to the last bit.
    teacher.export().unwrap();
    let bundle = format!("[distill]\nteacher = \"{}/teacher/bundle\"\nweight = 1.0\n", folder.path().display());
    let bundled = recipe(folder.path(), "bundled", "wrong", 16, &bundle);
    bundled.tokenizer().unwrap();
    bundled.train(RunMode::New).unwrap();
    assert_eq!(loss(&bundled), frames);

    // One of another geometry teaches those of its own, by its run or its bundle.
    let finer = |run: &str, distill: &str| {
        let mut finer = recipe(folder.path(), run, "right", 16, distill);
        (finer.net.subsampling, finer.net.front, finer.net.convolution) = (4, FrontEnd::Conv2d, Reach::Chunk);
        finer.train.steps = 10;
        finer.tokenizer().unwrap();
        finer
    };
    let other = finer("finer", "");
    other.train(RunMode::New).unwrap();
    other.export().unwrap();
    for teacher in ["finer", "finer/bundle"] {
        let distill = format!("[distill]\nteacher = \"{}/{teacher}\"\n", folder.path().display());
        finer("finer-student", &distill).train(RunMode::Fresh).unwrap();
        let mut coarser = recipe(folder.path(), "coarser", "right", 16, &distill);
        coarser.tokenizer().unwrap();
        coarser.train.steps = 10;
        let message = coarser.train(RunMode::Fresh).unwrap_err().to_string();
        let expected = "distill.teacher: expected encoder frames of 8 features behind 14 others";
        assert!(message.starts_with(expected) && message.contains("found 4 behind 6"), "{message}");
    }

    let message = |table: &str| {
        let root = folder.path().display();
        let table = format!("[distill]\nteacher = \"{root}/{table}\n");
        recipe(folder.path(), "student", "wrong", 16, &table).task().err().unwrap().to_string()
    };
    assert!(message("nobody\"").contains("nobody/recipe.toml: No such file"), "{}", message("nobody\""));
    let weight = message("teacher\"\nweight = 1.5");
    assert_eq!(weight, "distill.weight: expected 0 to 1, found 1.5");
    std::fs::write(folder.path().join("student/tokens.txt"), "<blk> 0\na 1\n").unwrap();
    let tokens = message("teacher\"");
    assert!(tokens.contains("expected the tokens of"), "{tokens}");
}
