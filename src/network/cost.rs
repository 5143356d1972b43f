//! What a network costs: sizes of maps, weights, and multiply-adds for an input size, stage by stage.

use serde::Serialize;

use super::architecture::{Architecture, Backbone, BlockKind, LayerShape, MaskHead, Stage};
use super::classifier::ClassifierNetwork;
use super::layer::{BlockConv, Layer};

/// One row of the table: a stage, or a part behind the backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostRow {
    /// As in the paper's table 1: `conv1`, `conv2_x` …; then `fpn`, `rpn`, `box head`.
    pub name: String,
    /// Input pixels per pixel of its map; nothing for what works on boxes.
    pub stride: Option<usize>,
    /// Height and width of its map.
    pub output: Option<(usize, usize)>,
    /// Kernels and channels: `[3x3, 64; 3x3, 64] x 2`.
    pub layers: String,
    /// Numbers in its weights, without biases and norms.
    pub weights: u64,
    /// Products of a weight and a value, for one photo.
    pub multiply_adds: u64,
}

/// Height and width.
type MapSize = (usize, usize);

/// Every layer here pads so that a stride of 2 halves and rounds up.
fn halved(size: MapSize, stride: usize) -> MapSize {
    (size.0.div_ceil(stride.max(1)), size.1.div_ceil(stride.max(1)))
}

fn numbers(shape: &[usize]) -> u64 {
    shape.iter().map(|&dim| dim as u64).product()
}

fn pixels(size: MapSize) -> u64 {
    size.0 as u64 * size.1 as u64
}

impl Backbone {
    /// Rows of the stem and the first `stages` stages, and the size of the last map.
    fn rows(&self, input: MapSize, stages: usize) -> (Vec<CostRow>, Vec<MapSize>) {
        let stem = &self.stem;
        let mut size = halved(input, stem.stride);
        let of_stem = |shape: &LayerShape| matches!(shape.layer, Layer::StemConv(_) | Layer::Stem);
        let weights = self
            .layers()
            .iter()
            .filter(|&shape| of_stem(shape))
            .map(|shape| numbers(&shape.weight))
            .sum::<u64>();
        let pool = if stem.pool { "; 3x3 max pool, stride 2" } else { "" };
        let deep: String = stem.deep.iter().flatten().map(|channels| format!("3x3, {channels}; ")).collect();
        let layers = format!("{deep}{0}x{0}, {1}, stride {2}{pool}", stem.kernel, stem.channels, stem.stride);
        let mut rows = vec![CostRow {
            name: "conv1".into(),
            stride: Some(stem.stride),
            output: Some(size),
            layers,
            weights,
            multiply_adds: weights * pixels(size),
        }];
        if stem.pool {
            size = halved(size, 2);
        }
        let mut sizes = Vec::new();
        for index in 0..stages.min(self.stages.len()) {
            let (row, after) = self.stage_row(index, size);
            rows.push(CostRow { stride: Some(self.stride_after(index + 1)), ..row });
            sizes.push(after);
            size = after;
        }
        (rows, sizes)
    }

    fn stage_row(&self, index: usize, input: MapSize) -> (CostRow, MapSize) {
        let stage = &self.stages[index];
        let output = halved(input, stage.stride);
        let of_stage =
            |shape: &&LayerShape| matches!(shape.layer, Layer::Block { stage, .. } if stage == index);
        let (mut weights, mut multiply_adds) = (0, 0);
        for shape in self.layers().iter().filter(of_stage) {
            let Layer::Block { block, conv, .. } = shape.layer else { continue };
            // Before the stride of the first block the maps are still large.
            let large = block == 0
                && conv == BlockConv::First
                && self.block == BlockKind::Bottleneck
                && !self.stride_in_1x1;
            let count = numbers(&shape.weight);
            weights += count;
            multiply_adds += count * pixels(if large { input } else { output });
        }
        let row = CostRow {
            name: format!("conv{}_x", index + 2),
            stride: None,
            output: Some(output),
            layers: self.blocks_in_words(stage),
            weights,
            multiply_adds,
        };
        (row, output)
    }

