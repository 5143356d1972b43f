"""How alike the key points of detections and ground truths are: COCO's object key point similarity, as pycocotools has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def similarities(
    detections: Sequence[dict[str, Any]], truths: Sequence[dict[str, Any]], sigmas: NDArray[np.float64]
) -> Any:
    """Similarities (D, G), 0 to 1, of detections in order of score; an empty list where either side is empty.

    Args:
        detections: D results with ``keypoints``: x, y and a number of each.
        truths: G ground truths with ``keypoints`` (x, y and whether each is annotated), ``bbox`` and ``area``.
        sigmas: How far each key point lies from where another person would put it, as a share of the object's size.
    """
    if len(detections) == 0 or len(truths) == 0:
        return []
    variances = (sigmas * 2) ** 2
    overlaps = np.zeros((len(detections), len(truths)))
    for g, truth in enumerate(truths):
        x, y, annotated = np.array(truth["keypoints"]).reshape(-1, 3).T
        seen = annotated > 0
        left, top, width, height = truth["bbox"]
        for d, detection in enumerate(detections):
            own_x, own_y, _ = np.array(detection["keypoints"]).reshape(-1, 3).T
            if seen.any():
                dx, dy = own_x - x, own_y - y
            else:
                # Without annotated points: how far they lie outside of the box, doubled around its middle.
                dx = outside(own_x, left - width, left + width * 2)
                dy = outside(own_y, top - height, top + height * 2)
            errors = (dx**2 + dy**2) / variances / (truth["area"] + np.spacing(1)) / 2
            errors = errors[seen] if seen.any() else errors
            overlaps[d, g] = np.sum(np.exp(-errors)) / errors.shape[0]
    return overlaps


def outside(values: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """How far values lie outside of a range."""
    return np.maximum(0, low - values) + np.maximum(0, values - high)
