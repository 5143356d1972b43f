"""Masks and boxes, in place of ``pycocotools.mask``.

Boxes are (N, 4): x, y, width, height in pixels. A mask is a dictionary of ``size`` (height, width) and ``counts``, its run
lengths as COCO's text; an array of (height, width) or (height, width, N) uint8 holds one or several.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcnn import _rcnn, _rle

__all__ = ["area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"]


def iou(dt: Any, gt: Any, pyiscrowd: Sequence[int]) -> NDArray[np.float64] | list[Any]:
    """Intersection over union of detections and ground truths; with a crowd, the share of the detection inside it.

    Args:
        dt: (D, 4) boxes, or D masks.
        gt: (G, 4) boxes, or G masks.
        pyiscrowd: Of each ground truth whether it is a crowd.

    Returns:
        (D, G) float64; an empty list where either side is empty.
    """
    if len(pyiscrowd) != len(gt):
        raise ValueError(f"pyiscrowd: one for each of {len(gt)} ground truths is needed, not {len(pyiscrowd)}")
    if len(dt) == 0 or len(gt) == 0:
        return []
    # A byte each: what does not fit is refused.
    crowds = np.array(pyiscrowd, dtype=np.uint8).astype(bool)
    kinds = {isinstance(side[0], dict) for side in (dt, gt)}
    if kinds == {True}:
        return masks_iou(dt, gt, crowds)
    if kinds == {True, False}:
        raise ValueError("dt, gt: both must be boxes, or both masks")
    return _rcnn.box_iou(boxes("dt", dt), boxes("gt", gt), crowds.tolist())


def masks_iou(dt: Sequence[Any], gt: Sequence[Any], crowds: NDArray[np.bool_]) -> NDArray[np.float64]:
    """As :func:`iou`, of masks of one size."""
    sizes = {tuple(map(int, each["size"])) for each in [*dt, *gt]}
    if len(sizes) > 1:
        raise ValueError(f"dt, gt: masks of one size are needed, not of {sorted(sizes)}")
    detections, truths = (decode(list(side)).reshape(-1, len(side)) for side in (dt, gt))
    # Sums of ones are exact in floats up to 2^24 of them.
    kind = np.float32 if len(truths) < 2**24 else np.float64
    both = (detections.T.astype(kind) @ truths.astype(kind)).astype(np.float64)
    own, theirs = (side.sum(axis=0, dtype=np.float64) for side in (detections, truths))
    union = np.where(crowds, own[:, None], own[:, None] + theirs - both)
    overlaps: NDArray[np.float64] = np.divide(both, union, out=np.zeros_like(both), where=both > 0)
    return overlaps


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
    if array.ndim == 2:
        return _rle.to_object(_rle.of_mask(array), *array.shape)
    if array.ndim != 3:
        raise ValueError(f"bimask: an array of height x width or height x width x N is needed, not of {array.shape}")
    return [_rle.to_object(_rle.of_mask(array[:, :, place]), *array.shape[:2]) for place in range(array.shape[2])]


def decode(rleObjs: Any) -> NDArray[np.uint8]:
    """The array (height, width) of a mask, or (height, width, N) of a list of masks; uint8, in columns."""
    if not isinstance(rleObjs, list):
        return _rle.to_mask(*_rle.of_object(rleObjs))
    arrays = [_rle.to_mask(*_rle.of_object(each)) for each in rleObjs]
    if not arrays:
        return np.zeros((0, 0, 0), np.uint8, order="F")
    return np.asfortranarray(np.stack(arrays, axis=2))


def area(rleObjs: Any) -> Any:
    """Pixels of a mask, or (N,) uint32 of a list of masks."""
    if not isinstance(rleObjs, list):
        return np.uint32(_rle.of_object(rleObjs)[0][1::2].sum())
    return np.array([area(each) for each in rleObjs], dtype=np.uint32)


def toBbox(rleObjs: Any) -> NDArray[np.float64]:
    """The box around a mask (4,), or the boxes (N, 4) of a list of masks: x, y, width, height, float64."""
    if not isinstance(rleObjs, list):
        return np.array(_rle.box(*_rle.of_object(rleObjs)))
    return np.array([toBbox(each) for each in rleObjs]).reshape(-1, 4)


def merge(rleObjs: Sequence[Any], intersect: bool = False) -> Any:
    """The union of masks, or what is in all of them."""
    if not rleObjs:
        return {"size": [0, 0], "counts": b""}
    arrays = [decode(each) for each in rleObjs]
    merged = np.logical_and.reduce(arrays) if intersect else np.logical_or.reduce(arrays)
    return encode(merged.astype(np.uint8))


def frPyObjects(pyobj: Any, h: int, w: int) -> Any:
    """Masks of height h and width w: of a list of polygons or of boxes (x, y, width, height), or of plain run lengths.

    Args:
        pyobj: A list of polygons (x and y in turn) or boxes, an array of (N, 4) boxes, a list of dictionaries whose
            ``counts`` are numbers, or one polygon, box or dictionary.
    """
    if isinstance(pyobj, dict):
        return _rle.to_object(*_rle.of_object(pyobj))
    if len(pyobj) and not isinstance(pyobj, np.ndarray) and np.isscalar(pyobj[0]):
        return drawn(pyobj, h, w)
    return [frPyObjects(each, h, w) if isinstance(each, dict) else drawn(each, h, w) for each in pyobj]


def drawn(shape: Sequence[float], height: int, width: int) -> dict[str, Any]:
    """The mask of a polygon, or of a box where there are four numbers."""
    if len(shape) == 4:
        x, y, wide, tall = (float(side) for side in shape)
        shape = [x, y, x, y + tall, x + wide, y + tall, x + wide, y]
    return _rle.to_object(_rle.of_polygon(shape, height, width), height, width)
