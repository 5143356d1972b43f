//! A classifier: the backbone, the mean over the last map, one linear layer.

use serde::{Deserialize, Serialize};

use crate::onnx::{Dim, Element, Graph};

use super::architecture::{Backbone, LayerShape};
use super::backbone::GraphBuilder;
use super::layer::Layer;
use super::read::{ArchitectureError, Hints, ShapeLookup, linear_shape};
use super::weights::Weights;

/// A bare ResNet that classifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierNetwork {
    /// Feature extractor.
    pub backbone: Backbone,
    /// Classes; there is no background among them.
    pub classes: usize,
}

impl ClassifierNetwork {
    /// Reads a classifier from the shapes of its layers.
    ///
    /// # Errors
    /// When a layer is missing that others are read from, or a shape is impossible.
    pub fn read(shapes: &ShapeLookup<'_>, hints: &Hints) -> Result<ClassifierNetwork, ArchitectureError> {
        let backbone = Backbone::read(shapes, hints)?;
        let classes = linear_shape(shapes, Layer::Classifier)?[0];
        Ok(ClassifierNetwork { backbone, classes })
    }

    /// Every layer with weights, in the order of the computation.
    pub fn layers(&self) -> Vec<LayerShape> {
        let mut layers = self.backbone.layers();
        let inputs = self.backbone.channels_after(self.backbone.stages.len());
        layers.push(LayerShape { layer: Layer::Classifier, weight: vec![self.classes, inputs] });
        layers
    }
}

/// Writes the classifier, moving its weights out of `weights`.
///
/// Input `input` (batch, 3, height, width) of any size; output `logits` (batch, classes). The mean over the whole
/// last map makes the network fully convolutional: the logits are the mean of those at every position.
pub fn classifier(architecture: &ClassifierNetwork, weights: &mut Weights) -> Graph {
    let mut builder = GraphBuilder::new("classifier", architecture.layers(), weights);
    let dims = ["batch".into(), 3.into(), "height".into(), "width".into()];
    let x = builder.graph.input("input", Element::F32, &dims);
    let mut x = builder.stem(&architecture.backbone, &x);
    for stage in 0..architecture.backbone.stages.len() {
        x = builder.stage(&architecture.backbone, stage, &x, None);
    }
    let x = builder.graph.global_average_pool("mean", &x);
    let x = builder.graph.flatten("flatten", &x);
    let logits = builder.linear(Layer::Classifier, "logits", &x);
    builder.graph.output(&logits, Element::F32, &[Dim::Free("batch".into()), architecture.classes.into()]);
    builder.graph
}
