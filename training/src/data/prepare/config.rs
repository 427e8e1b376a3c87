//! What `prepare` does, as written in a recipe.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::published::{
    AishellConfig, CommonVoiceConfig, FsddConfig, Layout, LibrispeechConfig, MiniLibrispeechConfig,
    SpeechCommandsConfig, Speechocean762Config, TimitConfig, VoicebankConfig,
};
use super::{
    Assigned, NoiseConfig, Set, Split, fsdd, intent_barista, kathleen, keywords, librispeech_sub, ljspeech_sub,
    precise_community, sentences_misc, speechocean762,
};
use crate::data::manifest::ManifestForm;
use crate::data::synth::SynthConfig;
use crate::{Error, Result};

/// From sets to prepared folders, the section `[prepare]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepareConfig {
    /// The folder of the sets: a folder or a tar file for each.
    pub sets: PathBuf,
    /// Where the prepared folders go.
    pub out: PathBuf,
    /// Which sets of recorded speech to prepare.
    #[serde(default)]
    pub speech: Vec<SpeechSet>,
    /// Background noise and room responses; after the speech, of which it makes babble.
    #[serde(default)]
    pub noise: Option<NoiseConfig>,
    /// Synthetic speech, one prepared folder for each entry.
    #[serde(default)]
    pub synth: Vec<SynthConfig>,
    /// In which form the manifests of published sets are written. Default: CSV.
    #[serde(default)]
    pub manifests: ManifestForm,
    /// LibriSpeech as it is published. This and what follows need nothing of `sets`.
    #[serde(default)]
    pub librispeech: Option<LibrispeechConfig>,
    /// Mini-LibriSpeech.
    #[serde(default)]
    pub mini_librispeech: Option<MiniLibrispeechConfig>,
    /// A language of Common Voice.
    #[serde(default)]
    pub common_voice: Option<CommonVoiceConfig>,
    /// AISHELL-1.
    #[serde(default)]
    pub aishell: Option<AishellConfig>,
    /// TIMIT.
    #[serde(default)]
    pub timit: Option<TimitConfig>,
    /// Speech Commands.
    #[serde(default)]
    pub speech_commands: Option<SpeechCommandsConfig>,
    /// speechocean762 as it is published.
    #[serde(default)]
    pub speechocean762: Option<Speechocean762Config>,
    /// Free Spoken Digit Dataset as it is published.
    #[serde(default)]
    pub fsdd: Option<FsddConfig>,
    /// Voicebank-DEMAND.
    #[serde(default)]
    pub voicebank: Option<VoicebankConfig>,
    /// What else is prepared, each with folders of its own.
    #[serde(default)]
    pub more: Vec<Self>,
}

impl PrepareConfig {
    /// The folder of the sets: the configured one, or where that is missing, what `REJOINDER_DATA` names.
    pub(crate) fn located(&self) -> &Path {
        static NAMED: OnceLock<Option<PathBuf>> = OnceLock::new();
        let named = NAMED.get_or_init(|| std::env::var_os("REJOINDER_DATA").map(PathBuf::from));
        named.as_deref().filter(|_| !self.sets.exists()).unwrap_or(&self.sets)
    }

    /// Refuses two sets that would write the same folder: the second would be taken for done.
    pub(super) fn check(&self) -> Result<()> {
        let mut written = HashSet::new();
        for folder in self.folders() {
            if !written.insert(folder.clone()) {
                let reason = format!("two sets write {}; prepare each with an `out` of its own", folder.display());
                return Err(Error::config("[prepare]", reason));
            }
        }
        Ok(())
    }

    /// The folders that sets of speech become.
    fn folders(&self) -> Vec<PathBuf> {
        let own: &[Split] = if self.speech.is_empty() { &[] } else { &[Split::Train, Split::Valid] };
        let own = own.iter().map(|split| self.out.join(split.folder()));
        let published = self.published().flat_map(|(layout, out)| {
            let splits = layout.splits().into_iter();
            splits.map(move |split| out.join(split))
        });
        own.chain(published).chain(self.more.iter().flat_map(Self::folders)).collect()
    }

    /// The published sets, and where each is written.
    pub(super) fn published(&self) -> impl Iterator<Item = (&dyn Layout, &Path)> {
        fn layout<L: Layout>(config: &Option<L>) -> Option<&dyn Layout> {
            config.as_ref().map(|config| config as &dyn Layout)
        }
        let folders = [
            layout(&self.librispeech),
            layout(&self.mini_librispeech),
            layout(&self.common_voice),
            layout(&self.aishell),
            layout(&self.timit),
            layout(&self.speech_commands),
            layout(&self.speechocean762),
            layout(&self.fsdd),
        ];
        let folders = folders.into_iter().flatten().map(|layout| (layout, self.out.as_path()));
        let lists = self.voicebank.as_ref().map(|config| (config as &dyn Layout, config.save_folder.as_path()));
        folders.chain(lists)
    }
}

/// A set of recorded speech that can be prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechSet {
    /// Accented adults and children, read sentences and digits.
    Speechocean762,
    /// Read audiobooks; three speakers have text to train on.
    LibrispeechSub,
    /// One speaker, CMU Arctic prompts.
    Kathleen,
    /// One speaker, 35 sentences.
    LjspeechSub,
    /// Digits over a narrow band.
    Fsdd,
    /// Transcribed clips of several origins: a test only.
    SentencesMisc,
    /// Wake words of many speakers, in a folder of their own.
    WakewordPicovoice,
    /// Wake words of few speakers, in a folder of their own, and words that sound alike.
    PreciseCommunity,
    /// Spoken orders without transcripts, for where turns end.
    IntentBarista,
}

impl SpeechSet {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Speechocean762 => "speechocean762",
            Self::LibrispeechSub => "librispeech_sub",
            Self::Kathleen => "kathleen",
            Self::LjspeechSub => "ljspeech_sub",
            Self::Fsdd => "fsdd",
            Self::SentencesMisc => "sentences_misc",
            Self::WakewordPicovoice => "wakeword_picovoice",
            Self::PreciseCommunity => "precise_community",
            Self::IntentBarista => "intent_barista",
        }
    }

    pub(super) fn split(self, set: &Set) -> Result<Vec<Assigned>> {
        match self {
            Self::Speechocean762 => speechocean762::split(set),
            Self::LibrispeechSub => librispeech_sub::split(set),
            Self::Kathleen => kathleen::split(set),
            Self::LjspeechSub => ljspeech_sub::split(set),
            Self::Fsdd => fsdd::split(set),
            Self::SentencesMisc => sentences_misc::split(set),
            Self::WakewordPicovoice => keywords::split(set),
            Self::PreciseCommunity => precise_community::split(set),
            Self::IntentBarista => intent_barista::split(set),
        }
    }
}
