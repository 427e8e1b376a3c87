use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// A convolution over two dimensions, in the type of its weights, as [`Conv2d::forward`]; what it gives is in the type that
/// was given.
///
/// # Shapes
/// (batch, channels, height, width), in and out
pub(crate) fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let given = x.dtype();
    layer.forward(x.cast(layer.weight.dtype())).cast(given)
}
