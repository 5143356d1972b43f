"""Masks and key points: pycocotools' numbers, arrays and outcomes of images, from files and from dictionaries."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rcnn

IMAGES, SIDE = 12, 200


def polygon(box: list[float]) -> list[list[float]]:
    x, y, w, h = box
    return [[x, y, x + w, y + h / 3, x + w / 2, y + h, x + w / 9, y + h / 2]]


def data(kind: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A data set and results on it: crowds, objects without annotated points, equal scores, images without results."""
    generator = np.random.default_rng(9)
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number in range(1, 61):
        x, y, w, h = (round(float(value), 2) for value in generator.uniform([0, 0, 20, 20], [90, 90, 100, 100]))
        common = {"image_id": int(generator.integers(1, IMAGES)), "category_id": int(generator.choice([1, 3]))}
        points = np.column_stack([generator.uniform(x, x + w, 17), generator.uniform(y, y + h, 17), generator.integers(0, 3, 17)])
        if number % 7 == 0:
            points[:, 2] = 0
        points = points.round(1)
        annotations.append(
            {
                **common,
                "id": number,
                "bbox": [x, y, w, h],
                "area": w * h * 0.6,
                "iscrowd": int(number % 13 == 0),
                "segmentation": polygon([x, y, w, h]),
                "keypoints": points.ravel().tolist(),
                "num_keypoints": int((points[:, 2] > 0).sum()),
            }
        )
        for spread in (2.0, 12.0):
            score = round(float(generator.uniform()), 1)
            if kind == "segm":
                moved = [side + float(generator.normal(0, spread)) for side in (x, y, w, h)]
                rle = rcnn.mask.merge(rcnn.mask.frPyObjects(polygon(moved), SIDE, SIDE))
                results.append({**common, "segmentation": {**rle, "counts": rle["counts"].decode()}, "score": score})
            else:
                near = points + np.array([1.0, 1.0, 0.0]) * generator.normal(0, spread, points.shape)
                results.append({**common, "keypoints": near.round(1).ravel().tolist(), "score": score})
    dataset = {
        "images": [{"id": n, "width": SIDE, "height": SIDE} for n in range(1, IMAGES + 1)],
        "categories": [{"id": n, "name": str(n)} for n in (1, 3)],
        "annotations": annotations,
    }
    return dataset, results


CHANGES: list[dict[str, Any]] = [{}, {"useCats": 0}, {"imgIds": [1, 2, 3, 4], "catIds": [3]}]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("given", ["file", "list"])
@pytest.mark.parametrize("kind", ["segm", "keypoints"])
def test_they_are_judged_as_by_pycocotools(kind: str, given: str, change: dict[str, Any], tmp_path: Path) -> None:
    coco, module = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    dataset, results = data(kind)
    (tmp_path / "gt.json").write_text(json.dumps(dataset))
    (tmp_path / "dt.json").write_text(json.dumps(results))
    done = []
    for data_set, judge in ((rcnn.COCO, rcnn.COCOeval), (coco.COCO, module.COCOeval)):
        truth = data_set(str(tmp_path / "gt.json"))
        found = truth.loadRes(str(tmp_path / "dt.json") if given == "file" else copy.deepcopy(results))
        evaluation = judge(truth, found, kind)
        vars(evaluation.params).update(copy.deepcopy(change))
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        done.append(evaluation)
    own, other = done
    # Without categories pycocotools compares no key points.
    assert own.stats.tolist() == other.stats.tolist()
    assert own.stats[1] > 0.1 or (kind == "keypoints" and "useCats" in change)
    assert len(own.stats) == (10 if kind == "keypoints" else 12)
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(own.eval[name], other.eval[name]), name
    assert own.ious.keys() == other.ious.keys()
    assert all(np.array_equal(own.ious[key], other.ious[key]) for key in other.ious)
    for one, two in zip(own.evalImgs, other.evalImgs, strict=True):
        assert (one is None) == (two is None)
        for key in two or {}:
            assert np.array_equal(one[key], two[key]), key


def test_what_is_compared_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="oks"):
        rcnn.COCOeval(iouType="oks")
