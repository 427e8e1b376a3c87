//! Every order of events, up to a bound: no turn is lost, answered twice or left open, and the history is what was
//! heard.

mod world;

use std::collections::HashMap;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rejoinder_models::units::Samples;
use world::{Step, World};

use super::Policy;

/// Time passes in steps of one sample, so that each of these is a few steps.
const POLICY: Policy = Policy {
    min_speech: Samples(1),
    min_silence: Samples(1),
    hangover: Samples(2),
    patience: Samples(3),
    max_turn: Samples(6),
    no_answer: Some(Samples(3)),
    half_duplex: false,
    push_to_talk: false,
    follow_up: None,
    judge_window: Samples(3),
    max_starts: 2,
};

fn policies() -> Vec<Policy> {
    vec![
        POLICY,
        Policy { follow_up: Some(Samples(4)), ..POLICY },
        Policy { half_duplex: true, ..POLICY },
        Policy { push_to_talk: true, ..POLICY },
    ]
}

/// All schedules of so many steps, those that lead to the same place followed once; how many there are.
fn explore(policy: Policy, reminders: usize, depth: usize) -> (usize, u128) {
    let start = World::new(policy, reminders);
    let mut seen = std::collections::HashSet::from([start.key()]);
    let mut front = HashMap::from([(start.key(), (start, 1_u128))]);
    let mut schedules = 0;
    for _ in 0..depth {
        let mut next: HashMap<_, (World, u128)> = HashMap::new();
        for (world, ways) in front.into_values() {
            for step in world.steps() {
                let mut after = world.clone();
                after.step(step);
                if seen.insert(after.key()) {
                    let mut end = after.clone();
                    end.close();
                    end.check_history();
                }
                next.entry(after.key()).or_insert((after, 0)).1 += ways;
            }
        }
        schedules = next.values().map(|(_, ways)| ways).sum();
        front = next;
    }
    (seen.len(), schedules)
}

#[test]
fn no_order_of_events_loses_a_turn_or_answers_it_twice() {
    let (mut states, mut schedules) = (0, 0);
    let plain = policies().into_iter().map(|policy| (policy, 0, 11));
    for (policy, reminders, depth) in plain.chain([(POLICY, 1, 9), (policies()[1], 1, 9)]) {
        let found = explore(policy, reminders, depth);
        states += found.0;
        schedules += found.1;
    }
    assert!(schedules >= 1_000_000, "{schedules} schedules of {states} states");
}

#[test]
fn long_conversations_at_random_end_in_order_and_remember_what_was_heard() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    for policy in policies() {
        for _ in 0..1_000 {
            let mut world = World::new(policy, 5);
            for _ in 0..random.random_range(10..200) {
                let steps = world.steps();
                let step = *steps.choose(&mut random).unwrap_or(&Step::Time);
                world.step(step);
            }
            world.close();
            world.check_history();
        }
    }
}
