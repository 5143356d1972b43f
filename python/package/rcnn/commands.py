"""What the program's other commands do, as functions; their documents as Python's values."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rcnn import _arguments
from rcnn._command import called, given, option
from rcnn.errors import EvaluateError, ModelError, RunError

if TYPE_CHECKING:
    import pandas

PathLike: TypeAlias = "str | os.PathLike[str]"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What ``rcnn evaluate`` gives.

    Attributes:
        stats: The twelve numbers in pycocotools' order (LVIS: thirteen, key points: ten), float64.
        names: Their names, such as ``AP``, ``AP50``.
        precision: (T, R, K, A, M) float64: by IoU threshold, recall, category, area range and limit; -1 where nothing is
            there to find. Without the last axis for LVIS.
        recall: (T, K, A, M) float64.
        scores: (T, R, K, A, M) float64: scores at which recalls are reached; ``None`` for LVIS.
        per_class: A row for every category: ``id``, ``name``, ``boxes`` and ``numbers``: AP, AP50, AP75, APs, APm, APl, AR.
        warnings: What in the files makes the numbers other than they seem: ``kind`` and ``message`` of each.
        document: All that the command's ``--json`` has.
    """

    stats: NDArray[np.float64]
    names: list[str]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    scores: NDArray[np.float64] | None
    per_class: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    document: dict[str, Any]

    def __getitem__(self, name: str) -> float:
        """One of the numbers by its name, such as ``evaluation["AP50"]``."""
        try:
            return float(self.stats[self.names.index(name)])
        except ValueError:
            raise KeyError(f"{name}: known are {', '.join(self.names)}") from None

    def to_pandas(self) -> pandas.DataFrame:
        """The numbers of every category, by its name; -1 is NaN."""
        import pandas

        columns = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR"]
        rows = [[row["id"], row["boxes"], *row["numbers"]] for row in self.per_class]
        names = pandas.Index([row["name"] for row in self.per_class], name="category")
        frame = pandas.DataFrame(rows, index=names, columns=["id", "boxes", *columns])
        frame[columns] = frame[columns].where(frame[columns] != -1)
        return frame


def evaluate(
    annotations: PathLike,
    results: PathLike,
    *,
    iou_type: str | None = None,
    sigmas: Sequence[float] | None = None,
    max_dets: Sequence[int] | None = None,
    iou_thresholds: Sequence[float] | None = None,
    recall_thresholds: Sequence[float] | None = None,
    area_ranges: Mapping[str, tuple[float, float]] | None = None,
    category_ids: Iterable[int | str] | None = None,
    image_ids: Iterable[int | str] | None = None,
    class_agnostic: bool = False,
    lvis: bool = False,
    corrected: bool = False,
    map_by_name: bool = False,
    seen_only: bool = False,
    bootstrap: int | None = None,
    seed: int | None = None,
    tide: bool = False,
    errors: bool = False,
) -> Evaluation:
    """Evaluates detections against COCO annotations, as ``rcnn evaluate`` does: pycocotools' numbers to the last bit.

    Args:
        annotations: A COCO data set in JSON, packed with gzip or not.
        results: A run's folder, a list of COCO results, a data set with scores, or detections.jsonl.
        iou_type: ``"bbox"``, ``"segm"`` or ``"keypoints"``: what is compared; boxes by default.
        sigmas: One for each key point; those of COCO's seventeen by default.
        max_dets: Limits on detections of an image and category; 1, 10, 100 by default.
        iou_thresholds: 0.5 to 0.95 by default.
        recall_thresholds: 0 to 1 by default.
        area_ranges: Ranges of areas in pixels by their labels.
        category_ids: Only these categories, by id or name.
        image_ids: Only these images.
        class_agnostic: Takes all categories for one.
        lvis: Evaluates as LVIS does.
        corrected: Reads as intended what pycocotools reads otherwise: id 0, shared ids, NaN, areas beyond 1e10.
        map_by_name: Matches images by file name and categories by name.
        seen_only: Only images that the run processed.
        bootstrap: Resamples of the images for 95 % intervals, in ``document["bootstrap"]``.
        seed: Seed of the resamples.
        tide: Adds TIDE's errors, in ``document["tide"]``.
        errors: Adds best scores, calibration, missed objects and the confusion matrix, in ``document["errors"]``.

    Raises:
        EvaluateError: The files cannot be read, or do not belong together.
    """
    files = [f"--{name}={_arguments.path(name, file)}" for name, file in (("annotations", annotations), ("results", results))]
    options = {
        "iou-type": iou_type,
        "sigmas": sigmas,
        "max-dets": max_dets,
        "iou-thresholds": iou_thresholds,
        "recall-thresholds": recall_thresholds,
        "area-ranges": None if area_ranges is None else _ranges(area_ranges),
        "category-ids": category_ids,
        "image-ids": image_ids,
        "class-agnostic": class_agnostic,
        "lvis": lvis,
        "corrected": corrected,
        "map-by-name": map_by_name,
        "seen-only": seen_only,
        "bootstrap": bootstrap,
        "seed": seed,
        "tide": tide,
        "errors": errors,
    }
    with tempfile.TemporaryDirectory() as folder:
        chosen = given(options)
        document = called("evaluate", *files, "--per-class", f"--arrays={folder}", *chosen, raises=EvaluateError)
        arrays = {path.stem: np.load(path) for path in Path(folder).glob("*.npy")}
    return Evaluation(
        stats=np.array(document["stats"], dtype=np.float64),
        names=document["names"],
        precision=arrays["precision"],
        recall=arrays["recall"],
        scores=arrays.get("scores"),
        per_class=document["per_class"],
        warnings=document["warnings"],
        document=document,
    )


