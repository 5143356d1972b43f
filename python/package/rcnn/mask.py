"""Masks and boxes, in place of ``pycocotools.mask``, computed by the library.

Boxes are (N, 4): x, y, width, height in pixels. A mask is a dictionary of ``size`` (height, width) and ``counts``, its run
lengths as COCO's text; an array of (height, width) or (height, width, N) uint8 holds one or several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcnn import _rcnn

__all__ = ["area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"]


def iou(dt: Any, gt: Any, pyiscrowd: Sequence[int]) -> NDArray[np.float64] | list[Any]:
    """Intersection over union of detections and ground truths; with a crowd, the share of the detection inside it.

    Args:
        dt: (D, 4) boxes, or D masks.
        gt: (G, 4) boxes, or G masks.
        pyiscrowd: Of each ground truth whether it is a crowd.

    Returns:
        (D, G) float64; an empty list where either side is empty. -1 of two masks that are of different sizes and whose
        boxes meet.
    """
    if len(pyiscrowd) != len(gt):
        raise ValueError(f"pyiscrowd: one for each of {len(gt)} ground truths is needed, not {len(pyiscrowd)}")
    if len(dt) == 0 or len(gt) == 0:
        return []
    # A byte each: what does not fit is refused.
    crowds = np.array(pyiscrowd, dtype=np.uint8).astype(bool).tolist()
    kinds = {isinstance(side[0], dict) for side in (dt, gt)}
    if kinds == {True}:
        return _rcnn.mask_iou(list(dt), list(gt), crowds)
    if kinds == {True, False}:
        raise ValueError("dt, gt: both must be boxes, or both masks")
    return _rcnn.box_iou(boxes("dt", dt), boxes("gt", gt), crowds)


def boxes(argument: str, values: ArrayLike) -> NDArray[np.float64]:
    """Boxes as (N, 4) float64."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    array = array.reshape(1, 4) if array.shape == (4,) else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{argument}: boxes of (N, 4) are needed, not {array.shape}")
    return np.ascontiguousarray(array)


def encode(bimask: NDArray[np.uint8]) -> Any:
    """The mask of an array of (height, width), or a list of the masks of one of (height, width, N)."""
    array = np.asarray(bimask)
    if array.ndim not in (2, 3):
        raise ValueError(f"bimask: an array of height x width or height x width x N is needed, not of {array.shape}")
    height, width = array.shape[:2]
    if array.size == 0:
        empty = _rcnn.mask_of_runs({"size": [height, width], "counts": [0]})
        return empty if array.ndim == 2 else [dict(empty) for _ in range(array.shape[2])]
    pixels = array.astype(bool, order="F", copy=False).ravel(order="F").view(np.uint8)
    masks = _rcnn.mask_encode(pixels, height, width)
    return masks[0] if array.ndim == 2 else masks


def decode(rleObjs: Any) -> NDArray[np.uint8]:
    """The array (height, width) of a mask, or (height, width, N) of a list of masks; uint8, in columns."""
    if not isinstance(rleObjs, list):
        height, width = rleObjs["size"]
        return _rcnn.mask_decode([rleObjs]).reshape((int(height), int(width)), order="F")
    height, width = rleObjs[0]["size"] if rleObjs else (0, 0)
    return _rcnn.mask_decode(rleObjs).reshape((int(height), int(width), len(rleObjs)), order="F")


def area(rleObjs: Any) -> Any:
    """Pixels of a mask, or (N,) uint32 of a list of masks."""
    if not isinstance(rleObjs, list):
        return np.uint32(_rcnn.mask_area([rleObjs])[0])
    return np.array(_rcnn.mask_area(rleObjs), dtype=np.uint32)


def toBbox(rleObjs: Any) -> NDArray[np.float64]:
    """The box around a mask (4,), or the boxes (N, 4) of a list of masks: x, y, width, height, float64."""
    boxes: NDArray[np.float64] = _rcnn.mask_boxes(rleObjs if isinstance(rleObjs, list) else [rleObjs])
    return boxes if isinstance(rleObjs, list) else boxes.reshape(4)


def merge(rleObjs: Sequence[Any], intersect: bool = False) -> Any:
    """The union of masks, or what is in all of them."""
    return _rcnn.mask_merge(list(rleObjs), bool(intersect))


def frPyObjects(pyobj: Any, h: int, w: int) -> Any:
    """Masks of height h and width w: of a list of polygons or of boxes (x, y, width, height), or of plain run lengths.

    Args:
        pyobj: A list of polygons (x and y in turn) or boxes, an array of (N, 4) boxes, a list of dictionaries whose
            ``counts`` are numbers, or one polygon, box or dictionary.
    """
    if isinstance(pyobj, dict):
        return _rcnn.mask_of_runs(pyobj)
    if len(pyobj) and not isinstance(pyobj, np.ndarray) and np.isscalar(pyobj[0]):
        return drawn(pyobj, h, w)
    return [frPyObjects(each, h, w) if isinstance(each, dict) else drawn(each, h, w) for each in pyobj]


def drawn(shape: Sequence[float], height: int, width: int) -> dict[str, Any]:
    """The mask of a polygon, or of a box where there are four numbers."""
    numbers = np.ascontiguousarray(shape, dtype=np.float64).reshape(-1)
    if len(numbers) == 4:
        return _rcnn.mask_of_box(numbers.tolist(), height, width)
    return _rcnn.mask_of_polygon(numbers, height, width)