    fn blocks_in_words(&self, stage: &Stage) -> String {
        let (width, channels) = (stage.width, stage.channels);
        let groups = if stage.groups > 1 { format!(", C={}", stage.groups) } else { String::new() };
        let dilation =
            if stage.dilation > 1 { format!(", dilation {}", stage.dilation) } else { String::new() };
        let blocks = stage.blocks;
        match self.block {
            BlockKind::Basic => format!("[3x3, {width}; 3x3, {channels}] x {blocks}{dilation}"),
            BlockKind::Bottleneck => {
                format!("[1x1, {width}; 3x3, {width}{groups}; 1x1, {channels}] x {blocks}{dilation}")
            }
        }
    }
}

impl ClassifierNetwork {
    /// The table for an input of (height, width).
    pub fn rows(&self, input: (usize, usize)) -> Vec<CostRow> {
        let stages = self.backbone.stages.len();
        let (mut rows, _) = self.backbone.rows(input, stages);
        let weights = (self.classes * self.backbone.channels_after(stages)) as u64;
        rows.push(CostRow {
            name: "classifier".into(),
            stride: None,
            output: Some((1, 1)),
            layers: format!("average pool; {} classes", self.classes),
            weights,
            multiply_adds: weights,
        });
        rows
    }
}

impl Architecture {
    /// The table for an input of (height, width), padding included, a number of proposals, and one of masks.
    pub fn rows(&self, input: (usize, usize), proposals: usize, masks: usize) -> Vec<CostRow> {
        let (mut rows, sizes) = self.backbone.rows(input, self.trunk_stages());
        let mut maps = match &self.fpn {
            Some(fpn) => fpn.stages.iter().map(|&stage| sizes[stage.min(sizes.len() - 1)]).collect(),
            None => sizes.last().copied().into_iter().collect::<Vec<MapSize>>(),
        };
        rows.extend(self.pyramid_row(&maps));
        if let (Some(fpn), Some(&last)) = (&self.fpn, maps.last())
            && fpn.extra_level
        {
            maps.push(halved(last, 2));
        }
        rows.push(self.rpn_row(&maps));
        rows.extend(self.head_rows(proposals as u64));
        rows.extend(self.mask.as_ref().map(|mask| self.mask_row(mask, masks as u64)));
        rows
    }

    fn pyramid_row(&self, maps: &[MapSize]) -> Option<CostRow> {
        let fpn = self.fpn.as_ref()?;
        let level = |shape: &LayerShape| match shape.layer {
            Layer::FpnLateral(level) | Layer::FpnOutput(level) => Some((numbers(&shape.weight), level)),
            _ => None,
        };
        let layers: Vec<(u64, usize)> = self.layers().iter().filter_map(level).collect();
        let cost = |&(count, level): &(u64, usize)| count * maps.get(level).map_or(0, |&size| pixels(size));
        Some(CostRow {
            name: "fpn".into(),
            stride: None,
            output: None,
            layers: format!("{} levels of 1x1 and 3x3, {}", fpn.stages.len(), fpn.channels),
            weights: layers.iter().map(|layer| layer.0).sum(),
            multiply_adds: layers.iter().map(cost).sum(),
        })
    }

    /// The same layers on every map.
    fn rpn_row(&self, maps: &[MapSize]) -> CostRow {
        let of_rpn = |shape: &&LayerShape| {
            matches!(shape.layer, Layer::RpnConv(_) | Layer::RpnLogits | Layer::RpnDeltas)
        };
        let weights = self.layers().iter().filter(of_rpn).map(|shape| numbers(&shape.weight)).sum::<u64>();
        CostRow {
            name: "rpn".into(),
            stride: None,
            output: None,
            layers: format!("3x3 x {}, 1x1 for {} anchors", self.rpn.convs.len(), self.rpn.anchors),
            weights,
            multiply_adds: weights.saturating_mul(maps.iter().map(|&size| pixels(size)).sum::<u64>()),
        }
    }

