"""What was found in one photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rcnn import _arguments, _rcnn, mask
from rcnn._photos import Photo, plain

if TYPE_CHECKING:
    import supervision
    import torch


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects in one photo, by falling score. ``len()`` is their number N.

    Attributes:
        boxes: (N, 4) float32: x1, y1, x2, y2 in the photo's own pixels, from its top left corner.
        scores: (N,) float32: probabilities, 0 to 1.
        category_ids: (N,) int64: ids of the classes, as results carry them.
        labels: N names of the classes.
        classes: (N,) int64: places of the classes in ``Detector.classes``.
        rles: N masks of the photo's size as COCO's run lengths, dictionaries of ``size`` and ``counts``, of a model with
            masks; ``None`` otherwise.
        width: Width of the upright photo in pixels.
        height: Height of the upright photo in pixels.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    category_ids: NDArray[np.int64]
    labels: list[str]
    classes: NDArray[np.int64]
    width: int
    height: int
    rles: list[dict[str, Any]] | None = None
    _photo: Photo | None = field(default=None, repr=False)

    @cached_property
    def masks(self) -> NDArray[np.bool_] | None:
        """Pixels of the objects, (N, height, width) bool, of a model with masks; ``None`` otherwise.

        Made of :attr:`rles` when it is first asked for: a byte for each pixel of the photo and each object.
        """
        if self.rles is None:
            return None
        masks = np.zeros((len(self), self.height, self.width), dtype=bool)
        for place, rle in enumerate(self.rles):
            masks[place] = mask.decode(rle)
        return masks

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        best = ", ".join(f"{label} {score:.2f}" for label, score in zip(self.labels[:3], self.scores))
        more = ", …" if len(self) > 3 else ""
        return f"<{len(self)} detections in {self.width}x{self.height} pixels{': ' if best else ''}{best}{more}>"

    def to_coco(self, image_id: int | str) -> list[dict[str, Any]]:
        """COCO results of the photo: the same numbers as ``rcnn detect`` writes.

        Args:
            image_id: The photo's id in the annotations.

        Returns:
            N dictionaries of ``image_id``, ``category_id``, ``bbox`` (x, y, width, height) and ``score``, and of a model
            with masks ``segmentation``, a mask whose ``counts`` are text.
        """
        corners = self.boxes
        sized = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        numbers = _rcnn.coco_numbers(np.ascontiguousarray(sized).ravel())
        scores = _rcnn.coco_numbers(self.scores)
        results: list[dict[str, Any]] = [
            {"image_id": image_id, "category_id": category, "bbox": numbers[4 * n : 4 * n + 4], "score": scores[n]}
            for n, category in enumerate(self.category_ids.tolist())
        ]
        for result, rle in zip(results, self.rles or []):
            result["segmentation"] = {**rle, "counts": rle["counts"].decode()}
        return results

    def to_supervision(self) -> supervision.Detections:
        """The same as ``supervision.Detections``, with ``class_name`` in its data."""
        import supervision

        return supervision.Detections(
            xyxy=self.boxes,
            mask=self.masks,
            confidence=self.scores,
            class_id=self.category_ids,
            data={"class_name": np.array(self.labels, dtype=str)},
        )

    def to_torch(self) -> dict[str, torch.Tensor]:
        """torchvision's form: ``boxes`` (N, 4) float32, ``labels`` (N,) int64 category ids, ``scores`` (N,) float32;
        of a model with masks, ``masks`` (N, height, width) bool, where torchvision has (N, 1, height, width) probabilities.

        The tensors share the arrays' memory.
        """
        import torch

        arrays: dict[str, NDArray[Any]] = {"boxes": self.boxes, "labels": self.category_ids, "scores": self.scores}
        if self.masks is not None:
            arrays["masks"] = self.masks
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def plot(self, photo: Photo | None = None, score: float = 0.5) -> NDArray[np.uint8]:
        """The photo with masks, boxes and labels.

        Args:
            photo: The photo; what was given to ``detect`` by default, which is read once more where it was a path.
            score: Draws boxes from this score up.

        Returns:
            (height, width, 3) uint8, RGB; ``PIL.Image.fromarray`` makes a picture of it.
        """
        chosen = self._photo if photo is None else photo
        if chosen is None:
            raise ValueError("photo: these detections do not know their photo any more: give it")
        shown = np.flatnonzero(self.scores >= _arguments.fraction("score", score))
        labels = [f"{self.labels[n]} {self.scores[n]:.2f}" for n in shown]
        boxes = np.ascontiguousarray(self.boxes[shown])
        rles = None if self.rles is None else [self.rles[n] for n in shown]
        return _rcnn.annotate(plain(chosen), boxes, self.classes[shown].tolist(), labels, rles)

    def __getstate__(self) -> dict[str, Any]:
        # The photo may be large, or lie where the other process cannot read it.
        return {name: None if name == "_photo" else value for name, value in self.__dict__.items() if name != "masks"}
