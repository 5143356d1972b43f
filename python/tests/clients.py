#!/usr/bin/env python3
"""Runs code that knows pycocotools only, unedited, with rcnn in pycocotools' place.

    python clients.py --vision VISION --torchmetrics TORCHMETRICS [--masks]

VISION and TORCHMETRICS are checkouts, of the versions that stand in VERSIONS here; of torchmetrics, `tests/_data/detection` with
the annotations that its tests download. Without these annotations the tests that read them are left out, and named.

Needs rcnn, pycocotools (for the expected numbers), torch, torchvision, and torchmetrics with what its tests need.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import importlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# git clone --depth 1 --branch TAG; torchmetrics' package is of the same version.
VERSIONS = {
    "vision": ("https://github.com/pytorch/vision", "v0.24.1"),
    "torchmetrics": ("https://github.com/Lightning-AI/torchmetrics", "v1.9.0"),
}

# pytest loads it before anything else.
PLUGIN = """
import rcnn
rcnn.patch_pycocotools()

def pytest_configure(config):
    config.addinivalue_line("markers", "DDP: on several processes")

def pytest_report_header():
    import pycocotools.cocoeval
    assert pycocotools.cocoeval.COCOeval is rcnn.COCOeval
    return f"pycocotools: rcnn {rcnn.__version__}"
"""


def truth_and_predictions() -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Images, categories and annotations, and what a model of torchvision gives."""
    import torch

    generator = torch.Generator().manual_seed(3)

    def boxes(count: int) -> Any:
        corner, size = torch.rand((count, 2), generator=generator) * 200, torch.rand((count, 2), generator=generator) * 120
        return torch.cat([corner, corner + size + 4], dim=1)

    annotations: list[dict[str, Any]] = []
    predictions = {}
    for image in range(1, 31):
        truth = boxes(7)
        for x1, y1, x2, y2 in truth.tolist():
            number = len(annotations) + 1
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                {
                    "id": number,
                    "image_id": image,
                    "category_id": 1 + number % 4,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(number % 17 == 0),
                    "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
                }
            )
        near = torch.cat([truth + torch.randn(truth.shape, generator=generator) * 6, boxes(5)])
        near[:, 2:] = torch.maximum(near[:, 2:], near[:, :2] + 1)
        labels = torch.tensor([1 + (annotations[-7 + n]["id"] if n < 7 else n) % 4 for n in range(12)])
        scores = torch.rand(12, generator=generator).round(decimals=2)
        masks = torch.zeros((12, 1, 340, 340))
        for mask, (x1, y1, x2, y2) in zip(masks, near.long().clamp(min=0).tolist()):
            mask[0, y1:y2, x1:x2] = 1
        predictions[image] = {"boxes": near, "labels": labels, "scores": scores, "masks": masks}
    # An image without predictions.
    predictions[30] = {}
    dataset = {
        "info": {},
        "images": [{"id": image, "width": 340, "height": 340} for image in range(1, 31)],
        "categories": [{"id": n, "name": f"class {n}"} for n in range(1, 5)],
        "annotations": annotations,
    }
    return dataset, predictions


def judged(kinds: list[str]) -> tuple[Any, str]:
    """What references/detection makes of them, in batches, and what it prints."""
    for name in ("coco_eval", "utils"):
        sys.modules.pop(name, None)
    coco_eval = importlib.import_module("coco_eval")
    coco = importlib.import_module("pycocotools.coco")
    dataset, predictions = truth_and_predictions()
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        truth = coco.COCO()
        truth.dataset = copy.deepcopy(dataset)
        truth.createIndex()
        evaluator = coco_eval.CocoEvaluator(truth, kinds)
        for first in range(1, 31, 8):
            evaluator.update({image: predictions[image] for image in range(first, min(first + 8, 31))})
        evaluator.synchronize_between_processes()
        evaluator.accumulate()
        evaluator.summarize()
    lines = [line for line in told.getvalue().splitlines() if "DONE (t=" not in line]
    return evaluator, "\n".join(lines)


def torchvision(vision: Path, kinds: list[str]) -> None:
    """The same text, statistics and arrays with pycocotools and in its place."""
    import numpy as np

    import rcnn

    sys.path.insert(0, str(vision / "references/detection"))
    expected, expected_text = judged(kinds)
    rcnn.patch_pycocotools()
    found, text = judged(kinds)
    assert text == expected_text, text
    for kind in kinds:
        own, other = found.coco_eval[kind], expected.coco_eval[kind]
        assert type(own) is rcnn.COCOeval and type(other) is not rcnn.COCOeval
        assert own.stats.tolist() == other.stats.tolist() and own.stats[0] > 0.05
        for name in ("precision", "recall", "scores"):
            assert np.array_equal(own.eval[name], other.eval[name]), name
    print(f"torchvision's references/detection/coco_eval.py, {' and '.join(kinds)}: the same text, numbers and arrays")


def torchmetrics(checkout: Path, masks: bool) -> int:
    """Its tests of MeanAveragePrecision with the backend pycocotools; gives pytest's exit code."""
    words = ["not faster_coco_eval", "not gpu"]
    if not masks:
        words.append("not segm")
    if not (checkout / "tests/_data/detection/instances_val2014_100.json").exists():
        print("left out, as torchmetrics' annotations are not there: test_tm_to_coco, TestMAPUsingCOCOReference")
        words += ["not test_tm_to_coco", "not TestMAPUsingCOCOReference"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "in_pycocotools_place.py").write_text(PLUGIN)
        path = os.pathsep.join([folder, str(checkout / "tests")])
        command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", ".", "-W", "ignore"]
        command += ["-p", "no:cacheprovider", "-p", "in_pycocotools_place", "unittests/detection/test_map.py"]
        command += ["-k", " and ".join(words)]
        return subprocess.run(command, cwd=checkout / "tests", env={**os.environ, "PYTHONPATH": path}).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vision", type=Path)
    parser.add_argument("--torchmetrics", type=Path)
    parser.add_argument("--masks", action="store_true", help="masks too")
    options = parser.parse_args()
    for name, (url, tag) in VERSIONS.items():
        if getattr(options, name) is None:
            print(f"no --{name}: git clone --depth 1 --branch {tag} {url}")
    if options.vision:
        torchvision(options.vision.resolve(), ["bbox", "segm"] if options.masks else ["bbox"])
    return torchmetrics(options.torchmetrics.resolve(), options.masks) if options.torchmetrics else 0


if __name__ == "__main__":
    sys.exit(main())
