#!/usr/bin/env python3
"""Random unclean cases: `rcnn evaluate` against pycocotools, to the last bit.

    python coco.py RCNN [--cases 10000] [--seed 0] [--keep DIR] [--clean]

Needs pycocotools==2.0.11 and numpy. Each case is a small data set and results with quirks mixed in: ids that are 0,
negative, shared, strings or null, odd areas and crowds, NaN and huge boxes, ties, unlisted images and categories, odd
parameters, broken files. Where pycocotools gives numbers ours must be the same and so must the three arrays; where it
raises, ours must refuse or warn. Cases that differ are kept in DIR.
"""
import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAN, INF = float("nan"), float("inf")


def box(r, p):
    style = r.random()
    if style < 0.6:
        b = [r.randrange(0, 12) * 8, r.randrange(0, 12) * 8, r.randrange(1, 8) * 8, r.randrange(1, 8) * 8]
    else:
        b = [round(r.uniform(0, 80), 2), round(r.uniform(0, 80), 2), round(r.uniform(1, 60), 2), round(r.uniform(1, 60), 2)]
    if r.random() < p:
        k = r.randrange(4)
        b[k] = r.choice([NAN, INF, -INF, 0, -5, 1e200, 1e-200, 2.0 ** 53 + 2, -b[k]])
        if r.random() < 0.2:
            b = [NAN] * 4
    return b


def near(r, b):
    s = r.choice([0, 0, 0.02, 0.1, 0.3])
    try:
        return [round(v + r.uniform(-1, 1) * s * 40, r.choice([1, 2, 5])) if s else v for v in b]
    except (ValueError, OverflowError):
        return list(b)


