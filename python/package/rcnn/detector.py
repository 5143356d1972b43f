"""A model that finds objects in photos."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias, overload

import numpy as np

from rcnn import _arguments, _rcnn, _runtime
from rcnn._photos import Photo, plain
from rcnn.detections import Detections
from rcnn.errors import PhotoError

PathLike: TypeAlias = "str | os.PathLike[str]"

# What becomes of photos that cannot be decoded.
VIEWS = ("none", "flip", "full")
ERRORS = ("raise", "return")


class Detector:
    """A model that finds objects in photos.

    It may be used by several threads at once, and computes with the GIL released. It pickles by its arguments: what
    arrives in another process is loaded there.

    Args:
        model: A name (``rcnn models`` lists them), a model's folder, or a checkpoint of torchvision, detectron2,
            Detectron, mmdetection or PaddleDetection, which is imported into the cache on first use.
        device: ``"auto"`` (CUDA where it works, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"openvino"``.
        precision: ``"exact"`` is float32 everywhere; ``"bfloat16"`` and ``"float16"`` differ slightly, where a device has
            them; ``"fast"`` takes what ``rcnn bench --tune`` or a long run of the program measured fastest for the model on
            this machine, and is exact where nothing was measured.
        score: Gives detections above this score, 0 to 1; the model's own threshold by default.
        threads: Threads that compute, and as many that decode; all cores by default.
        sessions: Photos in the network at once, each on its share of the threads and with a copy of the weights: more
            photos a second where there are many, for more memory. Results are the same.
        nms: IoU with a better detection of its class above which NMS drops a detection, 0 to 1; the model's own by default.
        class_agnostic: NMS among the detections of all classes instead of within each.
        soft_nms: Gaussian soft-NMS instead of NMS: what overlaps a better detection loses score instead of being dropped.
        max_detections: At most so many detections of a photo, the best; the model's own limit by default.
        augment: ``"flip"`` looks at each photo and its mirror image, ``"full"`` at three sizes of it, each mirrored too, and
            merges what they show by weighted boxes fusion: more accuracy for more time.
        refine: The head sees its own boxes once more, which makes them more exact.
        masks: Computes masks, of a model that has them.

    Raises:
        ModelError: There is no such model, or it cannot be read.
        OnnxRuntimeError: The device cannot be used.
    """

    def __init__(
        self,
        model: PathLike = "fod-r18",
        *,
        device: str = "auto",
        precision: Literal["exact", "fast", "bfloat16", "float16"] = "exact",
        score: float | None = None,
        threads: int | None = None,
        sessions: int = 1,
        nms: float | None = None,
        class_agnostic: bool = False,
        soft_nms: bool = False,
        max_detections: int | None = None,
        augment: Literal["none", "flip", "full"] = "none",
        refine: bool = False,
        masks: bool = True,
    ) -> None:
        most = _arguments.MOST_THREADS
        arguments: dict[str, Any] = {
            "model": _arguments.path("model", model),
            "device": _arguments.text("device", device),
            "precision": _arguments.text("precision", precision),
            "score": _arguments.optional(_arguments.fraction, "score", score),
            "threads": _arguments.optional(_arguments.whole, "threads", threads, 1, most),
            "sessions": _arguments.whole("sessions", sessions, 1, most),
            "nms": _arguments.optional(_arguments.fraction, "nms", nms),
            "class_agnostic": _arguments.flag("class_agnostic", class_agnostic),
            "soft_nms": _arguments.flag("soft_nms", soft_nms),
            "max_detections": _arguments.optional(
                _arguments.whole, "max_detections", max_detections, 1, _arguments.MOST_DETECTIONS
            ),
            "augment": _arguments.one_of("augment", augment, VIEWS),
            "refine": _arguments.flag("refine", refine),
            "masks": _arguments.flag("masks", masks),
        }
        _runtime.bring()
        self._arguments = arguments
        self._native = _rcnn.Detector(arguments)
        self._classes = self._native.classes
        self._names = [name for _, name in self._classes]
        self._ids = np.array([id for id, _ in self._classes], dtype=np.int64)

    @property
    def classes(self) -> list[tuple[int, str]]:
        """Ids and names of the classes that it knows."""
        return list(self._classes)

    @property
    def device(self) -> str:
        """What it computes on: ``cpu``, ``openvino`` or ``cuda:N``."""
        return self._native.device

    @property
    def score(self) -> float:
        """Detections are above this score."""
        return self._native.score

    @overload
    def detect(self, photo: Photo, *, errors: Literal["raise"] = "raise") -> Detections: ...  # type: ignore[overload-overlap]
    @overload
    def detect(self, photo: Photo, *, errors: Literal["return"]) -> Detections | PhotoError: ...  # type: ignore[overload-overlap]
    @overload
    def detect(self, photo: Sequence[Photo], *, errors: Literal["raise"] = "raise") -> list[Detections]: ...
    @overload
    def detect(
        self, photo: Sequence[Photo], *, errors: Literal["return"]
    ) -> list[Detections | PhotoError]: ...
    def detect(self, photo: Any, *, errors: Literal["raise", "return"] = "raise") -> Any:
        """Finds objects in one photo, or in each of a list.

        Args:
            photo: A path, a picture file's bytes, a PIL image, or a uint8 array of (height, width, 3) RGB or
                (height, width) grey; or a list of these, of which one is decoded while others are in the network. The
                EXIF orientation of files and bytes is applied; PIL images and arrays are taken as they are.
            errors: ``"raise"`` ends at the first photo that cannot be decoded, ``"return"`` puts its PhotoError in its
                place.

        Returns:
            Detections, or a list of them in the order of the photos.

        Raises:
            PhotoError: The photo cannot be read or decoded.
        """
        if isinstance(photo, (list, tuple)):
            return list(self.stream(photo, errors=errors))
        _arguments.one_of("errors", errors, ERRORS)
        try:
            return self._made(photo, self._native.detect(plain(photo)))
        except PhotoError as error:
            if errors == "raise":
                raise
            return error

    @overload
    def stream(self, photos: Iterable[Photo], *, errors: Literal["raise"] = "raise") -> Iterator[Detections]: ...
    @overload
    def stream(
        self, photos: Iterable[Photo], *, errors: Literal["return"]
    ) -> Iterator[Detections | PhotoError]: ...
    def stream(self, photos: Iterable[Any], *, errors: Literal["raise", "return"] = "raise") -> Iterator[Any]:
        """Finds objects in photos as they come, in their order.

        While one photo is in the network, the next are decoded: a few, however many there are, so that memory does not
        grow with their number.

        Args:
            photos: Whatever gives photos, such as a generator of paths; it is asked for a few more than were yielded.
            errors: As in :meth:`detect`.

        Yields:
            Detections of one photo after the other.
        """
        _arguments.one_of("errors", errors, ERRORS)
        if isinstance(photos, (str, bytes, bytearray, memoryview, os.PathLike)) or not isinstance(photos, Iterable):
            raise TypeError(
                "photos: photos one after another are needed, such as a list of paths, not one "
                f"{type(photos).__name__}"
            )
        return self._stream(photos, errors == "return")

    @cached_property
    def _pipeline(self) -> _rcnn.Pipeline:
        """One for all streams: threads that come and go with every short one leave memory behind."""
        return self._native.pipeline()

    def _stream(self, photos: Iterable[Photo], keep: bool) -> Iterator[Detections | PhotoError]:
        pipeline = self._pipeline
        waiting: deque[tuple[Photo, _rcnn.Pending | PhotoError]] = deque()
        coming = iter(photos)
        more, failure = True, None
        while True:
            while more and len(waiting) < pipeline.ahead:
                try:
                    photo = next(coming)
                except StopIteration:
                    more = False
                    break
                except Exception as error:
                    # What came before is finished first.
                    more, failure = False, error
                    break
                try:
                    waiting.append((photo, pipeline.submit(plain(photo))))
                except PhotoError as error:
                    waiting.append((photo, error))
            if not waiting:
                if failure is not None:
                    raise failure
                return
            photo, pending = waiting.popleft()
            try:
                if isinstance(pending, PhotoError):
                    raise pending
                found = pending.wait()
            except PhotoError as error:
                if not keep:
                    raise
                yield error
            else:
                yield self._made(photo, found)

    def run(
        self,
        photos: PathLike | Iterable[PathLike],
        out: PathLike,
        *,
        annotations: PathLike | None = None,
        draw_score: float | None = 0.5,
        shard: str | None = None,
        overwrite: bool = False,
        tile: bool = False,
        progress: Callable[[int, int, int], object] | None = None,
        note: Callable[[str], object] | None = None,
    ) -> dict[str, Any]:
        """Does many photos and writes the results, as ``rcnn detect`` does; goes on where an earlier run stopped.

        Args:
            photos: Files, folders (with all folders in them), patterns such as ``"*.jpg"``, or .txt files of paths.
            out: Folder of the results.
            annotations: COCO annotations from which the results take ids of images, by file name, and of categories, by
                name.
            draw_score: Draws boxes from this score up; ``None`` writes no pictures.
            shard: ``"I/N"`` does the I-th of N shares of the photos.
            overwrite: Replaces the results of another run in the folder.
            tile: Also looks at large photos in overlapping tiles, for small objects.
            progress: Called with the photos done, all photos and those that failed, after every photo.
            note: Called with sentences that a person should know.

        Returns:
            What ``run.json`` in the folder holds.

        Raises:
            RunError: Photos cannot be listed, or results not be written. Photos that cannot be decoded are rows in
                the results and raise nothing.
        """
        for name, called in (("progress", progress), ("note", note)):
            _arguments.function(name, called)
        record = self._native.run(
            _arguments.paths("photos", photos),
            _arguments.path("out", out),
            _arguments.optional(_arguments.path, "annotations", annotations),
            _arguments.optional(_arguments.fraction, "draw_score", draw_score),
            _arguments.optional(_arguments.text, "shard", shard),
            bool(overwrite),
            bool(tile),
            progress,
            note,
        )
        answer: dict[str, Any] = json.loads(record)
        return answer

    def _made(self, photo: Photo, found: _rcnn._Found) -> Detections:
        boxes, scores, classes, width, height, masks = found
        labels = [self._names[place] for place in classes.tolist()]
        rles = None
        if self._native.masks:
            # Of several models, one may have none.
            empty = {"size": [height, width], "counts": [height * width]}
            rles = [_rcnn.mask_of_runs(empty) if rle is None else rle for rle in masks]
        return Detections(boxes, scores, self._ids[classes], labels, classes, width, height, rles, photo)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items() if name != "model")
        return f"Detector({self._arguments['model']!r}, {given})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self._arguments,)


def _load(arguments: dict[str, Any]) -> Detector:
    return Detector(**arguments)
