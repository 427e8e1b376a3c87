//! Whole dialogues, turn by turn.

use rand::{Rng, SeedableRng};
use rejoinder_models::llm::tools::{Moment, Tools};
use rejoinder_models::llm::{ChatMessage, PERSONA, Role, ToolSpec};

use super::phrase::{Chance, chance};
use super::scene::Scene;
use super::{Domain, Noise, draw};

/// One message of a written dialogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The message.
    pub message: ChatMessage,
    /// What its turn is about.
    pub domain: Domain,
    /// Whether a model should learn to say it: an assistant's message that was not cut short.
    pub learn: bool,
}

/// A written dialogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Dialogue {
    /// The messages, the system's first.
    pub lines: Vec<Line>,
}

/// What the dialogues are to be like.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WriterConfig {
    /// How often each domain comes.
    pub mix: Vec<(Domain, f64)>,
    /// The share of a person's sentences that are written as a recogniser would, in percent.
    pub noisy_percent: u32,
    /// The most errors a word in such a sentence.
    pub max_noise: f64,
    /// The turns of a dialogue, at the most.
    pub max_turns: usize,
}

impl Default for WriterConfig {
    fn default() -> Self {
        let mix = vec![
            (Domain::Coffee, 5.0),
            (Domain::Chat, 1.2),
            (Domain::Clock, 0.8),
            (Domain::Timers, 1.5),
            (Domain::Sums, 1.2),
            (Domain::Units, 1.0),
            (Domain::Shopping, 1.2),
            (Domain::Two, 0.6),
            (Domain::Echo, 0.8),
            (Domain::Refusal, 0.8),
            (Domain::Unclear, 0.5),
        ];
        Self { mix, noisy_percent: 60, max_noise: 0.4, max_turns: 6 }
    }
}

/// Writes dialogues, without end: each seed gives its own sequence.
pub struct Writer<'a> {
    config: &'a WriterConfig,
    noise: &'a Noise,
    rng: Chance,
}

impl<'a> Writer<'a> {
    /// A writer that starts from `seed`.
    pub fn new(config: &'a WriterConfig, noise: &'a Noise, seed: u64) -> Self {
        Self { config, noise, rng: Chance::seed_from_u64(seed) }
    }

    /// The tools that every dialogue has.
    pub fn tools() -> Vec<ToolSpec> {
        Tools::default().specs()
    }

    /// The next dialogue.
    pub fn dialogue(&mut self) -> Dialogue {
        let now = Moment::from_local_ms(1_600_000_000_000 + self.rng.random_range(0..400_000_000) * 1000);
        let turns = self.rng.random_range(1..=self.config.max_turns);
        let mut scene = Scene {
            config: self.config,
            noise: self.noise,
            rng: &mut self.rng,
            tools: Tools::default(),
            now,
            domain: Domain::Chat,
            lines: Vec::new(),
        };
        if chance(scene.rng, 92) {
            scene.push(Role::System, PERSONA.to_owned(), None, false);
        }
        for _ in 0..turns {
            scene.domain = draw(scene.rng, &scene.config.mix);
            scene.turn();
            scene.now = scene.now.plus_ms(scene.rng.random_range(3_000..120_000));
        }
        Dialogue { lines: scene.lines }
    }
}

#[cfg(test)]
mod tests {
    use rejoinder_models::llm::tools::check_arguments;

    use super::*;

    #[test]
    fn dialogues_follow_from_the_seed_and_every_call_keeps_its_schema() {
        let (config, noise) = (WriterConfig::default(), Noise::default());
        let specs = Writer::tools();
        let mut writer = Writer::new(&config, &noise, 11);
        let mut again = Writer::new(&config, &noise, 11);
        let mut calls = 0;
        for _ in 0..800 {
            let dialogue = writer.dialogue();
            assert_eq!(dialogue, again.dialogue());
            for pair in dialogue.lines.windows(2) {
                let (before, after) = (&pair[0].message, &pair[1].message);
                assert_eq!(after.role == Role::Tool, before.tool_call.is_some());
                if let Some(call) = &before.tool_call {
                    let spec = specs.iter().find(|spec| spec.name == call.name).unwrap();
                    check_arguments(&spec.parameters, &call.arguments).unwrap();
                    calls += 1;
                }
            }
            assert_eq!(dialogue.lines.last().unwrap().message.role, Role::Assistant);
        }
        assert!(calls > 1000);
    }

    #[test]
    fn two_requests_of_one_sentence_get_a_call_each_and_one_reply() {
        let config = WriterConfig { mix: vec![(Domain::Two, 1.0)], max_turns: 1, ..WriterConfig::default() };
        let noise = Noise::default();
        let mut writer = Writer::new(&config, &noise, 5);
        for _ in 0..200 {
            let lines = writer.dialogue().lines;
            let spoken = lines.iter().map(|line| line.message.role).filter(|role| *role != Role::System);
            let expected = [Role::User, Role::Assistant, Role::Tool, Role::Assistant, Role::Tool, Role::Assistant];
            assert_eq!(spoken.collect::<Vec<_>>(), expected);
            let calls: Vec<&str> =
                lines.iter().filter_map(|line| Some(line.message.tool_call.as_ref()?.name.as_str())).collect();
            assert_eq!(calls.len(), 2, "{calls:?}");
        }
    }
}
