//! A network's weights, with every norm folded into the layer before it.

use std::collections::BTreeMap;

use super::layer::Layer;

/// A batch norm at inference, or the affine map that is left of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Factor a channel.
    pub scale: Vec<f32>,
    /// Summand a channel.
    pub bias: Vec<f32>,
    /// Running mean and variance a channel; absent where they are folded already (Caffe2).
    pub statistics: Option<(Vec<f32>, Vec<f32>)>,
}

/// One layer: weight and bias, row-major, outputs first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerWeights {
    /// As the layer's shape says.
    pub weight: Vec<f32>,
    /// One an output.
    pub bias: Vec<f32>,
}

impl LayerWeights {
    /// Folds a norm into the layer before it: `y = (w x + b - mean) / sqrt(variance + eps) * scale + bias`
    /// becomes one product and one sum. Where the statistics are folded already, mean 0 and variance 1 stand in for
    /// them, and `eps` is added all the same, as detectron2 does. In float64, rounded once. `own_bias` is b, empty where the layer has none.
    /// Lengths must agree, as the caller has checked.
    pub fn fold(mut weight: Vec<f32>, own_bias: &[f32], norm: &Norm, eps: f64) -> LayerWeights {
        let channels = norm.scale.len();
        let inputs = weight.len() / channels.max(1);
        let mut bias = Vec::with_capacity(channels);
        for channel in 0..channels {
            let (mut factor, mut offset) = (f64::from(norm.scale[channel]), f64::from(norm.bias[channel]));
            let (mean, variance) = match &norm.statistics {
                Some((mean, variance)) => (f64::from(mean[channel]), f64::from(variance[channel])),
                None => (0.0, 1.0),
            };
            factor /= (variance + eps).sqrt();
            offset -= mean * factor;
            offset += own_bias.get(channel).map_or(0.0, |&bias| f64::from(bias)) * factor;
            for value in &mut weight[channel * inputs..(channel + 1) * inputs] {
                *value = (f64::from(*value) * factor) as f32;
            }
            bias.push(offset as f32);
        }
        LayerWeights { weight, bias }
    }
}

/// All layers of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(BTreeMap<Layer, LayerWeights>);

impl Weights {
    /// No layers yet.
    pub fn new() -> Weights {
        Weights::default()
    }

    /// Adds a layer.
    pub fn insert(&mut self, layer: Layer, weights: LayerWeights) {
        self.0.insert(layer, weights);
    }

    /// Puts a layer's outputs into another order: output `i` becomes what was output `order[i]`.
    pub(crate) fn rearrange(&mut self, layer: Layer, order: &[usize]) {
        let Some(values) = self.0.get_mut(&layer) else { return };
        let inputs = values.weight.len() / values.bias.len().max(1);
        let row = |&from: &usize| values.weight.get(from * inputs..(from + 1) * inputs).unwrap_or_default();
        let weight = order.iter().flat_map(row).copied().collect();
        let bias = order.iter().filter_map(|&from| values.bias.get(from)).copied().collect();
        *values = LayerWeights { weight, bias };
    }

    /// Takes the mask heads' layers out, with a copy of those of a stage of the backbone.
    pub(super) fn of_masks(&mut self, stage: Option<usize>) -> Weights {
        let mut own = Weights::new();
        for (&layer, values) in &mut self.0 {
            match layer {
                Layer::MaskConv { .. } | Layer::MaskUpsample(_) | Layer::MaskLogits(_) => {
                    own.insert(layer, std::mem::take(values));
                }
                Layer::Block { stage: other, .. } if Some(other) == stage => {
                    own.insert(layer, values.clone());
                }
                _ => {}
            }
        }
        own
    }

    /// Takes a layer out, so that its values move into a graph; empty where it is not there.
    pub(super) fn take(&mut self, layer: Layer) -> LayerWeights {
        self.0.remove(&layer).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_a_norm_by_hand() {
        // scale 3, bias 1, mean 2, variance 3.75 + eps 0.25 = 4: y = (w x - 2) / 2 * 3 + 1 = 1.5 w x - 2
        let norm = Norm { scale: vec![3.0], bias: vec![1.0], statistics: Some((vec![2.0], vec![3.75])) };
        let folded = LayerWeights::fold(vec![2.0, -4.0], &[], &norm, 0.25);
        assert_eq!(folded, LayerWeights { weight: vec![3.0, -6.0], bias: vec![-2.0] });
    }

    #[test]
    fn a_bias_goes_through_the_norm() {
        let norm = Norm { scale: vec![3.0], bias: vec![1.0], statistics: Some((vec![2.0], vec![4.0])) };
        let folded = LayerWeights::fold(vec![2.0], &[6.0], &norm, 0.0);
        assert_eq!(folded, LayerWeights { weight: vec![3.0], bias: vec![7.0] });
    }

    #[test]
    fn an_affine_map_has_mean_0_and_variance_1() {
        let norm = Norm { scale: vec![2.0, 0.5], bias: vec![1.0, -1.0], statistics: None };
        let folded = LayerWeights::fold(vec![1.0, 4.0], &[], &norm, 0.0);
        assert_eq!(folded, LayerWeights { weight: vec![2.0, 2.0], bias: vec![1.0, -1.0] });
        // An eps of 3 halves the factors: the root of 1 + 3 is 2.
        let folded = LayerWeights::fold(vec![1.0, 4.0], &[], &norm, 3.0);
        assert_eq!(folded, LayerWeights { weight: vec![1.0, 1.0], bias: vec![1.0, -1.0] });
    }

    #[test]
    fn outputs_change_places() {
        let mut weights = Weights::new();
        weights.insert(
            Layer::Scores(0),
            LayerWeights { weight: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], bias: vec![7.0, 8.0, 9.0] },
        );
        weights.rearrange(Layer::Scores(0), &[2, 0]);
        assert_eq!(
            weights.take(Layer::Scores(0)),
            LayerWeights { weight: vec![5.0, 6.0, 1.0, 2.0], bias: vec![9.0, 7.0] }
        );
    }
}