def _ranges(areas: Mapping[str, tuple[float, float]]) -> list[str]:
    if not isinstance(areas, Mapping):
        raise _arguments.wrong_type("area_ranges", "a dictionary of labels and pairs of areas", areas)
    try:
        return [f"{label}={low}:{high}" for label, (low, high) in areas.items()]
    except (TypeError, ValueError):
        raise ValueError("area_ranges: each label needs the least and the greatest area") from None


def compare(
    annotations: PathLike,
    models: Iterable[PathLike],
    photos: PathLike | Iterable[PathLike] = (),
    *,
    out: PathLike | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    device: str = "auto",
    precision: str = "exact",
    threads: int | None = None,
) -> dict[str, Any]:
    """Compares models, or saved results, on the same photos, as ``rcnn compare`` does.

    Args:
        annotations: COCO annotations.
        models: Models (names, folders or checkpoints), or saved results.
        photos: Files, folders or patterns; none where all models are saved results.
        out: A folder for compare.json, compare.md, plots, and each model's results.
        bootstrap: Resamples of the photos for the intervals.
        seed: Seed of the resamples.
        device, precision, threads: As those of a Detector.

    Returns:
        The command's document: ``models`` has ``name``, ``stats`` (the twelve numbers) and more of each, in the order given.
    """
    truth, given_models = _arguments.path("annotations", annotations), _arguments.paths("models", models)
    images = [each for path in _arguments.paths("photos", photos) for each in option("images", path)]
    options = {
        "bootstrap": bootstrap,
        "seed": seed,
        "out": _arguments.optional(_arguments.path, "out", out),
        "threads": _arguments.optional(_arguments.whole, "threads", threads, 1, _arguments.MOST_THREADS),
    }
    if images:
        options |= {"device": device, "precision": precision}
    chosen = given(options)
    document: dict[str, Any] = called(
        "compare", f"--annotations={truth}", *images, *chosen, "--", *given_models, raises=RunError
    )
    return document


def import_checkpoint(
    checkpoint: PathLike,
    out: PathLike,
    *,
    config: PathLike | None = None,
    family: str | None = None,
    key: str | None = None,
    prefix: str | None = None,
) -> dict[str, Any]:
    """Makes a model's folder of a checkpoint, as ``rcnn import`` does.

    Args:
        checkpoint: A file of torchvision, detectron2, Detectron, mmdetection, PaddleDetection or maskrcnn-benchmark:
            .pth, .pkl, .safetensors or .pdparams.
        out: The folder.
        config: What no tensor shows: the framework's own config, or a JSON of import options.
        family: The family, where the names of the tensors are ambiguous.
        key: The key of the tensors, where there are several.
        prefix: The prefix of the tensors' names, where there are several networks.

    Returns:
        The command's document: what was read, and what was assumed.
    """
    file = _arguments.path("checkpoint", checkpoint)
    options = {
        "out": _arguments.path("out", out),
        "config": _arguments.optional(_arguments.path, "config", config),
        "family": _arguments.optional(_arguments.text, "family", family),
        "key": _arguments.optional(_arguments.text, "key", key),
        "prefix": _arguments.optional(_arguments.text, "prefix", prefix),
    }
    chosen = given(options)
    document: dict[str, Any] = called("import", *chosen, "--", file, raises=ModelError)
    return document


def inspect(model: PathLike, *, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """A model's architecture, costs, conventions and origin, as ``rcnn inspect`` tells them.

    Args:
        model: A name, a folder or a checkpoint.
        size: Height and width of the input in pixels; 800 x 800 by default.
    """
    named, sides = _arguments.path("model", model), None
    if size is not None:
        if not isinstance(size, (tuple, list)) or len(size) != 2:
            raise ValueError(f"size: height and width are needed, not {size!r}")
        sides = "x".join(str(_arguments.whole("size", side, 1, 65535)) for side in size)
    document: dict[str, Any] = called("inspect", *option("size", sides), "--", named, raises=ModelError)
    return document


def convert(
    source: PathLike,
    out: PathLike,
    *,
    to: str | None = None,
    photos: PathLike | None = None,
    split: str | None = None,
    score: float | None = None,
) -> dict[str, Any]:
    """Converts annotations between COCO, Pascal VOC, YOLO, LabelMe, CVAT, Label Studio, Open Images and CSV, as
    ``rcnn convert`` does.

    Args:
        source: Annotations of any of these forms, or a run's folder.
        out: A new file or folder.
        to: ``coco``, ``voc``, ``yolo``, ``labelme``, ``cvat``, ``label-studio``, ``open-images`` or ``csv``; COCO where ``out``
            ends in .json.
        photos: Folder of the photos.
        split: Only this part of the data set.
        score: Least score of a run's detections.

    Returns:
        The command's summary.
    """
    file = _arguments.path("source", source)
    options = {
        "out": _arguments.path("out", out),
        "to": _arguments.optional(_arguments.text, "to", to),
        "input": _arguments.optional(_arguments.path, "photos", photos),
        "split": _arguments.optional(_arguments.text, "split", split),
        "score": _arguments.optional(_arguments.fraction, "score", score),
    }
    chosen = given(options)
    document: dict[str, Any] = called("convert", *chosen, "--", file, raises=RunError)
    return document
