use super::*;
use crate::message::{Body, Message, Sound};

const RATE: SampleRate = SampleRate::hz(1_000);

fn word(text: &str, text_end: usize, end: u64) -> ReplyWord {
    ReplyWord { text: text.to_owned(), text_end, end: Samples(end) }
}

fn message(turn: u64, body: Body) -> Message {
    Message { turn: TurnId::new(turn), at: Position(0), body }
}

fn ring() -> (Turns, Player, Loudspeaker, Playout) {
    let turns = Turns::default();
    turns.raise(TurnId::new(1));
    turns.release(TurnId::new(1));
    let (player, speaker, playout) = playback_ring(RATE, RATE, None, 500.0, Clock::manual(), turns.clone());
    (turns, player, speaker, playout)
}

fn reply(player: &mut Player) {
    let words = vec![word("one", 3, 40), word("two", 7, 80)];
    player.take(message(1, Body::Sound(Sound { samples: vec![0.5; 100], text: "one two".to_owned(), words }))).unwrap();
    player.take(message(1, Body::SoundEnd { whole: true })).unwrap();
    assert!(player.pump());
}

#[test]
fn a_reply_is_told_word_by_word_and_heard_whole() {
    let (_, mut player, mut speaker, playout) = ring();
    reply(&mut player);
    let mut out = [0.0; 50];
    speaker.pull_heard(&mut out, 7_000_000);
    let mut progress = Vec::new();
    playout.poll(TurnId::default(), &mut progress);
    let started = Progress::Started(TurnId::new(1), Position::from_ms(7.0));
    assert_eq!(progress, [started, Progress::Word(TurnId::new(1), "one".to_owned())]);
    assert_eq!(playout.heard(TurnId::new(1)), Heard::UpTo(3));
    assert_eq!(playout.said(TurnId::new(1)).as_deref(), Some("one two"));
    speaker.pull_heard(&mut out, 0);
    progress.clear();
    playout.poll(TurnId::default(), &mut progress);
    assert_eq!(progress, [Progress::Word(TurnId::new(1), "two".to_owned()), Progress::Finished(TurnId::new(1))]);
    assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
}

#[test]
fn an_interruption_fades_skips_and_remembers_the_last_word() {
    let (turns, mut player, mut speaker, playout) = ring();
    reply(&mut player);
    let mut out = [0.0; 50];
    speaker.pull_heard(&mut out, 0);
    turns.raise(TurnId::new(2));
    playout.interrupt_before(TurnId::new(2));
    speaker.pull_heard(&mut out, 0);
    assert!(out[..5].windows(2).all(|pair| pair[1] < pair[0]), "fades: {:?}", &out[..5]);
    assert!(out[5..].iter().all(|sample| *sample == 0.0));
    assert_eq!(playout.heard(TurnId::new(1)), Heard::UpTo(3));
    let mut progress = Vec::new();
    playout.poll(TurnId::default(), &mut progress);
    assert!(progress.iter().all(|step| !matches!(step, Progress::Finished(_))));
}

#[test]
fn sound_that_was_on_its_way_when_the_turn_rose_is_never_played() {
    let (turns, mut player, mut speaker, playout) = ring();
    let sound = Sound { samples: vec![0.5; 100], ..Sound::default() };
    player.take(message(1, Body::Sound(sound.clone()))).unwrap();
    turns.raise(TurnId::new(2));
    turns.release(TurnId::new(2));
    playout.interrupt_before(TurnId::new(2));
    assert!(player.pump());
    player.take(message(1, Body::Sound(sound.clone()))).unwrap();
    assert!(player.pump());
    player.take(message(2, Body::Sound(Sound { samples: vec![0.25; 10], ..sound }))).unwrap();
    assert!(player.pump());
    let mut out = [0.0; 50];
    speaker.pull_heard(&mut out, 0);
    let loud: Vec<f32> = out.iter().copied().filter(|sample| *sample != 0.0).collect();
    assert_eq!(loud, [0.25; 10]);
}

#[test]
fn a_full_ring_makes_the_speaker_wait_for_the_listener() {
    let (_, mut player, mut speaker, _) = ring();
    let samples = vec![0.5; 5_000];
    player.take(message(1, Body::Sound(Sound { samples, ..Sound::default() }))).unwrap();
    assert!(!player.pump());
    speaker.pull_heard(&mut [0.0; 1_000], 0);
    assert!(player.pump());
}

