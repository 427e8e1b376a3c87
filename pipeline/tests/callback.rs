//! The audio callback under an allocator that counts: nothing that runs inside it may allocate or free.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use rejoinder::Assistant;
use rejoinder::io::device::{record_block, sound_block};
use rejoinder_models::enhance::{EnhanceConfig, Enhancer, Webrtc};
use rejoinder_models::units::Samples;

mod common;

thread_local! {
    static FORBIDDEN: Cell<bool> = const { Cell::new(false) };
    static VIOLATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Guard;

fn note() {
    if FORBIDDEN.get() {
        VIOLATIONS.set(VIOLATIONS.get() + 1);
    }
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Guard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Guard = Guard;

/// Runs `body` as an audio callback, and panics afterwards if it touched the heap.
fn in_callback<T>(body: impl FnOnce() -> T) -> T {
    VIOLATIONS.set(0);
    FORBIDDEN.set(true);
    let result = body();
    FORBIDDEN.set(false);
    assert_eq!(VIOLATIONS.get(), 0, "an audio callback touched the heap");
    result
}

#[test]
fn the_guard_sees_an_allocation() {
    FORBIDDEN.set(true);
    drop(std::hint::black_box(Box::new(1)));
    FORBIDDEN.set(false);
    assert_eq!(VIOLATIONS.get(), 2);
}

#[test]
fn callbacks_move_sound_through_a_whole_conversation_without_the_heap() {
    converse(&common::assistant(&common::Parrot::default()));
}

#[test]
fn with_an_echo_canceller_the_callbacks_move_what_is_played_to_it_without_the_heap() {
    let config = EnhanceConfig { echo: true, ..EnhanceConfig::default() };
    let enhancer: Arc<dyn Enhancer> = Arc::new(Webrtc::new(config));
    converse(&Assistant { enhancer: Some(enhancer), ..common::assistant(&common::Parrot::default()) });
}

fn converse(assistant: &Assistant) {
    let session = rejoinder::Session::builder(assistant).start();
    let mut session = session.expect("a conversation");
    let (mut microphone, mut loudspeaker) = session.take_ends().expect("the ends");
    let caller = common::speech("100 alpha 100 delta 900 charlie 2500");
    let mut heard = 0;
    let mut output = [0_i16; 2 * 480];
    for frames in caller.samples.chunks(160) {
        let stereo: Vec<i16> = frames.iter().flat_map(|x| [(x * 32_767.0) as i16; 2]).collect();
        in_callback(|| record_block(&stereo, 2, &mut microphone));
        in_callback(|| sound_block(&mut output[..2 * frames.len()], 2, Samples(320), &mut loudspeaker));
        heard += output.iter().filter(|x| x.unsigned_abs() > 3_000).count();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // A full ring, an empty one, and a session that is gone.
    let flood = vec![0.1_f32; 100_000];
    in_callback(|| record_block(&flood, 1, &mut microphone));
    session.stop().expect("an orderly end");
    in_callback(|| record_block(&flood, 1, &mut microphone));
    in_callback(|| sound_block(&mut [0.0_f32; 4_800], 1, Samples(320), &mut loudspeaker));
    assert!(heard > 1_000, "the assistant was heard in {heard} samples");
}