    fn head_rows(&self, proposals: u64) -> Vec<CostRow> {
        let head = self.box_head();
        let cells = (head.resolution, head.resolution);
        let mut rows = Vec::new();
        if head.last_stage {
            let (row, _) = self.backbone.stage_row(self.trunk_stages(), cells);
            rows.push(CostRow { multiply_adds: row.multiply_adds * proposals, ..row });
        }
        let (mut weights, mut multiply_adds) = (0, 0);
        for shape in self.layers() {
            let count = numbers(&shape.weight);
            let places = match shape.layer {
                Layer::HeadConv { .. } => pixels(cells),
                Layer::HeadLinear { .. } | Layer::Scores(_) | Layer::Boxes(_) => 1,
                _ => continue,
            };
            weights += count;
            multiply_adds += count * places * proposals;
        }
        let mut parts = Vec::new();
        if !head.convs.is_empty() {
            parts.push(format!("3x3 x {}", head.convs.len()));
        }
        parts.extend(head.linears.iter().map(|outputs| format!("linear {outputs}")));
        parts.push(format!("{} classes", head.classes));
        if self.heads.len() > 1 {
            parts.push(format!("{} in turn", self.heads.len()));
        }
        rows.push(CostRow {
            name: "box head".into(),
            stride: None,
            output: (!head.last_stage).then_some(cells),
            layers: parts.join("; "),
            weights,
            multiply_adds,
        });
        rows
    }

