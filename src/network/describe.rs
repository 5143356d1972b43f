//! A network in a person's words.

use std::fmt::Write as _;

use super::architecture::{Architecture, Backbone, BlockKind, MaskHead, Shortcut};

impl Backbone {
    /// `ResNet-50`, `plain-18`, `ResNeXt-101 (32 groups)`: the paper's name for the depth, whatever the blocks' counts.
    pub fn title(&self) -> String {
        let groups = self.stages.first().map_or(1, |stage| stage.groups);
        let kind = match (self.shortcut, groups) {
            (Shortcut::None, _) => "plain",
            (_, 1) => "ResNet",
            _ => "ResNeXt",
        };
        let mut title = format!("{kind}-{}", self.depth());
        if self.stages.iter().any(|stage| stage.pooled_projection) {
            title += "-D";
        } else if self.stem.deep.is_some() {
            title += "-C";
        }
        if groups > 1 {
            // Writing to a String cannot fail.
            let _ = write!(title, " ({groups} groups)");
        }
        title
    }

    /// The blocks of each stage: `3-4-6-3`.
    pub fn blocks(&self) -> String {
        self.stages.iter().map(|stage| stage.blocks.to_string()).collect::<Vec<_>>().join("-")
    }
}

impl Architecture {
    /// `Faster R-CNN`, `Mask R-CNN`, `Cascade R-CNN` or `Cascade Mask R-CNN`.
    pub fn kind(&self) -> &'static str {
        match (self.heads.len() > 1, self.mask.is_some()) {
            (false, false) => "Faster R-CNN",
            (false, true) => "Mask R-CNN",
            (true, false) => "Cascade R-CNN",
            (true, true) => "Cascade Mask R-CNN",
        }
    }

    /// What was read from the tensors, a line a part.
    pub fn describe(&self) -> Vec<String> {
        let backbone = &self.backbone;
        let block = match backbone.block {
            BlockKind::Basic => "basic blocks",
            BlockKind::Bottleneck => "bottlenecks",
        };
        let channels = list(backbone.stages.iter().map(|stage| stage.channels));
        let mut lines = vec![format!(
            "backbone: {}, {block} {}, stem of {} channels, stages of {channels}",
            backbone.title(),
            backbone.blocks(),
            backbone.stem.channels
        )];
        lines.push(match &self.fpn {
            Some(fpn) => format!(
                "features: pyramid of {} levels with {} channels{}",
                fpn.stages.len(),
                fpn.channels,
                if fpn.extra_level { " and an extra one for the RPN" } else { "" }
            ),
            None => format!(
                "features: one map of stride {} with {} channels",
                list(self.roi_strides().into_iter()),
                self.feature_channels()
            ),
        });
        lines.push(format!(
            "RPN: {} convolution(s), {} anchors a position",
            self.rpn.convs.len(),
            self.rpn.anchors
        ));
        lines.push(self.describe_head());
        lines.extend(self.mask.as_ref().map(Architecture::describe_mask));
        lines
    }

    fn describe_head(&self) -> String {
        let head = self.box_head();
        let mut parts = vec![format!("pooled {0}x{0}", head.resolution)];
        if head.last_stage {
            parts.push("the backbone's last stage and a mean".into());
        }
        if !head.convs.is_empty() {
            parts.push(format!("{} convolutions", head.convs.len()));
        }
        if !head.linears.is_empty() {
            parts.push(format!("linear layers of {}", list(head.linears.iter().copied())));
        }
        parts.push(format!("{} classes", head.classes));
        if head.box_rows < 4 * head.classes {
            parts.push("one box for all classes".into());
        }
        match self.heads.len() {
            1 => format!("head: {}", parts.join(", ")),
            several => format!("{several} heads in turn, the last: {}", parts.join(", ")),
        }
    }

    fn describe_mask(mask: &MaskHead) -> String {
        let mut parts = vec![format!("pooled {0}x{0}", mask.resolution)];
        if mask.last_stage {
            parts.push("the backbone's last stage".into());
        }
        if !mask.convs.is_empty() {
            parts.push(format!("{} convolutions", mask.convs.len()));
        }
        parts.push(if mask.masks == 1 {
            "one mask for all classes".into()
        } else {
            format!("{} masks a box", mask.masks)
        });
        match mask.heads {
            1 => format!("mask head: {}", parts.join(", ")),
            several => format!("{several} mask heads, of which the mean counts: {}", parts.join(", ")),
        }
    }
}

fn list(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
}
