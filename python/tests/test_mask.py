"""Masks: pycocotools' run lengths, polygons and numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import rcnn
from rcnn import mask

other = pytest.importorskip("pycocotools.mask")
RANDOM = np.random.default_rng(11)


def masks(count: int, height: int = 23, width: int = 17) -> Any:
    """Masks of blobs and noise, an empty and a full one among them."""
    made = (RANDOM.uniform(size=(height, width, count)) < RANDOM.uniform(size=count)).astype(np.uint8)
    made[3:12, 2:9, 0] = 1
    made[:, :, -1], made[:, :, -2] = 0, 1
    return np.asfortranarray(made)


def test_masks_become_run_lengths_and_back() -> None:
    array = masks(12)
    runs = mask.encode(array)
    assert runs == other.encode(array)
    assert mask.encode(array[:, :, 0]) == other.encode(np.asfortranarray(array[:, :, 0]))
    assert np.array_equal(mask.decode(runs), array) and np.array_equal(mask.decode(runs[3]), array[:, :, 3])
    texts = [{"size": each["size"], "counts": each["counts"].decode()} for each in runs]
    assert np.array_equal(mask.decode(texts), array)


def test_areas_boxes_unions_and_overlaps_are_pycocotools() -> None:
    runs = mask.encode(masks(12))
    assert np.array_equal(mask.area(runs), other.area(runs)) and mask.area(runs[2]) == other.area(runs[2])
    assert np.array_equal(mask.toBbox(runs[:-2]), other.toBbox(runs[:-2]))
    assert np.array_equal(mask.toBbox(runs[1]), other.toBbox(runs[1]))
    for both in (False, True):
        assert mask.merge(runs[:3], both) == other.merge(runs[:3], both)
    crowds = [0, 1, 0, 0, 1, 0]
    assert np.array_equal(mask.iou(runs[:6], runs[6:], crowds), other.iou(runs[:6], runs[6:], crowds))
    boxes = RANDOM.uniform(0, 9, size=(5, 4))
    assert np.array_equal(mask.iou(boxes, boxes[::-1], [0] * 5), other.iou(boxes, np.ascontiguousarray(boxes[::-1]), [0] * 5))
    assert mask.iou([], runs[:1], [0]) == []


@pytest.mark.parametrize("corners", [3, 4, 5, 9])
def test_polygons_become_the_same_pixels(corners: int) -> None:
    for _ in range(200):
        polygon = RANDOM.uniform(-5, 40, size=2 * corners).round(int(RANDOM.integers(0, 4))).tolist()
        assert mask.frPyObjects([polygon], 30, 35) == other.frPyObjects([polygon], 30, 35), polygon


def test_boxes_and_plain_run_lengths_become_masks() -> None:
    boxes = RANDOM.uniform(0, 20, size=(20, 4))
    assert mask.frPyObjects(boxes, 30, 35) == other.frPyObjects(boxes, 30, 35)
    plain = {"size": [4, 5], "counts": [3, 5, 2, 10]}
    assert mask.frPyObjects(plain, 4, 5) == other.frPyObjects(plain, 4, 5)


def test_an_annotation_has_a_mask(tmp_path: Any) -> None:
    module = pytest.importorskip("pycocotools.coco")
    segmentations = [
        [[2, 3, 20, 3, 20, 15, 2, 15], [5, 18, 9, 22, 3, 24]],
        {"size": [30, 40], "counts": [100, 50, 1050]},
        {"size": [30, 40], "counts": mask.encode(masks(3, 30, 40)[:, :, 0])["counts"].decode()},
    ]
    annotations = [
        {"id": n, "image_id": 1, "category_id": 1, "segmentation": each, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 0}
        for n, each in enumerate(segmentations, 1)
    ]
    dataset = {"images": [{"id": 1, "height": 30, "width": 40}], "categories": [{"id": 1}], "annotations": annotations}
    (tmp_path / "gt.json").write_text(json.dumps(dataset))
    own, theirs = rcnn.COCO(tmp_path / "gt.json"), module.COCO(tmp_path / "gt.json")
    for number in (1, 2, 3):
        assert np.array_equal(own.annToMask(own.anns[number]), theirs.annToMask(theirs.anns[number]))


def test_what_is_no_mask_is_told() -> None:
    with pytest.raises(ValueError, match="of 4 pixels and whose size is of 9"):
        mask.decode({"size": [3, 3], "counts": [2, 2]})
    with pytest.raises(ValueError, match="cut off"):
        mask.decode({"size": [3, 3], "counts": "o"})
    with pytest.raises(ValueError, match="one size"):
        mask.decode([mask.encode(np.ones(size, np.uint8)) for size in ((3, 3), (3, 4))])
    with pytest.raises(ValueError, match="no number or far outside"):
        mask.frPyObjects([[float("nan")] * 6], 3, 3)


def test_masks_of_two_sizes_are_compared_as_pycocotools_does() -> None:
    arrays = [np.asfortranarray(np.ones(size, np.uint8)) for size in ((3, 3), (3, 4))]
    one, two = ([other.encode(array)] for array in arrays)
    assert np.array_equal(mask.iou(one, two, [0]), [[-1.0]]) and np.array_equal(other.iou(one, two, [0]), [[-1.0]])


def test_empty_arrays_are_empty_masks() -> None:
    for shape in ((0, 3), (3, 0), (0, 3, 2)):
        assert mask.encode(np.zeros(shape, np.uint8)) == other.encode(np.asfortranarray(np.zeros(shape, np.uint8)))
    assert mask.decode([]).size == 0
    assert mask.merge([]) == other.merge([])
