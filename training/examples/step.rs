//! Times one training step of the streaming Conformer on a backend.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its figures")]
use std::time::Instant;

use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Distribution, Tensor};
use rejoinder_training::device::Backend;
use rejoinder_training::losses::ctc_loss;
use rejoinder_training::nets::conformer::ConformerConfig;

fn main() -> anyhow::Result<()> {
    let device = Backend::Auto.device()?.autodiff();
    let arg = |i: usize, d: usize| std::env::args().nth(i).and_then(|a| a.parse().ok()).unwrap_or(d);
    let (batch, seconds, dim, layers) = (arg(1, 16), arg(2, 8), arg(3, 192), arg(4, 8));
    let config = ConformerConfig {
        bins: 80,
        dim,
        layers,
        heads: 4,
        feed_forward: 4 * dim,
        kernel: 15,
        channels: 256,
        chunk: 4,
        left: 40,
        dropout: 0.1,
    };
    let mut net = config.init(256, 40, &device);
    let frames = config.chunks().encoder_frames(seconds * 100);
    let mut optimizer = AdamWConfig::new().init();
    for step in 0..6 {
        let x = Tensor::<3>::random([batch, 14 + frames * 8, 80], Distribution::Normal(0.0, 1.0), &device);
        let started = Instant::now();
        let (heads, middle) = net.forward(x, &vec![frames; batch]);
        let tokens: Vec<Vec<u32>> =
            (0..batch).map(|i| (0..40).map(|j| 1 + (i as u32 * 7 + j * 3) % 200).collect()).collect();
        let phones: Vec<Vec<u32>> =
            (0..batch).map(|i| (0..90).map(|j| 1 + (i as u32 * 7 + j * 3) % 39).collect()).collect();
        let (lengths, halves) = (vec![frames; batch], vec![2 * frames; batch]);
        let Some(heard) = heads.phones else { anyhow::bail!("no phone head") };
        let loss = ctc_loss(heads.tokens, &tokens, &lengths)
            + ctc_loss(heard, &phones, &halves)
            + ctc_loss(middle, &phones, &halves).mul_scalar(0.3);
        let value: f32 = loss.clone().into_scalar();
        let forward = started.elapsed();
        let grads = GradientsParams::from_grads(loss.backward(), &net);
        let backward = started.elapsed();
        net = optimizer.step(1e-4, net, grads);
        println!(
            "step {step}: loss {value:.3} forward {forward:.0?} backward {backward:.0?} all {:.0?}",
            started.elapsed()
        );
    }
    Ok(())
}
