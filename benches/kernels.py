#!/usr/bin/env python3
"""The steps of `cargo bench --bench kernels` beside what Pillow, OpenCV and torchvision take for the same work.

    cargo bench --bench kernels -- --json > ours.json
    python kernels.py ours.json

Needs torch, torchvision, Pillow and opencv-python-headless. One thread; the best of many calls counts. Photos are
rendered by the same formula, boxes and scores are noise of the same sizes.
"""
import io
import json
import sys
import time

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import batched_nms

PHOTO, RESIZED, PADDED, CLASSES = (480, 640), (800, 1067), (800, 1088), 90


def best(work):
    started, found, calls = time.perf_counter(), float("inf"), 0
    while calls < 5 or time.perf_counter() - started < 0.8:
        began = time.perf_counter()
        work()
        found, calls = min(found, time.perf_counter() - began), calls + 1
    return found


def render(width, height, seed):
    """As `render_sizes` of support/mod.rs, with other noise."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    wave = np.sin(x / 37) * np.cos(y / 29)
    grain = rng.uniform(-8, 8, (height, width))
    picture = 120 + 70 * wave + grain
    pixels = np.stack([picture, picture + 20, picture - 20], 2).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=75)
    return out.getvalue()


def decoding(bytes_):
    data = torch.frombuffer(bytearray(bytes_), dtype=torch.uint8)
    array = np.frombuffer(bytes_, np.uint8)
    return {
        "Pillow": lambda: Image.open(io.BytesIO(bytes_)).convert("RGB").load(),
        "torchvision.io": lambda: decode_jpeg(data, mode=ImageReadMode.RGB),
        "OpenCV": lambda: cv2.imdecode(array, cv2.IMREAD_COLOR),
    }


def drafting(bytes_, least):
    """Pillow's reading at a half, a quarter or an eighth."""
    def draft():
        picture = Image.open(io.BytesIO(bytes_))
        picture.draft("RGB", least[::-1])
        picture.load()
    return {"Pillow": draft}


def resizing(bytes_):
    picture = Image.open(io.BytesIO(bytes_)).convert("RGB")
    array = np.asarray(picture)
    mean, std = torch.tensor((0.485, 0.456, 0.406))[:, None, None], torch.tensor((0.229, 0.224, 0.225))[:, None, None]

    def torchvision():
        x = torch.from_numpy(array.copy()).permute(2, 0, 1).contiguous().float().div(255)
        x = (x - mean) / std
        x = torch.nn.functional.interpolate(x[None], size=RESIZED, mode="bilinear", align_corners=False)[0]
        out = x.new_zeros((3, *PADDED))
        out[:, :RESIZED[0], :RESIZED[1]] = x
    return {
        "resize and normalise, as torchvision": {"torchvision": torchvision},
        "resize, as Pillow": {"Pillow": lambda: picture.resize(RESIZED[::-1], Image.BILINEAR)},
        "resize, as OpenCV": {"OpenCV": lambda: cv2.resize(array, RESIZED[::-1], interpolation=cv2.INTER_LINEAR)},
    }


def proposing():
    sizes = tuple((s,) for s in (32, 64, 128, 256, 512))
    anchors = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 5)
    count = {"training": 1000, "testing": 1000}
    rpn = RegionProposalNetwork(anchors, torch.nn.Identity(), 0.7, 0.3, 256, 0.5, count, count, 0.7).eval()
    maps = [(-(-PADDED[0] // s), -(-PADDED[1] // s)) for s in (4, 8, 16, 32, 64)]
    logits = [torch.rand(1, 3, h, w) * 2 - 1 for h, w in maps]
    deltas = [torch.rand(1, 12, h, w) * 2 - 1 for h, w in maps]
    flat = [v.permute(0, 2, 3, 1).reshape(1, -1) for v in logits]
    levels = [v.shape[1] for v in flat]
    objectness = torch.cat(flat, 1)
    boxes = torch.cat([v.reshape(1, 3, 4, h, w).permute(0, 3, 4, 1, 2).reshape(-1, 4) for v, (h, w) in zip(deltas, maps)])
    images = ImageList(torch.zeros(1, 3, *PADDED), [RESIZED])
    features = [torch.zeros(1, 1, h, w) for h, w in maps]

    def top():
        chosen = rpn._get_top_n_idx(objectness, levels)
        return objectness[torch.arange(1)[:, None], chosen], chosen

    def all_of_it():
        grid = rpn.anchor_generator(images, features)
        decoded = rpn.box_coder.decode(boxes, grid).view(1, -1, 4)
        rpn.filter_proposals(decoded, objectness.reshape(-1, 1), [RESIZED], levels)
    return {"top": {"torchvision": top}, "both": {"torchvision": all_of_it}}


def suppressing():
    corner = torch.rand(5000, 2) * torch.tensor((1000.0, 800.0))
    boxes = torch.cat([corner, corner + torch.rand(5000, 2) * 240 + 12], 1)
    scores, groups = torch.rand(5000), torch.arange(5000) % 5
    return {"torchvision": lambda: batched_nms(boxes, scores, groups, 0.7)}, boxes


def finishing(boxes):
    heads = RoIHeads(None, None, None, 0.5, 0.5, 512, 0.25, None, 0.05, 0.5, 100)
    logits, deltas = (torch.rand(1000, CLASSES + 1) * 2 - 1) * 4, torch.rand(1000, 4 * (CLASSES + 1)) * 2 - 1
    return {"torchvision": lambda: heads.postprocess_detections(logits, deltas, [boxes[:1000]], [RESIZED])}


@torch.inference_mode()
def main():
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    ours = dict(json.load(open(sys.argv[1])))
    small, large = render(640, 480, 0), render(4000, 3000, 1)
    proposals = proposing()
    suppression, boxes = suppressing()
    together = "top 1,000 and proposals"
    ours[together] = ours["top 1,000 of five levels, with deltas"] + ours["proposals of them: decode, clip, NMS"]
    rivals = {
        "decode 640x480": decoding(small), "decode 640x480, --decoder fast": {},
        "decode 4000x3000": decoding(large), "decode 4000x3000, --decoder fast": {},
        "decode 4000x3000, --decoder reduced for 800x1067": drafting(large, (1600, 2134)),
        "decode 4000x3000, --decoder reduced for 300x400": drafting(large, (600, 800)),
        **resizing(small),
        "top 1,000 of five levels, with deltas": proposals["top"], together: proposals["both"],
        "NMS of 5,000 boxes in five groups": suppression,
        "detections of 1,000 proposals and 90 classes": finishing(boxes),
    }
    print("| step, one thread | rcnn, ms | rival, ms | rival / rcnn |\n|---|---|---|---|")
    for step, others in rivals.items():
        found = {name: best(work) for name, work in others.items()}
        shown = ", ".join(f"{name} {1e3 * seconds:.2f}" for name, seconds in found.items()) or "-"
        ratio = f"{min(found.values()) / ours[step]:.1f}" if found else "-"
        print(f"| {step} | {1e3 * ours[step]:.2f} | {shown} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