def case(r, clean):
    def quirk(p):
        return not clean and r.random() < p
    pi = 0.0 if clean else r.choice([0, 0, 0.05, 0.3])
    n_img, n_cat = r.randrange(1, 6), r.randrange(1, 5)
    kind = r.random()
    img_ids = r.sample(range(0, 30), n_img)
    if not clean and kind < 0.07:
        img_ids = [str(i) for i in img_ids]
    elif not clean and kind < 0.12:
        img_ids = [float(i) for i in img_ids]
    elif not clean and kind < 0.15:
        img_ids = [2 ** 53 + 1 + i for i in img_ids]
    cat_ids = r.sample(range(0, 20), n_cat)
    if quirk(0.05):
        cat_ids = ["c%d" % c for c in cat_ids]
    images = [{"id": i, "width": 100, "height": 100, "file_name": "%s.jpg" % i} for i in img_ids]
    cats = [{"id": c, "name": "n%s" % c} for c in cat_ids]
    if quirk(0.08):
        images.append(dict(r.choice(images)))
    if quirk(0.08):
        cats.append(dict(r.choice(cats)))
    anns, boxes = [], []
    next_id = r.choice([0, 1, 1, 1, 5])
    id_style = r.random()
    for _ in range(r.randrange(0, 25)):
        b = box(r, pi * 0.5)
        i, c = r.choice(img_ids), r.choice(cat_ids)
        area = b[2] * b[3]
        if quirk(0.1):
            area = r.choice([NAN, 0, -3, 2e10, 1024, 9216, 1024.0, 1e10, 500])
        a = {"id": next_id, "image_id": i, "category_id": c, "bbox": b, "area": area, "iscrowd": int(r.random() < 0.1)}
        next_id += 1
        if not clean and id_style < 0.1:
            a["id"] = r.randrange(0, 12)
        elif not clean and id_style < 0.15:
            a["id"] = -a["id"]
        elif not clean and id_style < 0.18:
            a["id"] = str(a["id"])
        if quirk(0.01):
            a["id"] = None
        if quirk(0.02):
            a["iscrowd"] = r.choice([True, False, 2, 0.5, "0", "1", None, 256, -1])
        if quirk(0.01):
            a["bbox"] = [str(v) for v in b]
        if quirk(0.005):
            a["bbox"] = r.choice([[1, 2, 3], [1, 2, 3, 4, 5], None, [None, 1, 2, 3]])
        if quirk(0.005):
            del a[r.choice(["area", "iscrowd", "bbox", "category_id", "image_id", "id"])]
        if quirk(0.03):
            a["ignore"] = 1
        if quirk(0.02):
            a["image_id"] = 777
        if quirk(0.02):
            a["category_id"] = 888
        if r.random() < 0.1:
            a["segmentation"] = [[1.5, 2, 3, 4, 5, 6]]
        items = list(a.items())
        if r.random() < 0.2:
            r.shuffle(items)
        anns.append(dict(items))
        boxes.append((i, c, b))
    dets = []
    for _ in range(r.randrange(0 if not clean else 1, 60)):
        if boxes and r.random() < 0.7:
            i, c, b = r.choice(boxes)
            b = near(r, b)
            if r.random() < 0.1:
                c = r.choice(cat_ids)
        else:
            i, c, b = r.choice(img_ids), r.choice(cat_ids), box(r, 0)
        if quirk(pi * 0.3):
            b = box(r, 1)
        s = r.choice([round(r.random(), 1), round(r.random(), 3), r.random()])
        if quirk(0.02):
            s = r.choice([NAN, INF, -INF, -0.0, 0, 1, -0.5, 2])
        d = {"image_id": i, "category_id": c, "bbox": b, "score": s}
        if quirk(0.003):
            d[r.choice(list(d))] = r.choice([None, "x", [], True, 3])
        if quirk(0.002):
            del d[r.choice(list(d))]
        if quirk(0.02):
            d["category_id"] = 999
        if quirk(0.001):
            d["image_id"] = 999
        if quirk(0.02):
            d.update({"id": 0, "area": 5, "iscrowd": 1, "ignore": 1})
        if quirk(0.01):
            d["segmentation"] = {"counts": "12113", "size": [3, 4]}
        dets.append(d)
    if r.random() < 0.5:
        r.shuffle(dets)
    gt = {"images": images, "annotations": anns, "categories": cats}
    if quirk(0.02):
        del gt[r.choice(list(gt))]
    if r.random() < 0.3:
        gt = {"info": {"a": [1, {"b": []}]}, **dict(sorted(gt.items(), key=lambda _: r.random()))}
    params = {}
    if quirk(0.1):
        params["maxDets"] = r.choice([[1, 10, 50], [100, 3, 1], [0, 1, 100], [1, 2, 3], [2, 100, 100], [1, 100]])
    if quirk(0.08):
        params["iouThrs"] = r.choice([[0.5], [0.0, 0.5, 0.75], [0.3, 0.5, 1.0], [0.75, 0.5], [0.5, 0.55, 0.5]])
    if quirk(0.08):
        params["recThrs"] = r.choice([[0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [0.1 * i for i in range(11)], [0.37]])
    if quirk(0.08):
        params["areaRng"] = r.choice([[[0, 1e10], [0, 400], [400, 2000], [2000, 1e10]], [[0, 1e5 ** 2], [100, 5000]]])
        params["areaRngLbl"] = ["all", "small", "medium", "large"][:len(params["areaRng"])]
    if quirk(0.1):
        params["useCats"] = 0
    if quirk(0.06):
        params["catIds"] = r.choice([cat_ids[:1], list(reversed(cat_ids)), cat_ids + cat_ids[:1]])
    if quirk(0.06):
        params["imgIds"] = r.choice([img_ids[:1], img_ids[::-1], img_ids * 2])
    gt_text, dt_text = json.dumps(gt), json.dumps(dets, indent=r.choice([None, None, 1]))
    if quirk(0.03):
        dt_text = dt_text[:r.randrange(len(dt_text))]
    if quirk(0.01):
        dt_text = dt_text.replace(", ", ",,", 1)
    return gt_text, dt_text, params


def oracle(gt, dt, params):
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            g = COCO(gt)
            e = COCOeval(g, g.loadRes(dt), "bbox")
            for k, v in params.items():
                setattr(e.params, k, np.array(v, dtype=np.float64) if k in ("iouThrs", "recThrs") else v)
            e.evaluate()
            e.accumulate()
            e.summarize()
    except Exception as x:  # noqa: BLE001  every exception is an answer
        return "%s: %s" % (type(x).__name__, x), None
    arrays = {k: hashlib.sha256(np.ascontiguousarray(e.eval[k], "<f8").tobytes()).hexdigest()
              for k in ("precision", "recall", "scores")}
    return [float(x) for x in e.stats], arrays


def flags(params):
    out = []
    if params.get("useCats", 1) == 0:
        out.append("--class-agnostic")
    if "areaRng" in params:
        out += ["--area-ranges", ",".join("%s=%r:%r" % (l, a, b) for l, (a, b) in zip(params["areaRngLbl"], params["areaRng"]))]
    for key, flag in (("maxDets", "--max-dets"), ("iouThrs", "--iou-thresholds"), ("recThrs", "--recall-thresholds"),
                      ("catIds", "--category-ids"), ("imgIds", "--image-ids")):
        if key in params:
            out += [flag, ",".join(repr(v) for v in params[key])]
    return out


def npy_hash(path):
    data = open(path, "rb").read()
    return hashlib.sha256(data[10 + struct.unpack("<H", data[8:10])[0]:]).hexdigest()


def ours(binary, gt, dt, params, folder):
    r = subprocess.run([binary, "evaluate", "-a", gt, "-r", dt, "--json", "--arrays", folder, *flags(params)],
                       capture_output=True, text=True, timeout=60)
    if r.returncode not in (0, 1, 2) or "panicked" in r.stderr:
        return "crash", r.stderr
    if r.returncode:
        return "refused", r.stderr.strip()
    return "ok", json.loads(r.stdout)


def check(binary, seed, clean):
    gt_text, dt_text, params = case(random.Random(seed), clean)
    with tempfile.TemporaryDirectory() as folder:
        gt, dt = os.path.join(folder, "gt.json"), os.path.join(folder, "dt.json")
        open(gt, "w").write(gt_text)
        open(dt, "w").write(dt_text)
        how, answer = ours(binary, gt, dt, params, folder)
        expected, arrays = oracle(gt, dt, params)
        problem = None
        if how == "crash":
            problem = "crash: " + answer
        elif arrays is None:
            if how == "ok" and not answer["warnings"]:
                problem = "no warning, but pycocotools: " + expected
        elif how == "refused":
            problem = "refused: " + answer
        elif [repr(float(x)) for x in answer["stats"]] != [repr(x) for x in expected]:
            problem = "numbers differ: %r, expected %r" % (answer["stats"], expected)
        else:
            wrong = [k for k, h in arrays.items() if npy_hash(os.path.join(folder, k + ".npy")) != h]
            problem = ", ".join(wrong) + " differ" if wrong else None
    return seed, problem, arrays is not None, gt_text, dt_text, params


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("rcnn")
    p.add_argument("--cases", type=int, default=10000)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--keep")
    p.add_argument("--clean", action="store_true", help="no quirks")
    a = p.parse_args()
    bad = good = 0
    for seed in range(a.seed, a.seed + a.cases):
        seed, problem, evaluated, gt, dt, params = check(a.rcnn, seed, a.clean)
        good += evaluated
        if problem:
            bad += 1
            print("seed", seed, problem[:300], params, flush=True)
            if a.keep:
                d = os.path.join(a.keep, "seed-%d" % seed)
                os.makedirs(d, exist_ok=True)
                for name, text in (("gt.json", gt), ("dt.json", dt), ("params.json", json.dumps(params))):
                    open(os.path.join(d, name), "w").write(text)
    print("%d cases, of which pycocotools evaluates %d: %d differ" % (a.cases, good, bad))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
