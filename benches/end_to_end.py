#!/usr/bin/env python3
"""Times `rcnn` beside torchvision from JPEG to boxes: the same weights, photos and threads, in one run.

    python end_to_end.py --rcnn target/release/rcnn [--photos 8] [--rounds 3] [--threads 2] [--int8]

Needs torch, torchvision and Pillow, and, for the rows of OpenVINO, `rcnn runtime install openvino`. The weights are
random, with batch statistics measured on the photos so that activations keep their size; the photos are rendered by
`rcnn synth`. A ResNet-50-FPN at 800 pixels, batch 1. Every round gives each row its turn; the best round counts. The
first photo of each turn is not counted.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import torch
from PIL import Image
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.transforms.functional import pil_to_tensor


def read(path):
    return pil_to_tensor(Image.open(path).convert("RGB")).float() / 255


def build(photos, seed=1):
    """A network of full size whose activations stay in range."""
    torch.manual_seed(seed)
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.momentum = None
    model.backbone.train()
    with torch.no_grad():
        for path in photos[:2]:
            model.backbone.body(nn.functional.interpolate(read(path)[None] * 4 - 2, size=(800, 1088)))
    return model.eval()


def eager(model, photos, half):
    """Seconds a photo."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        times = []
        for path in photos:
            began = time.perf_counter()
            x = read(path)
            model([x])
            times.append(time.perf_counter() - began)
    return sum(times[1:]) / len(times[1:])


def ours(a, folder, weights, *options):
    command = [a.rcnn, "bench", str(weights), "-i", str(folder), "--json", "--threads", str(a.threads), *options]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        return None
    return 1 / json.loads(found.stdout)["photos_per_second"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rcnn", required=True)
    p.add_argument("--photos", type=int, default=8)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--size", default="640x480", help="of the photos")
    p.add_argument("--int8", action="store_true", help="two rows more: int8 by `rcnn quantize` on two of the photos")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        count = str(a.photos + 1)
        subprocess.run([a.rcnn, "synth", "-o", str(place / "s"), "-n", count, "--size", a.size], check=True,
                       capture_output=True)
        folder = place / "s/images"
        photos = sorted(folder.iterdir())
        model = build(photos)
        torch.save(model.state_dict(), place / "model.pth")
        channels_last = build(photos).to(memory_format=torch.channels_last)
        # Without an instruction for it, bfloat16 is many times slower than float32.
        bfloat16 = any(on and "bf16" in name for name, on in torch.cpu.get_capabilities().items())
        rows = {
            "torchvision eager float32": lambda: eager(model, photos, False),
            "torchvision bfloat16 autocast, channels_last":
                lambda: eager(channels_last, photos, True) if bfloat16 else None,
            "rcnn cpu exact": lambda: ours(a, folder, place / "model.pth", "--device", "cpu"),
            "rcnn openvino exact": lambda: ours(a, folder, place / "model.pth", "--device", "openvino"),
            "rcnn openvino fast": lambda: ours(
                a, folder, place / "model.pth", "--device", "openvino", "--precision", "fast"),
        }
        if a.int8:
            # Random weights are noisier than trained ones: most layers would stay float32.
            subprocess.run([a.rcnn, "quantize", str(place / "model.pth"), "-i", str(folder), "-o", str(place / "int8"),
                            "--photos", "2", "--min-snr", "10"], check=True, capture_output=True)
            rows["rcnn cpu int8"] = lambda: ours(a, folder, place / "int8", "--device", "cpu")
            rows["rcnn openvino int8"] = lambda: ours(
                a, folder, place / "int8", "--device", "openvino", "--precision", "fast")
        best = dict.fromkeys(rows)
        for _ in range(a.rounds):
            for name, row in rows.items():
                seconds = row()
                if seconds is not None:
                    best[name] = min(seconds, best[name] or seconds)
    first, half = list(best.values())[:2]
    print(f"{a.threads} threads, photos of {a.size}, best of {a.rounds} rounds of {a.photos}; torch {torch.__version__}")
    print("| from JPEG to boxes | seconds a photo | x eager float32 | x eager bfloat16 |\n|---|---|---|---|")
    for name, seconds in best.items():
        shown = f"{seconds:.3f} | {first / seconds:.2f}" if seconds else "- | -"
        shown += f" | {half / seconds:.2f}" if seconds and half else " | -"
        print(f"| {name} | {shown} |")


if __name__ == "__main__":
    main()
