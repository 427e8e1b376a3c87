//! The names of SpeechBrain's ECAPA-TDNN and x-vectors (`lobes/models/ECAPA_TDNN.py`, `lobes/models/Xvector.py`), of which
//! checkpoints such as that of `speechbrain/spkrec-ecapa-voxceleb` are published.

use crate::Result;
use crate::import::speechbrain::Theirs;

/// Where the layers are in both.
fn tdnn(theirs: &mut Theirs<'_>, ours: &str, their: &str) -> Result<()> {
    theirs.layer(&format!("{ours}.conv"), &format!("{their}.conv.conv"))?;
    theirs.norm(&format!("{ours}.norm"), &format!("{their}.norm"))
}

/// ECAPA-TDNN.
pub(super) fn ecapa(theirs: &mut Theirs<'_>) -> Result<()> {
    let at = |name: &str| format!("encoder.Ecapa.{name}");
    tdnn(theirs, &at("first"), "blocks.0")?;
    tdnn(theirs, &at("mfa"), "mfa")?;
    for block in
        (0..).take_while(|block| *block == 0 || theirs.has(&format!("blocks.{}", block + 1))).collect::<Vec<_>>()
    {
        let (our, their) = (at(&format!("blocks.{block}")), format!("blocks.{}", block + 1));
        tdnn(theirs, &format!("{our}.before"), &format!("{their}.tdnn1"))?;
        tdnn(theirs, &format!("{our}.after"), &format!("{their}.tdnn2"))?;
        for group in 0.. {
            let group_of_theirs = format!("{their}.res2net_block.blocks.{group}");
            if !theirs.has(&group_of_theirs) {
                break;
            }
            tdnn(theirs, &format!("{our}.groups.{group}"), &group_of_theirs)?;
        }
        theirs.layer(&format!("{our}.squeeze"), &format!("{their}.se_block.conv1.conv"))?;
        theirs.layer(&format!("{our}.excite"), &format!("{their}.se_block.conv2.conv"))?;
    }
    theirs.layer(&at("pooling.frame"), "asp.tdnn.conv.conv")?;
    // Frames, then mean and deviation of the clip.
    theirs.part(&at("pooling.frame"), 3, &at("pooling.context"));
    theirs.norm(&at("pooling.norm"), "asp.tdnn.norm")?;
    theirs.layer(&at("pooling.weight"), "asp.conv.conv")?;
    theirs.norm(&at("norm"), "asp_bn")?;
    theirs.layer(&at("out"), "fc.conv")
}

/// X-vectors: convolution, activation and norm five times, pooling, and a layer.
pub(super) fn xvector(theirs: &mut Theirs<'_>) -> Result<()> {
    for layer in 0..5 {
        let our = format!("encoder.Xvector.layers.{layer}");
        theirs.layer(&format!("{our}.conv"), &format!("blocks.{}.conv", 3 * layer))?;
        theirs.norm(&format!("{our}.norm"), &format!("blocks.{}", 3 * layer + 2))?;
    }
    theirs.layer("encoder.Xvector.out", "blocks.16.w")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::{Device, Tensor, TensorData};
    use serde_json::Value;

    use crate::import::speechbrain;
    use crate::nets::speaker::EncoderConfig;

    /// Checkpoints of small nets, and the embeddings that SpeechBrain computes with them, by `tests/peers/speaker.py`.
    #[test]
    fn checkpoints_of_speechbrain_give_its_embeddings() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let numbers: Value =
            serde_json::from_str(&std::fs::read_to_string(golden.join("speaker.json")).unwrap()).unwrap();
        let floats = |value: &Value| -> Vec<f32> {
            value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
        };
        let nets = [
            (
                "ecapa",
                super::ecapa as speechbrain::Names,
                "kind = 'ecapa'\ninput_size = 6\nlin_neurons = 8\nchannels = 8\nmfa_channels = 12\n\
                 attention_channels = 6\nres2net_scale = 4\nse_channels = 4",
            ),
            (
                "xvector",
                super::xvector,
                "kind = 'xvector'\nin_channels = 6\ntdnn_channels = 8\npooled_channels = 10\nlin_neurons = 8",
            ),
        ];
        for (name, names, config) in nets {
            let device = Device::flex();
            let config: EncoderConfig = toml::from_str(config).unwrap();
            let weights = speechbrain::read(&golden.join(format!("{name}.ckpt")), names).unwrap();
            let net = weights.load(config.init(5, &device), &["speakers"]).unwrap();
            let lengths: Vec<usize> =
                numbers["lengths"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect();
            let features = TensorData::new(floats(&numbers[name]["features"]), [lengths.len(), 20, 6]);
            let found = net.embed(Tensor::from_data(features, &device), Some(&lengths)).into_data();
            for (found, expected) in found.iter::<f32>().zip(floats(&numbers[name]["embeddings"])) {
                assert!((found - expected).abs() < 2e-4 * expected.abs().max(1.0), "{name}: {found} {expected}");
            }
        }
        let missing = speechbrain::read(&golden.join("xvector.ckpt"), super::ecapa).err().unwrap().to_string();
        assert!(missing.contains("expected a weight `blocks.0.conv.conv.weight`"), "{missing}");
    }
}
