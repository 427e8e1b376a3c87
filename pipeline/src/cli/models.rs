use std::io::{StdoutLock, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use rejoinder_models::card::Bundle;
use rejoinder_models::zoo;

use super::{Ended, complain};

/// `rejoinder models`
#[derive(Args)]
pub(crate) struct Models {
    /// A bundle, or a folder of bundles [default: models/pretrained]
    folder: Option<PathBuf>,
}

impl Models {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let folders = self.folder.map_or_else(zoo::model_folders, |folder| vec![folder]);
        if folders.is_empty() {
            bail!("no model folder found: expected models/pretrained here or above, or REJOINDER_MODELS");
        }
        let mut out = std::io::stdout().lock();
        let mut ended = Ended::Done;
        for folder in folders {
            if folder.join("card.toml").is_file() {
                print(&Bundle::open(&folder)?, &mut out)?;
                continue;
            }
            let listings = zoo::list(&folder)?;
            if listings.is_empty() {
                bail!(
                    "{}: expected a bundle, or a folder of bundles, each with its card.toml; found none",
                    folder.display()
                );
            }
            for listing in listings {
                match listing.bundle.and_then(|bundle| Bundle::open(bundle.root())) {
                    Ok(bundle) => print(&bundle, &mut out)?,
                    Err(error) => {
                        complain(&error.into());
                        ended = Ended::Partly;
                    }
                }
            }
        }
        Ok(ended)
    }
}

fn print(bundle: &Bundle, out: &mut StdoutLock<'_>) -> anyhow::Result<()> {
    let card = bundle.card();
    let bytes: u64 = card.files.values().map(|file| file.bytes).sum();
    let (name, task, family, licence) = (&card.name, card.task, &card.family, &card.licence);
    writeln!(out, "{name}: {task}, {family}, {licence}, {:.1} MiB", bytes as f64 / f64::from(1 << 20))?;
    writeln!(out, "    {}", bundle.root().display())?;
    if !card.summary.is_empty() {
        writeln!(out, "    {}", card.summary)?;
    }
    let origin = &card.origin;
    writeln!(out, "    made by {} at {} from {}", origin.recipe, origin.commit, origin.data.join(", "))?;
    let latencies: Vec<_> = card.latencies().into_iter().filter_map(|latency| card.latency_ms(latency)).collect();
    for (number, [chunk, left]) in latencies.iter().enumerate().filter(|_| latencies.len() > 1) {
        let default = if number == 0 { ", by default" } else { "" };
        writeln!(out, "    --chunk-ms {chunk} --left-ms {left}{default}")?;
    }
    for (what, figure) in &card.results {
        writeln!(out, "    {what}: {figure}")?;
    }
    for (engine, difference) in &card.parity {
        writeln!(out, "    largest difference to the trained net on {engine}: {difference:e}")?;
    }
    Ok(())
}
