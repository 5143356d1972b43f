#!/usr/bin/env python3
"""Random cases of federated data sets with masks: what lvis makes of them, for the test `lvis_masks` of coco-eval.

    python lvis_masks.py OUT.jsonl [--cases 3000] [--seed 0] [--small]
    RCNN_LVIS_CASES=$PWD/OUT.jsonl cargo test -p coco-eval --test shapes

Needs lvis==0.5.3, pycocotools==2.0.11 and numpy. A line a case: both files as texts, and the numbers and hashes of the arrays.
Images have categories that are verified as absent and ones that are not annotated throughout; annotations are polygons, run
lengths as text or numbers; results have masks, or masks with boxes, or boxes alone. Areas may be 0, below, or beyond all
ranges; masks may be empty. Left out is what lvis stops at.
"""
import argparse
import hashlib
import json
import logging
import random
import tempfile
import warnings

import numpy as np
from masks import drawn
from pycocotools import mask as api
from shapes import near, plain, rle, segmentation

np.float = float  # lvis 0.5.3 uses the alias that numpy 1.24 removed
from lvis import LVISEval  # noqa: E402

CATEGORIES = [{"id": k, "name": str(k), "frequency": "rcfcr"[k % 5]} for k in range(1, 8)]


def case(r):
    side = r.choice([8, 20, 130])
    images = [{"id": k, "height": r.randrange(4, side), "width": r.randrange(4, side)} for k in range(1, r.randrange(2, 5))]
    anns, known = [], []
    for k in range(r.randrange(1, 16)):
        image = r.choice(images)
        seg = segmentation(r, image["height"], image["width"], 0)
        if isinstance(seg, list) and isinstance(seg[0], dict):
            seg = plain(rle(seg[0], image["height"], image["width"]))
        mask = rle(seg, image["height"], image["width"])
        area = float(api.area(mask))
        if r.random() < 0.1:
            area = r.choice([0, -3, 2000, 10000, 1024, area / 2, 3e10])
        ann = {"id": k + 1, "image_id": image["id"], "category_id": r.randrange(1, 8), "area": area, "segmentation": seg,
               "bbox": [float(v) for v in api.toBbox(mask)]}
        anns.append(ann)
        known.append((image, ann["category_id"], mask))
    for image in images:
        there = {ann["category_id"] for ann in anns if ann["image_id"] == image["id"]}
        absent = [k for k in range(1, 8) if k not in there]
        image["neg_category_ids"] = r.sample(absent, r.randrange(len(absent) + 1))
        image["not_exhaustive_category_ids"] = [k for k in there if r.random() < 0.3]
    kind = r.choice(["masks", "masks", "both", "boxes"])
    results = []
    for _ in range(r.randrange(1, r.choice([10, 40]))):
        image, category, mask = r.choice(images), r.randrange(1, 8), None
        if r.random() < 0.8:
            image, category, mask = r.choice(known)
            category = category if r.random() < 0.9 else r.randrange(1, 8)
        mask = near(r, mask or drawn(r, image["height"], image["width"]), image["height"], image["width"])
        row = {"image_id": image["id"], "category_id": category, "score": round(r.random(), r.choice([1, 2, 5]))}
        if kind != "boxes":
            row["segmentation"] = plain(mask)
        if kind != "masks":
            box = [float(v) for v in api.toBbox(mask)]
            row["bbox"] = box if max(box) < 1e6 else [0, 0, 1, 1]
        results.append(row)
    gt = {"images": images, "annotations": anns, "categories": CATEGORIES}
    return json.dumps(gt), json.dumps(results)


def oracle(gt, dt):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as truths, tempfile.NamedTemporaryFile("w", suffix=".json") as guesses:
        truths.write(gt)
        guesses.write(dt)
        truths.flush()
        guesses.flush()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            e = LVISEval(truths.name, guesses.name, "segm")
            e.run()
    arrays = {k: hashlib.sha256(np.ascontiguousarray(e.eval[k], "<f8").tobytes()).hexdigest() for k in ("precision", "recall")}
    return {"outcome": "ok", "stats": [float(x) for x in e.results.values()], "sha256": arrays}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--cases", type=int, default=3000)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--small", action="store_true", help="cases of few kilobytes only")
    a = p.parse_args()
    logging.disable(logging.CRITICAL)
    r, written, failed = random.Random(a.seed), 0, 0
    with open(a.out, "w") as out:
        while written < a.cases:
            gt, dt = case(r)
            if a.small and len(gt) + len(dt) > 3000:
                continue
            try:
                expected = oracle(gt, dt)
            except Exception as x:  # noqa: BLE001  lvis stops at some
                failed += 1
                last = x
                continue
            out.write(json.dumps({"number": written, "gt": gt, "dt": dt, "params": {"iouType": "segm"}, "expected": expected}) + "\n")
            written += 1
    print(written, "cases;", failed, "at which lvis stops", *([repr(last)] if failed else []))


if __name__ == "__main__":
    main()
