#!/usr/bin/env python3
"""Random unclean cases with masks and key points: what pycocotools makes of them, for the test `shapes` of coco-eval.

    python shapes.py OUT.jsonl [--cases 10000] [--seed 0] [--small]
    RCNN_SHAPE_CASES=$PWD/OUT.jsonl cargo test -p coco-eval --test shapes

Needs pycocotools==2.0.11, tidecv==1.0.1 and numpy. A line a case: both files as texts, parameters, and the numbers and hashes of the arrays.
Masks are polygons, run lengths as text or numbers, boxes in their place; empty, full, of one pixel, outside the picture, of
another size than the picture, with empty runs; results have boxes, masks or both; key points have other numbers than there are
sigmas, or none that is visible. Where pycocotools raises, ours must refuse or warn. Left out is what pycocotools leaves to
chance: corners that are NaN or beyond 32 bits, and run lengths that are not of as many pixels as the size says, with which its
comparison has no end.
"""
import argparse
import contextlib
import hashlib
import io
import json
import random
import tempfile
import warnings

import numpy as np
from masks import counts, drawn, pixels, polygon
from pycocotools import mask as api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tidecv import TIDE, Data

NAN = float("nan")


def plain(mask):
    return {"size": list(mask["size"]), "counts": mask["counts"].decode()}


def segmentation(r, height, width, odd):
    """A `segmentation` of an annotation."""
    kind = r.random()
    if r.random() < odd:
        return r.choice([[], [[1, 2, 3, 4]], [[1, 2]], None, {}, "x", [1, 2, 3, 4, 5, 6], {"size": [height, width]},
                         {"counts": [1, 2]}, {"size": [height, width], "counts": None},
                         {"size": [height], "counts": [1]}, {"size": [height, width], "counts": [-1, 5]}])
    if kind < 0.5:
        shapes = [polygon(r, height, width) for _ in range(r.choice([1, 1, 2, 3]))]
        if len(shapes[0]) < 5:
            shapes[0] = [1, 1, 1, 5, 6, 5, 6, 1]
        return shapes
    if kind < 0.7:
        return {"size": [height, width], "counts": counts(r, height, width)}
    if kind < 0.75:
        return [{"size": [height, width], "counts": counts(r, height, width)}]
    return plain(drawn(r, height, width))


def near(r, mask, height, width):
    """A mask that is like another one."""
    if mask is None or r.random() < 0.2:
        return drawn(r, height, width)
    array = api.decode(mask)
    kind = r.random()
    if kind < 0.3:
        return mask
    if kind < 0.7:
        array = np.roll(array, (r.randrange(-2, 3), r.randrange(-2, 3)), (0, 1))
    else:
        array[:, : r.randrange(0, 3)] = r.randrange(2)
        array[r.randrange(height), :] = 0
    return api.encode(np.asfortranarray(array))


def rle(seg, height, width):
    try:
        if isinstance(seg, list):
            return api.merge(api.frPyObjects(seg, height, width))
        if isinstance(seg["counts"], list):
            return api.frPyObjects(seg, height, width)
        return {"size": seg["size"], "counts": seg["counts"].encode()}
    except Exception:  # noqa: BLE001  odd ones have no mask
        return None


def masks_case(r):
    odd = r.choice([0, 0, 0, 0.01])
    other = r.choice([0, 0, 0, 0.1])
    side = r.choice([8, 20, 60])
    images = [{"id": k, "height": r.randrange(4, side), "width": r.randrange(4, side)} for k in range(1, r.randrange(2, 5))]
    kind = r.choice(["masks", "masks", "both", "boxes", "polygons", "mixed"])
    anns, known = [], []
    for k in range(r.randrange(0, 14)):
        image = r.choice(images)
        height, width = image["height"], image["width"]
        if r.random() < other:
            height, width = r.choice([(width, height), (height + 1, width), (height, width + 2)])
        seg = segmentation(r, height, width, odd)
        # Polygons are always drawn at the image's size.
        mask = rle(seg, *((image["height"], image["width"]) if isinstance(seg, list) else (height, width)))
        area = float(api.area(mask)) if mask else 5.0
        if r.random() < 0.1:
            area = r.choice([0, 2000, 10000, 1024, area / 2, 3e10, NAN])
        ann = {"id": k + r.choice([0, 1, 1, 1]), "image_id": image["id"], "category_id": r.randrange(1, 4), "area": area,
               "iscrowd": int(r.random() < 0.15), "segmentation": seg, "bbox": [1, 2, 3, 4]}
        if r.random() < odd:
            del ann[r.choice(["bbox", "segmentation", "area", "iscrowd"])]
        anns.append(ann)
        known.append((image, ann["category_id"], mask))
    results = []
    for _ in range(r.randrange(1, 30)):
        image = r.choice(images)
        category, mask = r.randrange(1, 4), None
        if known and r.random() < 0.8:
            image, category, mask = r.choice(known)
            if r.random() < 0.1:
                category = r.randrange(1, 5)
        height, width = mask["size"] if mask else (image["height"], image["width"])
        if r.random() < other / 3:
            mask, height, width = None, height, width + 1
        mask = near(r, mask, height, width)
        bbox = [float(v) for v in api.toBbox(mask)]
        row = {"image_id": image["id"], "category_id": category, "score": round(r.random(), r.choice([1, 2, 5]))}
        if kind in ("masks", "both", "mixed"):
            row["segmentation"] = plain(mask)
        if kind in ("both", "boxes", "polygons", "mixed"):
            row["bbox"] = bbox if max(bbox) < 1e6 else [0, 0, 1, 1]
        if kind == "polygons":
            shape = polygon(r, image["height"], image["width"])
            row["segmentation"] = [shape if len(shape) > 4 else [0, 0, 0, 3, 3, 3]]
        if kind == "both" and r.random() < 0.1:
            row["segmentation"] = {"size": [height, width], "counts": counts(r, height, width)}
        if kind == "mixed" and results and r.random() < 0.5:
            del row["segmentation"]
        if r.random() < odd:
            row["segmentation"] = segmentation(r, height, width, 0.7)
        if r.random() < odd / 2:
            del row[r.choice(list(row))]
        results.append(row)
    if r.random() < 0.03:
        del r.choice(images)[r.choice(["height", "width"])]
    return images, anns, results


