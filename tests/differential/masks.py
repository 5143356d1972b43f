#!/usr/bin/env python3
"""Random masks: what pycocotools makes of them, for the test `masks` of coco-eval to compare with.

    python masks.py OUT.jsonl [--cases 10000] [--seed 0] [--small]
    RCNN_MASK_CASES=$PWD/OUT.jsonl cargo test -p coco-eval --test masks

Needs pycocotools==2.0.11 and numpy. A line a case: polygons of all kinds (of one corner and two, self-crossing, outside the
picture, with repeated corners, huge), pixels, run lengths with empty runs, texts, merged masks, overlaps with and without crowds
of masks of the same and of other sizes. `--small` leaves out what would make a stored file large.
"""
import argparse
import json
import random

import numpy as np
from pycocotools import mask as api


def size(r, small):
    most = 12 if small else r.choice([12, 12, 60, 300])
    return r.randrange(1, most), r.randrange(1, most)


def corner(r, side):
    kind = r.random()
    if kind < 0.4:
        return r.randrange(-1, side + 2)
    if kind < 0.8:
        return round(r.uniform(-0.2, 1.2) * side, r.choice([1, 2, 8]))
    if kind < 0.9:
        return r.randrange(0, 5 * side + 1) / 5 + r.choice([0, 0.1, 0.09999999999, 0.3])
    return r.choice([-1, 1]) * r.choice([0.1, 0.5, side, 3.7 * side, 1000.3, 20000])


def polygon(r, height, width):
    kind = r.random()
    count = r.choice([1, 2, 3, 3, 4, 5, 8, 30])
    if kind < 0.15:
        x, y, wide, tall = corner(r, width), corner(r, height), abs(corner(r, width)), abs(corner(r, height))
        return [x, y, x, y + tall, x + wide, y + tall, x + wide, y]
    corners = [(corner(r, width), corner(r, height)) for _ in range(count)]
    if kind < 0.3:
        corners.insert(r.randrange(count), r.choice(corners))
    if kind > 0.9:
        corners += corners[:r.randrange(count + 1)]
    flat = [side for pair in corners for side in pair]
    return flat + [corner(r, width)] if r.random() < 0.03 else flat


def pixels(r, height, width):
    kind = r.random()
    if kind < 0.1:
        return np.zeros((height, width), np.uint8)
    if kind < 0.2:
        return np.ones((height, width), np.uint8)
    if kind < 0.3:
        one = np.zeros((height, width), np.uint8)
        one[r.randrange(height), r.randrange(width)] = 1
        return one
    generator = np.random.default_rng(r.randrange(1 << 30))
    mask = (generator.random((height, width)) < r.choice([0.02, 0.5, 0.95])).astype(np.uint8)
    if kind < 0.7:
        mask[:] = 0
        top, left = r.randrange(height), r.randrange(width)
        mask[top:r.randrange(top, height) + 1, left:r.randrange(left, width) + 1] = 1
        if r.random() < 0.4:
            mask[r.randrange(height):, r.randrange(width)] = 0
    return mask


def counts(r, height, width):
    """Run lengths, most of them right, some with empty runs in them."""
    runs = api_runs(api.encode(np.asfortranarray(pixels(r, height, width))))
    for _ in range(r.choice([0, 0, 1, 3])):
        at = r.randrange(len(runs) + 1)
        runs[at:at] = [0, 0]
    if r.random() < 0.1:
        runs.append(0)
    return runs


def api_runs(mask):
    values, runs = mask["counts"], []
    value = shift = 0
    for byte in values:
        code = byte - 48
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            value -= (1 << shift) if code & 16 else 0
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    return runs


def plain(mask):
    return {"size": list(mask["size"]), "counts": mask["counts"].decode()}


def drawn(r, height, width, empty=True):
    """A mask in one of the ways, as pycocotools writes it."""
    kind = r.random() * (1 if empty else 0.8)
    if kind < 0.4:
        return api.merge(api.frPyObjects([[0, 0, 0, 0, 0, 0]] + [polygon(r, height, width)], height, width))
    if kind < 0.8:
        return api.encode(np.asfortranarray(pixels(r, height, width)))
    return api.frPyObjects({"size": [height, width], "counts": counts(r, height, width)}, height, width)


def case(r, small):
    height, width = size(r, small)
    kind = r.choice(["polygons", "polygons", "runs", "pixels", "merge", "iou", "iou"])
    if kind == "polygons":
        shapes = [polygon(r, height, width) for _ in range(r.choice([1, 1, 2, 4]))]
        shapes = [shape if len(shape) > 4 or k else [0, 0, 1, 1, 2] for k, shape in enumerate(shapes)]
        masks = api.frPyObjects(shapes, height, width)
        merged = api.merge(masks)
        return {"kind": kind, "size": [height, width], "polygons": shapes, "each": [plain(mask) for mask in masks],
                "mask": plain(merged), "area": int(api.area(merged)), "bbox": api.toBbox(merged).tolist()}
    if kind == "runs":
        runs = counts(r, height, width)
        if r.random() < 0.2:
            runs = [r.choice([0, 1, 5, 1 << 20, (1 << 29) - 1]) for _ in range(r.randrange(0, 9))]
        mask = api.frPyObjects({"size": [height, width], "counts": runs}, height, width)
        return {"kind": kind, "size": [height, width], "runs": runs, "mask": plain(mask), "area": int(api.area(mask)),
                "bbox": api.toBbox(mask).tolist()}
    if kind == "pixels":
        array = np.asfortranarray(pixels(r, height, width))
        mask = api.encode(array)
        return {"kind": kind, "size": [height, width], "pixels": "".join(map(str, api.decode(mask).ravel(order="F"))),
                "mask": plain(mask), "area": int(api.area(mask)), "bbox": api.toBbox(mask).tolist()}
    if kind == "merge":
        # Empty runs can end a merge early, and pycocotools never ends with a third mask.
        count = r.randrange(1, 5)
        masks = [drawn(r, height, width, empty=count < 3) for _ in range(count)]
        if r.random() < 0.1:
            masks.append(drawn(r, height + 1, width))
        both = r.random() < 0.4
        return {"kind": kind, "masks": [plain(mask) for mask in masks], "intersect": both,
                "mask": plain(api.merge(masks, both))}
    dt, gt = ([drawn(r, height, width) for _ in range(r.randrange(1, 6))] for _ in range(2))
    for side in (dt, gt):
        if r.random() < 0.1:
            side.append(drawn(r, *r.choice([(height, width + 1), (width, height)])))
    crowd = [int(r.random() < 0.3) for _ in gt]
    return {"kind": kind, "dt": [plain(mask) for mask in dt], "gt": [plain(mask) for mask in gt], "crowd": crowd,
            "iou": api.iou(dt, gt, crowd).tolist()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("--cases", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    with open(args.out, "w") as file:
        for number in range(args.cases):
            r = random.Random(f"{args.seed} {number}")
            file.write(json.dumps(case(r, args.small), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
