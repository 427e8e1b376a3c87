use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rejoinder::config::ResponderConfig;
use rejoinder::turn::EndRule;
use rejoinder::{Assistant, Calendar, Config, History};
use rejoinder_models::enhance::EnhanceConfig;
use rejoinder_models::llm::Cancel;
use rejoinder_models::units::{Position, SampleRate, Samples};

use super::Ended;

/// `rejoinder validate`
#[derive(Args)]
pub(crate) struct Validate {
    /// The configuration
    config: PathBuf,
}

/// Reads what every conversation begins with.
fn read_instructions(assistant: &Assistant) -> anyhow::Result<()> {
    let (calendar, start) = (Calendar::Machine, Position(0));
    let history = History::new(&assistant.instructions, assistant.memory);
    let mut dialogue = assistant.responder.dialogue(calendar.moment(start))?;
    Ok(dialogue.prefill(history.messages(), (assistant.tools)(calendar).specs(), &Cancel::default())?)
}

/// What is done to the microphone's sound.
fn cleaned(enhance: &EnhanceConfig) -> Vec<String> {
    let EnhanceConfig { echo, noise, denoiser, max_gain_db } = enhance;
    let echo = echo.then(|| "the reply's echo is taken out".to_owned());
    let noise = noise.map(|_| "steady noise is suppressed".to_owned());
    let denoiser = denoiser.as_ref().map(|path| format!("{} leaves the voice", path.display()));
    let gain = (*max_gain_db > 0.0).then(|| format!("a quiet voice is made louder, by {max_gain_db} dB at the most"));
    [echo, noise, denoiser, gain].into_iter().flatten().collect()
}

impl Validate {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let config = Config::load(&self.config)?;
        let assistant = Assistant::open(&config)?;
        assistant.recognizer.stream()?;
        if matches!(config.responder, ResponderConfig::Llama(..)) {
            // Whether the instructions and the tools have room in the model's context.
            read_instructions(&assistant).with_context(|| format!("{}: [llm]", config.path.display()))?;
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}: ok", config.path.display())?;
        let cleaned = cleaned(&config.audio.enhance);
        if !cleaned.is_empty() {
            writeln!(out, "    of the microphone's sound: {}", cleaned.join(", "))?;
        }
        writeln!(out, "    voice activity: {:?}", config.vad)?;
        writeln!(out, "    speech to text: {}", config.recognizer.display())?;
        if let Some(speaker) = &config.speaker {
            writeln!(out, "    voices: {} by {}", speaker.voices.display(), speaker.model.display())?;
        }
        match &config.responder {
            ResponderConfig::Llama(path, _) => writeln!(out, "    dialogue: {}", path.display())?,
            ResponderConfig::OpenAi(options) => writeln!(out, "    dialogue: {} at {}", options.model, options.url)?,
        }
        writeln!(out, "    text to speech: {}", config.synthesizer.display())?;
        let policy = config.turn_taking.policy;
        let ms = |length: Samples| length.ms(SampleRate::INTERNAL);
        let (hangover_ms, patience_ms) = (ms(policy.hangover), ms(policy.patience));
        match &config.turn_detector {
            _ if policy.push_to_talk => writeln!(out, "    a turn begins and ends with the talk button")?,
            Some(path) => {
                let EndRule { threshold, after, .. } = config.turn_taking.end;
                let after_ms = ms(after);
                write!(
                    out,
                    "    a turn ends when {} is sure of it by {threshold} after {after_ms} ms",
                    path.display()
                )?;
                writeln!(out, ", or after {hangover_ms} ms of silence, {patience_ms} where it is unfinished")?;
            }
            None => writeln!(out, "    a turn ends after {hangover_ms} ms of silence")?,
        }
        if let Some(wake) = &config.wake_word {
            writeln!(out, "    a conversation begins when {} hears \"{}\"", wake.model.display(), wake.phrase)?;
        }
        writeln!(out, "    tools: {}", config.tools.join(", "))?;
        Ok(Ended::Done)
    }
}