#[test]
fn what_a_device_holds_is_heard_when_it_has_sounded() {
    let (_, mut player, mut speaker, playout) = ring();
    reply(&mut player);
    speaker.set_latency(Samples(30));
    let mut out = [0.0; 20];
    let mut finished = || {
        speaker.pull(&mut out);
        let mut progress = Vec::new();
        playout.poll(TurnId::default(), &mut progress);
        progress.contains(&Progress::Finished(TurnId::new(1)))
    };
    // The reply's 100 samples have left after five blocks, and the last of them sounds 30 samples later.
    let blocks = (1..20).find(|_| finished());
    assert_eq!(blocks, Some(8), "six blocks and a half have sounded when the eighth is asked for");
    assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
}

#[test]
fn of_a_reply_that_fails_on_the_way_nothing_is_heard_after_its_last_word() {
    let (_, mut player, mut speaker, playout) = ring();
    let words = vec![word("one", 3, 40)];
    player.take(message(1, Body::Sound(Sound { samples: vec![0.5; 60], text: "one two".to_owned(), words }))).unwrap();
    player.take(message(1, Body::SoundEnd { whole: false })).unwrap();
    player.pump();
    speaker.pull_heard(&mut [0.0; 100], 0);
    let mut progress = Vec::new();
    playout.poll(TurnId::default(), &mut progress);
    assert_eq!(progress.last(), Some(&Progress::Finished(TurnId::new(1))));
    assert_eq!(playout.heard(TurnId::new(1)), Heard::UpTo(3));
}

#[test]
fn a_reply_without_sound_is_finished_at_once() {
    let (_, mut player, _, playout) = ring();
    player.take(message(1, Body::SoundEnd { whole: true })).unwrap();
    let mut progress = Vec::new();
    playout.poll(TurnId::default(), &mut progress);
    assert_eq!(progress, [Progress::Finished(TurnId::new(1))]);
    assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
}

fn pulled(speaker: &mut Loudspeaker, length: usize) -> Vec<f32> {
    let mut out = vec![9.0; length];
    speaker.pull_heard(&mut out, 0);
    out
}

