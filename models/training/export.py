#!/usr/bin/env python3
"""Make a model folder of a finished run: float16 weights, import.json and the curves.

    python export.py runs/resnet-34 -o models/resnet-34

`rcnn` takes the folder as a model. It checks that every weight survives float16 and that torchvision's network
still takes them.
"""
import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

from network import build


def options(c):
    """What `rcnn import` cannot see in the tensors."""
    levels = len(c["anchor_sizes"])
    return {
        "family": "torchvision", "classes": c["classes"], "mean": list(c["image_mean"]), "std": list(c["image_std"]),
        "min_size": c["min_size"], "max_size": c["max_size"],
        "anchor_sizes": c["anchor_sizes"], "anchor_ratios": [c["aspect_ratios"]] * levels,
        "rpn_pre_nms_top_n": c["rpn_pre_nms_top_n"], "rpn_post_nms_top_n": c["rpn_post_nms_top_n"],
        "rpn_nms_threshold": c["rpn_nms_threshold"], "score_threshold": c["score_threshold"],
        "nms_threshold": c["nms_threshold"], "detections_per_image": c["detections_per_image"],
        **({"shortcut": "none"} if c["plain"] else {}),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=pathlib.Path)
    p.add_argument("-o", "--out", type=pathlib.Path, required=True)
    a = p.parse_args()
    config = json.loads((a.run / "config.json").read_text())
    weights = torch.load(a.run / "model.pth", weights_only=True)
    half = {k: v.half().contiguous() for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    for k, v in half.items():
        if not torch.isfinite(v).all() or (k.endswith("running_var") and not (v > 0).all()):
            raise SystemExit(f"{k} does not survive float16")
    wide = {k: half[k].float() if k in half else v for k, v in weights.items()}
    build(config).load_state_dict(wide)
    a.out.mkdir(parents=True, exist_ok=True)
    save_file(half, a.out / "model.safetensors")
    (a.out / "import.json").write_text(json.dumps(options(config), indent=1) + "\n")
    for curve in ("log.csv", "ap.csv"):
        shutil.copy(a.run / curve, a.out / curve)


if __name__ == "__main__":
    main()
