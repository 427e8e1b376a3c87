use burn::tensor::Distribution;

use super::*;

fn config() -> TransformerConfig {
    TransformerConfig { dim: 12, layers: 2, heads: 3, feed_forward: 16, dropout: 0.0 }
}

#[test]
fn one_token_after_the_other_gives_the_whole_of_each_hypothesis() {
    let device = Device::flex();
    device.seed(21);
    for width in [Some(7), None] {
        let net = config().init(9, width, &device);
        let memory = width.map(|width| {
            net.memory(Tensor::random([1, 5, width], Distribution::Normal(0.0, 1.0), &device)) // (1, 5, 2 layers dim)
        });
        let texts = [vec![3_u32, 1, 4, 1], vec![3, 7, 2, 8]];
        let both = |memory: &Tensor<3>| (Tensor::cat(vec![memory.clone(); 2], 0), length_mask(5, &[5, 5], &device));
        let whole = net.forward(shifted(&texts, &device), memory.as_ref().map(both)); // (2, 5, 9)
        let mut cache = net.cache(&device);
        for place in 0..=4_usize {
            let last = |text: &Vec<u32>| place.checked_sub(1).map_or(0, |at| i64::from(text[at]));
            let rows: Vec<i64> = if place == 0 { vec![0] } else { texts.iter().map(last).collect() };
            let tokens = Tensor::from_data(TensorData::new(rows.clone(), [rows.len(), 1]), &device);
            let position = Tensor::from_floats([place as f32], &device);
            let Stepped { log_probs, attention, cache: next } = net.step(tokens, position, cache, memory.clone());
            let expected = whole.clone().narrow(0, 0, rows.len()).narrow(1, place, 1).squeeze_dim(1);
            assert!((log_probs - expected).abs().max().into_scalar::<f32>() < 1e-5, "{width:?}, place {place}");
            let sums: Option<Vec<f32>> = attention.map(|weights| weights.sum_dim(1).into_data().iter().collect());
            assert!(sums.iter().flatten().all(|sum| (sum - 1.0).abs() < 1e-5));
            cache = if place == 0 { Tensor::cat(vec![next; 2], 0) } else { next };
        }
    }
}

#[test]
fn padding_changes_nothing() {
    let device = Device::flex();
    device.seed(22);
    let net = config().init(9, Some(6), &device);
    let frames = Tensor::random([2, 8, 6], Distribution::Normal(0.0, 1.0), &device);
    let texts = [vec![1_u32, 2, 3, 4, 5], vec![6, 7]];
    let together =
        net.forward(shifted(&texts, &device), Some((net.memory(frames.clone()), length_mask(8, &[8, 3], &device))));
    let alone = net.forward(
        shifted(&texts[1..], &device),
        Some((net.memory(frames.narrow(0, 1, 1).narrow(1, 0, 3)), length_mask(3, &[3], &device))),
    );
    let cut = together.narrow(0, 1, 1).narrow(1, 0, 3);
    assert!((cut - alone).abs().max().into_scalar::<f32>() < 1e-5);
}
