#!/usr/bin/env python3
"""Make a model folder of a run: float16 weights (float32 vectors), import.json and the curves.

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
        "nms_threshold": c["nms_threshold"], "norm_eps": 1e-5, "detections_per_image": c["detections_per_image"],
        **({"shortcut": "none"} if c["plain"] else {}),
    }


def export(run, out):
    """The model folder of a run's folder."""
    config = json.loads((run / "config.json").read_text())
    weights = torch.load(run / "model.pth", weights_only=True)
    weights = {k: v for k, v in weights.items() if not k.endswith("num_batches_tracked")}
    half = {k: (v.half() if v.ndim > 1 else v).contiguous() for k, v in weights.items()}
    for k, v in half.items():
        if not torch.isfinite(v).all():
            raise SystemExit(f"{k} does not survive float16")
    lacking, unknown = build(config).load_state_dict({k: v.float() for k, v in half.items()}, strict=False)
    if unknown or any(not k.endswith("num_batches_tracked") for k in lacking):
        raise SystemExit(f"torchvision's network takes other weights: {(unknown + lacking)[0]}")
    out.mkdir(parents=True, exist_ok=True)
    save_file(half, out / "model.safetensors")
    (out / "import.json").write_text(json.dumps(options(config), indent=1) + "\n")
    for curve in ("log.csv", "ap.csv"):
        if (run / curve).exists():
            shutil.copy(run / curve, out / curve)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=pathlib.Path)
    p.add_argument("-o", "--out", type=pathlib.Path, required=True)
    a = p.parse_args()
    export(a.run, a.out)


if __name__ == "__main__":
    main()
