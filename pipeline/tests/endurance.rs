//! Two hours of conversation: memory at the end as at the start, and nothing left behind.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail like the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rejoinder::sim::{self, CostConfig, FixedCosts, RandomConfig, Scenario, Simulation, Voices};
use rejoinder::{Config, EventKind};

/// Counts the bytes that are in use.
struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: all work is the system allocator's; the counter beside it changes no pointer and no layout.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size as i64 - layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One conversation at a time: what another leaves is not this one's.
static ALONE: Mutex<()> = Mutex::new(());

const MINUTE_MS: f64 = 60_000.0;
/// Both are looked at once the history and all caches have filled, and at the end of each quarter of an hour after.
const WARM_MS: f64 = 30.0 * MINUTE_MS;
const QUARTER_MS: f64 = 15.0 * MINUTE_MS;
/// What the memory may vary by: of the heap, and of the process with the engines' own heaps.
const HEAP_BYTES: i64 = 2 << 20;
const PROCESS_KIB: i64 = 16 << 10;

#[derive(Clone, Copy, Debug)]
struct Look {
    at_ms: f64,
    heap: i64,
    process_kib: i64,
}

fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

fn status(key: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// A caller who speaks now and then, with all that callers do.
fn scenario(turns: usize) -> Scenario {
    let random = RandomConfig { gap_ms: [4_000.0, 26_000.0], ..RandomConfig::default() };
    Scenario { turns, random, cost: CostConfig::Fixed(FixedCosts::default()), ..Scenario::default() }
}

#[test]
fn two_hours_of_conversation_leave_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let assistant = sim::assistant(&Config::load_default().unwrap()).unwrap();
    let voices = Voices::open(root.join("tests/fixtures/caller")).unwrap();
    // Engines keep what they allocate at their first run.
    Simulation::new(&assistant, &scenario(3), &voices).forgetful().run().unwrap();
    let (heap, threads) = (live(), status("Threads:"));

    let looks = Arc::new(Mutex::new(Vec::with_capacity(16)));
    let (turns, failures) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (keep, count, failed) = (looks.clone(), turns.clone(), failures.clone());
    let mut next_ms = WARM_MS;
    let long = scenario(450);
    let simulation = Simulation::new(&assistant, &long, &voices).forgetful().on_event(move |event| {
        match &event.kind {
            EventKind::AudioFinished => drop(count.fetch_add(1, Ordering::Relaxed)),
            EventKind::Failed { .. } | EventKind::Overrun { .. } => failed.lock().unwrap().push(event.clone()),
            // Between turns, when nothing of a turn is in memory.
            EventKind::SpeechStarted { .. } if event.at.ms() >= next_ms => {
                keep.lock().unwrap().push(Look { at_ms: event.at.ms(), heap: live(), process_kib: status("VmRSS:") });
                next_ms = event.at.ms() + QUARTER_MS;
            }
            _ => {}
        }
    });
    let record = simulation.run().unwrap();
    assert!(record.length.ms() >= 120.0 * MINUTE_MS, "only {:.0} minutes", record.length.ms() / MINUTE_MS);
    drop(record);
    assert!(failures.lock().unwrap().is_empty(), "{:?}", failures.lock().unwrap());
    assert!(
        turns.load(Ordering::Relaxed) > 200,
        "only {} replies were played to their end",
        turns.load(Ordering::Relaxed)
    );
    let looks = looks.lock().unwrap().clone();
    assert!(looks.len() >= 6, "{looks:?}");
    let (first, last) = (looks[0], looks[looks.len() - 1]);
    assert!(last.at_ms - first.at_ms >= 75.0 * MINUTE_MS, "too short a time between the looks: {looks:?}");
    assert!(last.heap - first.heap < HEAP_BYTES, "the heap grows: {looks:?}");
    assert!(last.process_kib - first.process_kib < PROCESS_KIB, "the process grows: {looks:?}");
    assert_eq!(status("Threads:"), threads, "a thread was left behind");
    assert!(live() - heap < HEAP_BYTES, "{} bytes were left behind", live() - heap);
}

#[test]
fn conversations_in_real_time_leave_no_thread_behind() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let assistant = sim::assistant(&Config::load_default().unwrap()).unwrap();
    let voices = Voices::open(root.join("tests/fixtures/caller")).unwrap();
    let brief = Scenario { cost: CostConfig::default(), ..scenario(1) };
    let brief = Scenario { random: RandomConfig { gap_ms: [100.0, 200.0], ..brief.random.clone() }, ..brief };
    let once = || drop(Simulation::new(&assistant, &brief, &voices).forgetful().run_live().unwrap());
    once();
    let named = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names
            .filter(|name| ["listen", "transcribe", "respond", "speak", "events", "caller"].contains(&name.trim()))
            .count()
    };
    for _ in 0..3 {
        once();
    }
    // The kernel lists a thread for a moment after it was joined.
    let deadline = Instant::now() + Duration::from_secs(2);
    while named() > 0 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(named(), 0, "threads of a conversation were left behind");
}
