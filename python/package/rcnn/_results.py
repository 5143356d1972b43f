"""Results in the forms in which people have them, and as the annotations of a data set of their own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rcnn import mask
from rcnn._json import read_json
from rcnn.errors import EvaluateError

if TYPE_CHECKING:
    from rcnn.coco import COCO

Entry: TypeAlias = "dict[str, Any]"


class MismatchError(EvaluateError, AssertionError):
    """Results are on images that the annotations do not have; pycocotools raises AssertionError there."""


class EmptyResultsError(EvaluateError, IndexError):
    """There are no results; pycocotools raises IndexError there."""


def read_results(results: str | list[Entry] | NDArray[np.float64]) -> list[Entry]:
    """Results in any of their forms as a list of dictionaries."""
    if isinstance(results, np.ndarray):
        assert results.ndim == 2 and results.shape[1] == 7, f"an array of (N, 7) is needed, not of {results.shape}"
        return [
            {"image_id": int(row[0]), "bbox": row[1:5].tolist(), "score": float(row[5]), "category_id": int(row[6])}
            for row in results
        ]
    content = read_json(results) if isinstance(results, str) else results
    assert isinstance(content, list), "results in not an array of objects"
    return content


def results_as_data_set(parent: COCO, results: list[Entry]) -> dict[str, Any]:
    """Results as the annotations of a data set, with what pycocotools adds to them: ``id``, ``area``, ``iscrowd`` and more.
    The dictionaries of the list are the same as before."""
    dataset: dict[str, Any] = {"images": list(parent.dataset["images"])}
    if "info" in parent.dataset:
        dataset["info"] = copy.deepcopy(parent.dataset["info"])
    if not results:
        raise EmptyResultsError("the results are empty: there is nothing to evaluate")
    parent._check_images(results)
    first = results[0]
    if "caption" in first:
        on = {entry["image_id"] for entry in results}
        dataset["images"] = [image for image in dataset["images"] if image["id"] in on]
        for number, entry in enumerate(results, 1):
            entry["id"] = number
        return {**dataset, "annotations": results}
    complete = None
    if "bbox" in first and first["bbox"] != []:
        complete = boxed
    elif "segmentation" in first:
        complete = masked
    elif "keypoints" in first:
        complete = pointed
    dataset["categories"] = copy.deepcopy(parent.dataset["categories"])
    if complete is not None:
        for number, entry in enumerate(results, 1):
            complete(entry)
            entry["id"] = number
    return {**dataset, "annotations": results}


def boxed(entry: Entry) -> None:
    """Completes a result that is a box."""
    x, y, width, height = entry["bbox"][:4]
    right, bottom = x + width, y + height
    entry.setdefault("segmentation", [[x, y, x, bottom, right, bottom, right, y]])
    entry["area"] = width * height
    entry["iscrowd"] = 0


def masked(entry: Entry) -> None:
    """Completes a result that is a mask of compressed run lengths."""
    entry["area"] = mask.area(entry["segmentation"])
    if "bbox" not in entry:
        entry["bbox"] = mask.toBbox(entry["segmentation"])
    entry["iscrowd"] = 0


def pointed(entry: Entry) -> None:
    """Completes a result that is key points: its box is their extent."""
    points = entry["keypoints"]
    xs, ys = points[0::3], points[1::3]
    left, right, top, bottom = np.min(xs), np.max(xs), np.min(ys), np.max(ys)
    entry["area"] = (right - left) * (bottom - top)
    entry["bbox"] = [left, top, right - left, bottom - top]


def mismatch(what: str, one: str | None) -> str:
    """What is said of results that belong to other annotations."""
    return f"Results do not correspond to current coco set: {what} not in the annotations, such as {one}"