def points_case(r):
    odd = r.choice([0, 0, 0, 0.02])
    count = r.choice([17, 17, 17, 3, 1, 9])
    images = [{"id": k, "height": 100, "width": 100} for k in range(1, r.randrange(2, 5))]

    def some(near=None, spread=0):
        points = []
        for k in range(count):
            if near:
                x, y = near[3 * k] + r.gauss(0, spread), near[3 * k + 1] + r.gauss(0, spread)
            else:
                x, y = r.uniform(0, 100), r.uniform(0, 100)
            digits = r.choice([0, 1, 5])
            points += [round(x, digits) if digits else int(x), round(y, digits) if digits else int(y), r.choice([0, 1, 2, 2])]
        return points

    anns, known = [], []
    for k in range(r.randrange(0, 12)):
        points = some()
        if r.random() < 0.15:
            points[2::3] = [0] * count
        visible = sum(v > 0 for v in points[2::3])
        ann = {"id": k + r.choice([0, 1, 1, 1]), "image_id": r.choice(images)["id"], "category_id": r.choice([1, 1, 2]),
               "area": r.choice([50.0, 900, 1024, 3000, 20000]), "iscrowd": int(r.random() < 0.1), "keypoints": points,
               "num_keypoints": visible if r.random() < 0.9 else r.choice([0, 3]),
               "bbox": [r.uniform(0, 50), r.uniform(0, 50), r.uniform(1, 50), r.uniform(1, 50)]}
        if r.random() < odd:
            del ann[r.choice(["keypoints", "num_keypoints", "bbox", "area", "iscrowd"])]
        if r.random() < odd:
            ann["keypoints"] = points[:-3]
        if r.random() < odd:
            ann["area"] = r.choice([0, -5, NAN])
        anns.append(ann)
        known.append((ann["image_id"], ann["category_id"], points))
    results, boxes = [], r.random() < 0.3
    for _ in range(r.randrange(1, 40)):
        image, category, points = r.choice(images)["id"], r.choice([1, 1, 2, 3]), some()
        if known and r.random() < 0.8:
            image, category, near = r.choice(known)
            points = some(near, r.choice([0, 0.5, 3, 10]))
        row = {"image_id": image, "category_id": category, "keypoints": points, "score": round(r.random(), r.choice([1, 2, 5]))}
        if boxes:
            row["bbox"] = [1, 2, r.choice([3, 40, 150]), r.choice([3, 40, 150])]
        if r.random() < odd:
            row["keypoints"] = r.choice([points[:-1], points[:-3], points + [1, 2, 3], [], None])
        if r.random() < odd / 2:
            del row[r.choice(list(row))]
        results.append(row)
    sigmas = None if count == 17 and r.random() < 0.7 else [round(r.uniform(0.02, 0.2), 3) for _ in range(count)]
    return images, anns, results, sigmas


def case(r):
    points = r.random() < 0.3
    params = {"iouType": "keypoints" if points else "segm"}
    if points:
        images, anns, results, sigmas = points_case(r)
        if sigmas:
            params["kpt_oks_sigmas"] = sigmas
    else:
        images, anns, results = masks_case(r)
    if r.random() < 0.1:
        params["maxDets"] = r.choice([[20], [1, 20], [5]] if points else [[1, 10, 50], [1, 2, 100], [0, 1, 100]])
    if r.random() < 0.1:
        params["iouThrs"] = r.choice([[0.5], [0.0, 0.5, 0.75], [0.3, 0.5, 1.0]])
    if r.random() < 0.1:
        params["areaRng"] = [[0, 1e10], [0, 60], [60, 200], [200, 1e10]]
        params["areaRngLbl"] = ["all", "small", "medium", "large"]
    if r.random() < 0.1:
        params["useCats"] = 0
    if r.random() < 0.05:
        params["catIds"] = [1]
    gt = {"images": images, "annotations": anns, "categories": [{"id": k, "name": str(k)} for k in (1, 2, 3)]}
    if r.random() < 0.3:
        gt = dict(sorted(gt.items(), key=lambda _: r.random()))
    return json.dumps(gt), json.dumps(results), params


