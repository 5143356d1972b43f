"""The extension module. Everything here is called by the package around it, which documents it."""

import os
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CocoPair",
    "CocoRows",
    "CocoSet",
    "Detector",
    "Pending",
    "Pipeline",
    "__version__",
    "annotate",
    "box_iou",
    "bring_runtime",
    "call",
    "coco_numbers",
    "main",
    "mask_area",
    "mask_boxes",
    "mask_decode",
    "mask_encode",
    "mask_iou",
    "mask_merge",
    "mask_of_box",
    "mask_of_polygon",
    "mask_of_runs",
    "match_boxes",
]

__version__: str

# Boxes (N, 4), scores (N,), places of the classes (N,), width and height of the photo, masks (N) or nothing in place of each.
_Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], int, int, list[dict[str, Any] | None]]
_Photo = str | os.PathLike[str] | bytes | NDArray[np.uint8]

@final
class Detector:
    def __new__(cls, arguments: dict[str, Any]) -> Detector: ...
    @property
    def classes(self) -> list[tuple[int, str]]: ...
    @property
    def masks(self) -> bool: ...
    @property
    def device(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def origin(self) -> tuple[str, str, str, os.PathLike[str]]: ...
    def detect(self, photo: _Photo) -> _Found: ...
    def pipeline(self) -> Pipeline: ...
    def run(
        self,
        photos: Sequence[str],
        out: str,
        annotations: str | None,
        draw_score: float | None,
        shard: str | None,
        overwrite: bool,
        tile: bool,
        progress: Callable[[int, int, int], object] | None,
        note: Callable[[str], object] | None,
    ) -> str: ...

@final
class Pipeline:
    @property
    def ahead(self) -> int: ...
    def submit(self, photo: _Photo) -> Pending: ...

@final
class Pending:
    def wait(self) -> _Found: ...

def annotate(
    photo: _Photo,
    boxes: NDArray[np.float32],
    classes: Sequence[int],
    labels: Sequence[str],
    masks: Sequence[dict[str, Any]] | None,
) -> NDArray[np.uint8]: ...
def mask_area(masks: Sequence[Any]) -> list[int]: ...
def mask_boxes(masks: Sequence[Any]) -> NDArray[np.float64]: ...
def mask_decode(masks: Sequence[Any]) -> NDArray[np.uint8]: ...
def mask_encode(pixels: NDArray[np.uint8], height: int, width: int) -> list[dict[str, Any]]: ...
def mask_iou(detections: Sequence[Any], truths: Sequence[Any], crowds: Sequence[bool]) -> NDArray[np.float64]: ...
def mask_merge(masks: Sequence[Any], intersect: bool) -> dict[str, Any]: ...
def mask_of_box(bbox: Sequence[float], height: int, width: int) -> dict[str, Any]: ...
def mask_of_polygon(corners: NDArray[np.float64], height: int, width: int) -> dict[str, Any]: ...
def mask_of_runs(mask: Any) -> dict[str, Any]: ...
def coco_numbers(values: NDArray[np.float32]) -> list[float]: ...
def main(arguments: Sequence[str]) -> int: ...
def bring_runtime(folder: str) -> None: ...
def call(arguments: Sequence[str]) -> tuple[int, str, str]: ...
def box_iou(
    detections: NDArray[np.float64], truths: NDArray[np.float64], crowds: Sequence[bool]
) -> NDArray[np.float64]: ...
def match_boxes(
    ious: NDArray[np.float64], ignored: Sequence[bool], crowds: Sequence[bool], thresholds: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...

@final
class CocoSet:
    def __deepcopy__(self, _memo: object) -> CocoSet: ...
    @staticmethod
    def open(path: str) -> CocoSet: ...
    @staticmethod
    def of(images: object, categories: object, annotations: object) -> CocoSet | None: ...
    def image_ids(self) -> list[int] | None: ...
    def category_ids(self) -> list[int] | None: ...

@final
class CocoRows:
    def __deepcopy__(self, _memo: object) -> CocoRows: ...
    @staticmethod
    def of(results: object, own_areas: bool) -> CocoRows | None: ...
    @staticmethod
    def of_array(array: NDArray[np.float64]) -> CocoRows | None: ...
    def unknown(self, set: CocoSet) -> tuple[int, int | None]: ...

@final
class CocoPair:
    def __deepcopy__(self, _memo: object) -> CocoPair: ...
    def __new__(
        cls,
        set: CocoSet,
        results: str | CocoRows,
        image_ids: list[str] | None,
        category_ids: list[str] | None,
        use_categories: bool,
    ) -> CocoPair: ...
    @staticmethod
    def shapes(
        annotations: str,
        results: str,
        key_points: bool,
        sigmas: list[float],
        image_ids: list[str] | None,
        category_ids: list[str] | None,
        use_categories: bool,
    ) -> CocoPair: ...
    def noticed(self) -> tuple[bool, int, str | None]: ...
    def arrays(
        self,
        iou_thresholds: list[float],
        recall_thresholds: list[float],
        max_dets: list[int],
        area_ranges: list[tuple[float, float]],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
