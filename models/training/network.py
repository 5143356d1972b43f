"""The rungs of the ladder: slim residual and plain networks under torchvision's Faster R-CNN.

Plain networks are the same layers without the shortcuts (He et al. 2016, section 3.3). The key
names are those of torchvision's fasterrcnn_resnet50_fpn, so `rcnn import` reads the checkpoints.
"""
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 66: (6, 8, 12, 6), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
BOTTLENECKS = (50, 101)
BASIC, BOTTLENECK = (32, 64, 96, 96), (16, 32, 64, 64)
RUNGS = {
    "plain-18": {"depth": 18, "plain": True, "widths": BASIC},
    "resnet-18": {"depth": 18, "plain": False, "widths": BASIC},
    "plain-34": {"depth": 34, "plain": True, "widths": BASIC},
    "resnet-34": {"depth": 34, "plain": False, "widths": BASIC},
    "resnet-50": {"depth": 50, "plain": False, "widths": BOTTLENECK},
    "resnet-101": {"depth": 101, "plain": False, "widths": BOTTLENECK},
    # Not of the ladder: the model inside the program.
    "fod-r18": {"depth": 18, "plain": False, "widths": (32, 64, 128, 128), "box_head": 256},
}

# Of the ladder in which only depth differs: each stage of 66 has twice the blocks of 34's.
# All stages have the same inner widths, whatever the block.
LADDER = {name: {"depth": int(name.split("-")[1]), "plain": name.startswith("plain")} for name in (
    "plain-18", "resnet-18", "plain-34", "resnet-34", "plain-66", "resnet-66", "resnet-50", "resnet-101")}


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3 and 1x1, with or without the shortcut."""

    def __init__(self, inside, width, stride, bottleneck, plain):
        super().__init__()
        outside = width * (4 if bottleneck else 1)
        kernels = [(1, 1), (3, stride), (1, 1)] if bottleneck else [(3, stride), (3, 1)]
        channels = [inside, width, width, outside] if bottleneck else [inside, width, width]
        self.count, self.plain = len(kernels), plain
        for i, (kernel, step) in enumerate(kernels, 1):
            conv = nn.Conv2d(channels[i - 1], channels[i], kernel, step, kernel // 2, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(channels[i]))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if not plain and (stride != 1 or inside != outside):
            conv = nn.Conv2d(inside, outside, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outside))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = self.relu(y)
        if not self.plain:
            y = y + (x if self.downsample is None else self.downsample(x))
        return self.relu(y)


class Trunk(nn.Module):
    """ResNet without its classifier; `channels` are the widths its four layers give. `from_shortcuts`: a residual network
    begins as its shortcuts alone, the last norm of each block being zero (Goyal et al. 2017)."""

    def __init__(self, depth, widths, plain, from_shortcuts=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        bottleneck = depth in BOTTLENECKS
        self.channels = [w * (4 if bottleneck else 1) for w in widths]
        inside = widths[0]
        for n, (count, width) in enumerate(zip(BLOCKS[depth], widths)):
            blocks = []
            for i in range(count):
                blocks.append(Block(inside, width, 2 if n > 0 and i == 0 else 1, bottleneck, plain))
                inside = self.channels[n]
            setattr(self, f"layer{n + 1}", nn.Sequential(*blocks))
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if from_shortcuts and isinstance(m, Block) and not plain:
                nn.init.zeros_(getattr(m, f"bn{m.count}").weight)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


def configure(rung, classes, **changes):
    """Everything that `build` and `rcnn import` need to know, as plain data. Changes stand for the rung's own."""
    c = {**RUNGS.get(rung, {}), **changes}
    defaults = {
        "rung": rung, "box_head": 128, "blocks": list(BLOCKS[c["depth"]]),
        "fpn_channels": 64, "classes": list(classes),
        "anchor_sizes": [[16], [32], [64], [128], [256]], "aspect_ratios": [0.5, 1.0, 2.0],
        "min_size": 300, "max_size": 500, "image_mean": MEAN, "image_std": STD,
        "rpn_pre_nms_top_n": 1000, "rpn_post_nms_top_n": 300, "rpn_nms_threshold": 0.7,
        "score_threshold": 0.05, "nms_threshold": 0.5, "detections_per_image": 100,
    }
    return {**defaults, **c, "widths": list(c["widths"])}


def build(c):
    """torchvision's FasterRCNN for a configuration."""
    body = Trunk(c["depth"], c["widths"], c["plain"], c.get("from_shortcuts", False))
    layers = {f"layer{i}": str(i - 1) for i in (1, 2, 3, 4)}
    backbone = BackboneWithFPN(body, layers, body.channels, c["fpn_channels"])
    anchors = AnchorGenerator(tuple(tuple(s) for s in c["anchor_sizes"]), (tuple(c["aspect_ratios"]),) * 5)
    return FasterRCNN(
        backbone, min_size=c["min_size"], max_size=c["max_size"], image_mean=c["image_mean"], image_std=c["image_std"],
        rpn_anchor_generator=anchors,
        box_head=TwoMLPHead(c["fpn_channels"] * 49, c["box_head"]),
        box_predictor=FastRCNNPredictor(c["box_head"], len(c["classes"]) + 1),
        box_score_thresh=c["score_threshold"], box_nms_thresh=c["nms_threshold"],
        box_detections_per_img=c["detections_per_image"],
        rpn_pre_nms_top_n_test=c["rpn_pre_nms_top_n"], rpn_post_nms_top_n_test=c["rpn_post_nms_top_n"],
        rpn_nms_thresh=c["rpn_nms_threshold"])