def beyond_the_limit(score):
    """A result of two key points where one is expected, beside 20 others and with a score below or above theirs."""
    images = [{"id": k, "height": 100, "width": 100} for k in (1, 2)]
    ann = {"id": 1, "image_id": 1, "category_id": 1, "area": 900, "iscrowd": 0, "keypoints": [50, 50, 2], "num_keypoints": 1,
           "bbox": [40, 40, 30, 30]}
    results = [{"image_id": 1, "category_id": 1, "keypoints": [50 + k, 50, 2], "score": 0.5 + k / 100} for k in range(20)]
    results += [{"image_id": 1, "category_id": 1, "keypoints": [50, 50, 2, 60, 60, 2], "score": score},
                {"image_id": 2, "category_id": 1, "keypoints": [50, 50, 2, 60, 60, 2], "score": 0.99}]
    gt = {"images": images, "annotations": [ann], "categories": [{"id": 1, "name": "1"}]}
    return json.dumps(gt), json.dumps(results), {"iouType": "keypoints", "kpt_oks_sigmas": [0.1]}


def oracle(gt, dt, params):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as truths, tempfile.NamedTemporaryFile("w", suffix=".json") as guesses:
        truths.write(gt)
        guesses.write(dt)
        truths.flush()
        guesses.flush()
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                g = COCO(truths.name)
                e = COCOeval(g, g.loadRes(guesses.name), params["iouType"])
                for key, value in params.items():
                    arrays = key in ("iouThrs", "recThrs", "kpt_oks_sigmas")
                    setattr(e.params, key, np.array(value, dtype=np.float64) if arrays else value)
                e.evaluate()
                e.accumulate()
                e.summarize()
        except Exception as x:  # noqa: BLE001  every exception is an answer
            return {"outcome": "error", "error": f"{type(x).__name__}: {x}"[:100]}
    arrays = {k: hashlib.sha256(np.ascontiguousarray(e.eval[k], "<f8").tobytes()).hexdigest()
              for k in ("precision", "recall", "scores")}
    answer = {"outcome": "ok", "stats": [float(x) for x in e.stats], "sha256": arrays}
    gains = tide(json.loads(gt), json.loads(dt)) if list(params.items()) == [("iouType", "segm")] else None
    return {**answer, "tide": gains} if gains else answer


def tide(gt, dt):
    """tidecv's numbers of masks, where the files are such as it takes."""
    sizes = {image["id"]: (image.get("height"), image.get("width")) for image in gt["images"]}
    truths, guesses = Data("gt"), Data("dt")
    for image in gt["images"]:
        truths.add_image(image["id"], str(image["id"]))
    try:
        for ann in gt["annotations"]:
            mask = rle(ann["segmentation"], *sizes[ann["image_id"]])
            add = truths.add_ignore_region if ann["iscrowd"] else truths.add_ground_truth
            add(ann["image_id"], ann["category_id"], ann["bbox"], mask)
        for row in dt:
            if not isinstance(row["segmentation"]["counts"], str):
                return None
            guesses.add_detection(row["image_id"], row["category_id"], row["score"], None, row["segmentation"])
        with contextlib.redirect_stdout(io.StringIO()):
            run = TIDE().evaluate(truths, guesses, mode=TIDE.MASK)
            main, special = run.fix_main_errors(), run.fix_special_errors()
    except (KeyError, TypeError, ZeroDivisionError):
        return None
    return {"ap": run.ap, "main": {kind.short_name: value for kind, value in main.items()},
            "special": {kind.short_name: value for kind, value in special.items()},
            "counts": {kind.short_name: len(errors) for kind, errors in run.error_dict.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--cases", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="only cases of few bytes, for a stored file")
    args = parser.parse_args()
    kept, number = 0, 0
    with open(args.out, "w") as file:
        def write(number, gt, dt, params):
            row = {"number": number, "gt": gt, "dt": dt, "params": params, "expected": oracle(gt, dt, params)}
            file.write(json.dumps(row, separators=(",", ":")) + "\n")

        write(-1, *beyond_the_limit(0.4))
        write(-2, *beyond_the_limit(0.6))
        while kept < args.cases:
            gt, dt, params = case(random.Random(f"{args.seed} {number}"))
            number += 1
            if args.small and len(gt) + len(dt) > 4000:
                continue
            kept += 1
            write(number - 1, gt, dt, params)


if __name__ == "__main__":
    main()