/// The steps from sample to sample of something that is constant but for its gain.
fn steepest(sound: &[f32]) -> f32 {
    sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_ducked_reply_stands_still_and_goes_on_where_it_stopped() {
    let (_, mut player, mut speaker, playout) = ring();
    let ramp: Vec<f32> = (1..=200).map(|i| i as f32 / 400.0).collect();
    player.take(message(1, Body::Sound(Sound { samples: ramp.clone(), ..Sound::default() }))).unwrap();
    player.take(message(1, Body::SoundEnd { whole: true })).unwrap();
    player.pump();
    assert_eq!(pulled(&mut speaker, 50), ramp[..50]);
    playout.duck(SILENCE_DB);
    let down = pulled(&mut speaker, 70);
    assert!(down[..20].windows(2).all(|pair| pair[1] < pair[0]) && steepest(&down) < 0.02, "{down:?}");
    assert!(down[20..].iter().all(|x| *x == 0.0));
    assert!(pulled(&mut speaker, 30).iter().all(|x| *x == 0.0));
    playout.duck(0.0);
    let up = pulled(&mut speaker, 130);
    assert!(steepest(&up[..25]) < 0.02, "{up:?}");
    assert_eq!(up[20..], ramp[90..], "twenty samples went down, and the next ones come up");
    assert_eq!(playout.heard(TurnId::new(1)), Heard::Whole);
}

#[test]
fn a_reply_can_go_on_more_quietly() {
    let (_, mut player, mut speaker, playout) = ring();
    player.take(message(1, Body::Sound(Sound { samples: vec![0.5; 200], ..Sound::default() }))).unwrap();
    player.pump();
    playout.duck(-20.0);
    let out = pulled(&mut speaker, 100);
    assert!(steepest(&out) < 0.03 && (out[99] - 0.05).abs() < 1e-6, "{out:?}");
    playout.duck(0.0);
    assert!((pulled(&mut speaker, 100)[99] - 0.5).abs() < 1e-6);
}

#[test]
fn an_interrupted_reply_that_was_ducked_is_not_heard_again_and_the_next_begins_loud() {
    let (turns, mut player, mut speaker, playout) = ring();
    reply(&mut player);
    playout.duck(SILENCE_DB);
    pulled(&mut speaker, 50);
    turns.raise(TurnId::new(2));
    turns.release(TurnId::new(2));
    playout.interrupt_before(TurnId::new(2));
    playout.duck(0.0);
    let sound = Sound { samples: vec![0.25; 10], ..Sound::default() };
    player.take(message(2, Body::Sound(sound))).unwrap();
    player.pump();
    let out = pulled(&mut speaker, 50);
    let loud: Vec<f32> = out.into_iter().filter(|sample| *sample != 0.0).collect();
    assert_eq!(loud, [0.25; 10]);
}

#[test]
fn a_reply_that_was_begun_ahead_waits_for_its_release_within_bounds() {
    let (turns, mut player, mut speaker, playout) = ring();
    let held = TurnId::new(2);
    turns.raise(held);
    let sound =
        |length| Body::Sound(Sound { samples: vec![0.5; length], words: vec![word("one", 3, 40)], ..Sound::default() });
    player.take(message(2, sound(400))).unwrap();
    assert!(player.pump(), "half a second may be held");
    player.take(message(2, sound(400))).unwrap();
    assert!(!player.pump());
    let mut progress = Vec::new();
    assert!(pulled(&mut speaker, 100).iter().all(|x| *x == 0.0));
    playout.poll(TurnId::default(), &mut progress);
    assert_eq!((progress.len(), playout.heard(held), playout.made_ms(held)), (0, Heard::UpTo(0), 800.0));
    turns.release(held);
    assert_eq!(pulled(&mut speaker, 100), [0.5; 100]);
    playout.poll(TurnId::default(), &mut progress);
    assert!(matches!(progress[0], Progress::Started(turn, _) if turn == held));
    assert!(player.pump());
}

#[test]
fn a_reply_that_was_begun_ahead_in_vain_is_never_heard() {
    let (turns, mut player, mut speaker, playout) = ring();
    let (held, again) = (TurnId::new(2), TurnId::new(2).retry());
    turns.raise(held);
    let sound = |value| Body::Sound(Sound { samples: vec![value; 20], ..Sound::default() });
    player.take(message(2, sound(0.5))).unwrap();
    player.pump();
    turns.raise(again);
    playout.interrupt_before(again);
    player.take(Message { turn: again, at: Position(0), body: sound(0.25) }).unwrap();
    player.pump();
    assert!(pulled(&mut speaker, 50).iter().all(|x| *x == 0.0));
    turns.release(again);
    let loud: Vec<f32> = pulled(&mut speaker, 50).into_iter().filter(|x| *x != 0.0).collect();
    assert_eq!(loud, [0.25; 20]);
    let mut progress = Vec::new();
    playout.poll(TurnId::default(), &mut progress);
    assert!(progress.iter().all(|step| matches!(step, Progress::Started(turn, _) if *turn == again)));
}

#[test]
fn a_reply_is_awaited_until_it_was_heard_or_dropped_and_then_nobody_waits_for_the_ring() {
    let (turns, mut player, mut speaker, playout) = ring();
    assert_eq!(playout.awaited(), None);
    reply(&mut player);
    assert_eq!((playout.awaited(), playout.asked()), (Some(TurnId::new(1)), 0));
    pulled(&mut speaker, 60);
    assert_eq!((playout.awaited(), playout.asked()), (Some(TurnId::new(1)), 60));
    pulled(&mut speaker, 60);
    assert_eq!((playout.awaited(), playout.asked()), (None, 120));
    player.take(message(1, Body::Sound(Sound { samples: vec![0.5; 5_000], ..Sound::default() }))).unwrap();
    assert!(!player.pump(), "the ring is full and nobody plays");
    let dropped = TurnId::new(1).retry();
    turns.raise(dropped);
    playout.interrupt_before(dropped);
    assert_eq!(playout.awaited(), None);
    assert!(player.pump());
    assert!(pulled(&mut speaker, 5_000).iter().all(|x| *x == 0.0), "nothing of it is heard later");
}
