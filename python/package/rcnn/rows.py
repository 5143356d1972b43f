"""Outcomes of photos as rows of a table, for engines that write columns."""

from __future__ import annotations

from typing import Any

from rcnn.detections import Detections
from rcnn.errors import PhotoError


def to_row(found: Detections | PhotoError) -> dict[str, Any]:
    """What came of a photo as a row that has the same columns whether it failed or not.

    Args:
        found: What ``detect`` or ``stream`` gives with ``errors="return"``.

    Returns:
        ``width`` and ``height`` in pixels, ``boxes`` (N lists of x1, y1, x2, y2), ``scores``, ``category_ids``, ``labels``,
        ``masks`` (N texts of COCO's run lengths, ``counts`` of a mask of the photo's size; ``None`` of a model without masks and
        of a failed photo), and ``error``: ``None``, or the kind of failure and its sentence.
    """
    if isinstance(found, PhotoError):
        empty: dict[str, Any] = {key: [] for key in ("boxes", "scores", "category_ids", "labels")}
        return {"width": None, "height": None, **empty, "masks": None, "error": f"{found.kind}: {found}"}
    return {
        "width": found.width,
        "height": found.height,
        "boxes": found.boxes.tolist(),
        "scores": found.scores.tolist(),
        "category_ids": found.category_ids.tolist(),
        "labels": found.labels,
        "masks": None if found.rles is None else [rle["counts"].decode() for rle in found.rles],
        "error": None,
    }
