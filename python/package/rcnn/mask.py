"""Masks and boxes, in place of ``pycocotools.mask``.

Boxes are (N, 4): x, y, width, height in pixels. Masks of run lengths are not supported yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rcnn import _rcnn

__all__ = ["area", "decode", "encode", "frPyObjects", "iou", "merge", "toBbox"]


def iou(dt: ArrayLike, gt: ArrayLike, pyiscrowd: Sequence[int]) -> NDArray[np.float64] | list[Any]:
    """Intersection over union of detections and ground truths; with a crowd, the share of the detection inside it.

    Args:
        dt: (D, 4) boxes.
        gt: (G, 4) boxes.
        pyiscrowd: Of each ground truth whether it is a crowd.

    Returns:
        (D, G) float64; an empty list where either side is empty.
    """
    detections, truths = boxes("dt", dt), boxes("gt", gt)
    if len(pyiscrowd) != len(truths):
        raise ValueError(f"pyiscrowd: one for each of {len(truths)} ground truths is needed, not {len(pyiscrowd)}")
    if len(detections) == 0 or len(truths) == 0:
        return []
    # A byte each: what does not fit is refused.
    crowds = np.array(pyiscrowd, dtype=np.uint8)
    return _rcnn.box_iou(detections, truths, crowds.astype(bool).tolist())


def boxes(argument: str, values: ArrayLike) -> NDArray[np.float64]:
    """Boxes as (N, 4) float64."""
    if isinstance(values, (list, tuple)) and values and isinstance(values[0], dict):
        unsupported("iou")
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    array = array.reshape(1, 4) if array.shape == (4,) else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{argument}: boxes of (N, 4) are needed, not {array.shape}")
    return np.ascontiguousarray(array)


def unsupported(what: str) -> NoReturn:
    """Says that masks are not there yet."""
    raise NotImplementedError(
        f"rcnn.mask.{what} of masks of run lengths is not there yet: use pycocotools.mask for them (rcnn evaluates boxes)"
    )


def encode(bimask: NDArray[np.uint8]) -> Any:
    """Masks as run lengths; not supported yet."""
    unsupported("encode")


def decode(rleObjs: Any) -> NDArray[np.uint8]:
    """Run lengths as masks; not supported yet."""
    unsupported("decode")


def area(rleObjs: Any) -> Any:
    """Pixels of masks; not supported yet."""
    unsupported("area")


def toBbox(rleObjs: Any) -> NDArray[np.float64]:
    """Boxes around masks; not supported yet."""
    unsupported("toBbox")


def merge(rleObjs: Any, intersect: bool = False) -> Any:
    """Union or intersection of masks; not supported yet."""
    unsupported("merge")


def frPyObjects(pyobj: Any, h: int, w: int) -> Any:
    """Masks of polygons, boxes or plain run lengths; not supported yet."""
    unsupported("frPyObjects")