    /// The mask heads; where the backbone's last stage is among them, its weights are the box head's.
    fn mask_row(&self, mask: &MaskHead, masks: u64) -> CostRow {
        let side = self.mask_side();
        let (small, large) = (pixels((side / 2, side / 2)), pixels((side, side)));
        let (mut weights, mut multiply_adds) = (0, 0);
        if mask.last_stage {
            let cells = (mask.resolution, mask.resolution);
            multiply_adds += self.backbone.stage_row(self.trunk_stages(), cells).0.multiply_adds * masks;
        }
        for shape in self.layers() {
            let count = numbers(&shape.weight);
            let places = match shape.layer {
                // Each weight of a transposed convolution of stride 2 meets each pixel once.
                Layer::MaskConv { .. } | Layer::MaskUpsample(_) => small,
                Layer::MaskLogits(_) => large,
                _ => continue,
            };
            weights += count;
            multiply_adds += count * places * masks;
        }
        let convs =
            if mask.convs.is_empty() { String::new() } else { format!("3x3 x {}; ", mask.convs.len()) };
        let heads = if mask.heads > 1 { format!("; mean of {}", mask.heads) } else { String::new() };
        CostRow {
            name: "mask head".into(),
            stride: None,
            output: Some((side, side)),
            layers: format!("{convs}2x2 transposed; {} masks{heads}", mask.masks),
            weights,
            multiply_adds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{BoxHead, Fpn, Rpn, Shortcut, Stem};

    fn resnet(block: BlockKind, blocks: [usize; 4]) -> Backbone {
        let expansion = if block == BlockKind::Basic { 1 } else { 4 };
        let stage = |i: usize| Stage {
            blocks: blocks[i],
            width: 64 << i,
            channels: (64 << i) * expansion,
            groups: 1,
            stride: if i == 0 { 1 } else { 2 },
            dilation: 1,
            first_dilation: 1,
            projections: if i == 0 && expansion == 1 { vec![] } else { vec![0] },
            pooled_projection: false,
        };
        Backbone {
            block,
            shortcut: Shortcut::Projection,
            stride_in_1x1: false,
            stem: Stem { channels: 64, kernel: 7, stride: 2, pool: true, deep: None },
            stages: (0..4).map(stage).collect(),
        }
    }

    fn giga(rows: &[CostRow]) -> f64 {
        (rows.iter().map(|row| row.multiply_adds).sum::<u64>() as f64 / 1e6).round() / 1e3
    }

    /// torchvision publishes these numbers, in units of 10^9, with its weights.
    #[test]
    fn classifiers_cost_what_torchvision_publishes() {
        for (block, blocks, published) in [
            (BlockKind::Basic, [2, 2, 2, 2], 1.814),
            (BlockKind::Basic, [3, 4, 6, 3], 3.664),
            (BlockKind::Bottleneck, [3, 4, 6, 3], 4.089),
            (BlockKind::Bottleneck, [3, 4, 23, 3], 7.801),
            (BlockKind::Bottleneck, [3, 8, 36, 3], 11.514),
        ] {
            let network = ClassifierNetwork { backbone: resnet(block, blocks), classes: 1000 };
            assert_eq!(giga(&network.rows((224, 224))), published, "{block:?} {blocks:?}");
        }
    }

    /// timm publishes 25.58 million parameters for `resnet50d`: beside ResNet-50's 25,557,032 its stem has 19,104 more weights,
    /// and 128 more numbers in norms. Those weights see 112 x 112 pixels.
    #[test]
    fn a_resnet_d_costs_more_in_its_stem() {
        let plain = resnet(BlockKind::Bottleneck, [3, 4, 6, 3]);
        let mut backbone = plain.clone();
        backbone.stem = Stem { channels: 64, kernel: 3, stride: 2, pool: true, deep: Some([32, 32]) };
        backbone.stages[1..].iter_mut().for_each(|stage| stage.pooled_projection = true);
        let rows = |backbone| ClassifierNetwork { backbone, classes: 1000 }.rows((224, 224));
        let (plain, rows) = (rows(plain), rows(backbone));
        let work = |rows: &[CostRow]| rows.iter().map(|row| row.multiply_adds).sum::<u64>();
        assert_eq!(work(&rows) - work(&plain), 19_104 * 112 * 112);
        let weights = 25_557_032 - 53_120 - 1_000 + 19_104;
        assert_eq!(rows.iter().map(|row| row.weights).sum::<u64>(), weights);
        assert_eq!(rows[0].layers, "3x3, 32; 3x3, 32; 3x3, 64, stride 2; 3x3 max pool, stride 2");
    }

    /// torchvision publishes 134.38 for `fasterrcnn_resnet50_fpn`, 280.371 for its v2, and 333.577 for
    /// `maskrcnn_resnet50_fpn_v2`, with 100 masks.
    #[test]
    fn detectors_cost_what_torchvision_publishes() {
        let fpn = Fpn { channels: 256, stages: vec![0, 1, 2, 3], extra_level: true };
        let head = |convs: usize, linears: usize| BoxHead {
            resolution: 7,
            last_stage: false,
            convs: vec![256; convs],
            linears: vec![1024; linears],
            classes: 90,
            box_rows: 364,
        };
        let detector = |rpn: usize, head: BoxHead| Architecture {
            backbone: resnet(BlockKind::Bottleneck, [3, 4, 6, 3]),
            fpn: Some(fpn.clone()),
            rpn: Rpn { convs: vec![256; rpn], anchors: 3 },
            heads: vec![head],
            mask: None,
        };
        assert_eq!(giga(&detector(1, head(0, 2)).rows((800, 800), 1000, 0)), 134.38);
        let mut second = detector(2, head(4, 1));
        assert_eq!(giga(&second.rows((800, 800), 1000, 0)), 280.371);
        second.mask = Some(MaskHead {
            heads: 1,
            resolution: 14,
            last_stage: false,
            convs: vec![256; 4],
            upsampled: 256,
            masks: 91,
        });
        assert_eq!(giga(&second.rows((800, 800), 1000, 100)), 333.577);
    }

    #[test]
    fn rows_are_those_of_the_papers_table() {
        let network =
            ClassifierNetwork { backbone: resnet(BlockKind::Bottleneck, [3, 4, 6, 3]), classes: 1000 };
        let rows = network.rows((224, 224));
        let row = &rows[2];
        assert_eq!((row.name.as_str(), row.output, row.stride), ("conv3_x", Some((28, 28)), Some(8)));
        assert_eq!(row.layers, "[1x1, 128; 3x3, 128; 1x1, 512] x 4");
        // 25,557,032 parameters are published, of which 53,120 are of norms and 1,000 biases.
        assert_eq!(rows.iter().map(|row| row.weights).sum::<u64>(), 25_557_032 - 53_120 - 1_000);
    }
}
