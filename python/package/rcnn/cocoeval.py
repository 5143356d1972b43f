"""Judging results: :class:`COCOeval` in place of ``pycocotools.cocoeval.COCOeval``, with its numbers to the last bit."""

from __future__ import annotations

import copy
import datetime
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rcnn import _cells, _points, _rcnn, mask
from rcnn._json import typed
from rcnn.coco import COCO, Entry, Id
from rcnn.errors import EvaluateError

# Outcomes of one category, area range and image; None where there is nothing in it.
Cell: TypeAlias = "dict[str, Any] | None"


IOU_TYPES = ("bbox", "segm", "keypoints")

# Ten times those of COCO's seventeen key points: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles.
SIGMAS = (0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89)


class Params:
    """What to evaluate, by pycocotools' names.

    Attributes:
        imgIds, catIds: Ids of images and categories.
        iouThrs: (T,) IoU thresholds; 0.5 to 0.95 by default.
        recThrs: (R,) recalls at which precision is sampled; 0 to 1 by default.
        maxDets: M limits on detections of an image and category; 1, 10, 100 by default.
        areaRng, areaRngLbl: A ranges of areas in pixels, both ends inside, and their names.
        useCats: 0 takes all categories for one.
        iouType: ``"bbox"``, ``"segm"`` or ``"keypoints"``.
        kpt_oks_sigmas: Of key points: for each how far it lies from where another person would put it, as a share of the
            object's size.
    """

    def __init__(self, iouType: str = "segm") -> None:
        if iouType not in IOU_TYPES:
            raise ValueError(f'iouType: "bbox", "segm" or "keypoints" is needed, not {iouType!r}')
        self.imgIds: list[Id] = []
        self.catIds: list[Id] = []
        # numpy's own doubles, which are not those of 0.5 + 0.05 * n.
        self.iouThrs: Any = np.linspace(0.5, 0.95, 10)
        self.recThrs: Any = np.linspace(0.0, 1.0, 101)
        self.maxDets: list[int] = [1, 10, 100]
        self.areaRng: list[Any] = [[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]]
        self.areaRngLbl: list[str] = ["all", "small", "medium", "large"]
        self.useCats = 1
        self.iouType = iouType
        self.useSegm: int | None = None
        if iouType == "keypoints":
            self.maxDets = [20]
            # Key points of small objects are not annotated.
            del self.areaRng[1], self.areaRngLbl[1]
            self.kpt_oks_sigmas: Any = np.array(SIGMAS) / 10.0


class COCOeval:
    """Judges results, with the attributes and methods of ``pycocotools.cocoeval.COCOeval``.

    ``evaluate()``, ``accumulate()``, ``summarize()``, in this order.

    Args:
        cocoGt: The annotations.
        cocoDt: The results: what ``cocoGt.loadRes`` gives.
        iouType: ``"bbox"``, ``"segm"``, masks, as pycocotools has it where nothing is said, or ``"keypoints"``. Boxes are
            evaluated by the library at once, and so are masks and key points of files; those of dictionaries image by image.

    Attributes:
        params: What to evaluate; may be changed before :meth:`evaluate`.
        eval: After :meth:`accumulate`: ``precision`` and ``scores`` (T, R, K, A, M), ``recall`` (T, K, A, M), float64.
        stats: After :meth:`summarize`: the twelve numbers, or the ten of key points, float64.
        evalImgs: K x A x I outcomes of images, made when they are asked for.
        ious: (D, G) IoU by image and category, made when they are asked for.
    """

    def __init__(self, cocoGt: COCO | None = None, cocoDt: COCO | None = None, iouType: str = "segm") -> None:
        self.cocoGt = cocoGt
        self.cocoDt = cocoDt
        self.params = Params(iouType=iouType)
        self.eval: dict[str, Any] = {}
        self.stats: Any = []
        self._paramsEval: Any = {}
        self._gts: dict[tuple[Id, Id], list[Entry]] = defaultdict(list)
        self._dts: dict[tuple[Id, Id], list[Entry]] = defaultdict(list)
        self._pair: _rcnn.CocoPair | None = None
        self._evaluated = False
        self._prepared = True
        self._cells: list[Cell] | None = None
        self._ious: dict[tuple[Id, Id], Any] | None = {}
        if cocoGt is not None:
            self.params.imgIds = sorted(cocoGt.getImgIds())
            self.params.catIds = sorted(cocoGt.getCatIds())

    # Evaluating

    def evaluate(self) -> None:
        """Reads what is to be judged under ``params``."""
        started = time.time()
        print("Running per image evaluation...")
        params = self.params
        if params.useSegm is not None:
            params.iouType = "segm" if params.useSegm else "bbox"
        Params(iouType=params.iouType)
        print(f"Evaluate annotation type *{params.iouType}*")
        params.imgIds = list(np.unique(params.imgIds))
        if params.useCats:
            params.catIds = list(np.unique(params.catIds))
        params.maxDets = sorted(params.maxDets)
        self.eval = {}
        self._prepared, self._cells, self._ious = False, None, None
        self._pair = self._native(params) if params.iouType == "bbox" else self._native_shapes(params)
        self._evaluated = True
        self._paramsEval = copy.deepcopy(params)
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def _native(self, params: Params) -> _rcnn.CocoPair:
        truth, results = self._both()
        return results.native_pair(truth, *self._chosen(params, truth), bool(params.useCats))

    def _native_shapes(self, params: Params) -> _rcnn.CocoPair | None:
        """Masks or key points of two files that nobody has looked into; nothing where they are in dictionaries."""
        truth, results = self._both()
        files = truth.untouched_file(), results.untouched_file()
        if files[0] is None or files[1] is None:
            return None
        images, categories = self._chosen(params, truth)
        key_points = params.iouType == "keypoints"
        sigmas = [float(sigma) for sigma in params.kpt_oks_sigmas] if key_points else []
        try:
            return _rcnn.CocoPair.shapes(
                files[0], files[1], key_points, sigmas, typed(images), typed(categories), bool(params.useCats)
            )
        except EvaluateError:
            # Image by image it is seen whether pycocotools would take it.
            return None

    def _chosen(self, params: Params, truth: COCO) -> tuple[list[Id] | None, list[Id] | None]:
        """Ids of the images and categories; nothing for all of them, in whatever order, which the library takes by itself."""
        images, categories = plain(params.imgIds), plain(params.catIds)
        every_image = set(images) == set(truth.getImgIds())
        every_category = categories == sorted(truth.getCatIds()) or (
            bool(params.useCats) and set(categories) == set(truth.getCatIds())
        )
        return None if every_image else images, None if every_category else categories

    def _both(self) -> tuple[COCO, COCO]:
        if self.cocoGt is None or self.cocoDt is None:
            raise ValueError("cocoGt and cocoDt are needed: the annotations, and what cocoGt.loadRes gives")
        return ours(self.cocoGt), ours(self.cocoDt)

    def _prepare(self) -> None:
        """Sorts ground truths and detections by image and category, under ``params``."""
        self._prepare_for(self.params)

    def _prepare_for(self, params: Params) -> None:
        truth, results = self._both()
        categories = params.catIds if params.useCats else []
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        for data_set, table in ((truth, self._gts), (results, self._dts)):
            for ann in data_set.loadAnns(data_set.getAnnIds(imgIds=params.imgIds, catIds=categories)):
                if params.iouType == "segm":
                    ann["segmentation"] = data_set.annToRLE(ann)
                if data_set is truth:
                    ann["ignore"] = ann.get("iscrowd", False)
                    if params.iouType == "keypoints":
                        ann["ignore"] = ann["num_keypoints"] == 0 or ann["ignore"]
                table[ann["image_id"], ann["category_id"]].append(ann)
        self._prepared = True

    def _of(self, params: Params, image: Id, category: Id) -> tuple[list[Entry], list[Entry]]:
        """Ground truths and detections of an image and category, or of all categories."""
        if not self._prepared:
            self._prepare_for(self._paramsEval)
        categories = [category] if params.useCats else params.catIds
        truths = [ann for each in categories for ann in self._gts.get((image, each), [])]
        return truths, [ann for each in categories for ann in self._dts.get((image, each), [])]

    # Outcomes of images

    @property
    def ious(self) -> Any:
        """IoU of detections (D), in order of score, and ground truths (G) by image and category."""
        if self._ious is None:
            params = self._paramsEval
            categories = params.catIds if params.useCats else [-1]
            self._ious = {
                (image, category): self._overlaps(params, image, category)
                for image in params.imgIds
                for category in categories
            }
        return self._ious

    @ious.setter
    def ious(self, ious: Any) -> None:
        self._ious = ious

    @property
    def evalImgs(self) -> Any:
        """Outcomes by category, area range and image, in this nesting."""
        if self._cells is None:
            if not self._evaluated:
                return defaultdict(list)
            params = self._paramsEval
            self._cells = [
                self._outcome(params, image, category, area, params.maxDets[-1])
                for category in (params.catIds if params.useCats else [-1])
                for area in params.areaRng
                for image in params.imgIds
            ]
        return self._cells

    @evalImgs.setter
    def evalImgs(self, cells: Any) -> None:
        self._cells = cells

    def computeIoU(self, imgId: Id, catId: Id) -> Any:
        """IoU of an image's detections and ground truths of a category: (D, G), or an empty list."""
        return self._overlaps(self.params, imgId, catId)

    def _overlaps(self, params: Params, image: Id, category: Id) -> Any:
        truths, detections = self._of(params, image, category)
        if params.iouType == "keypoints":
            if not params.useCats:
                # pycocotools looks for key points of a category of their own there, and compares none.
                return []
            kept = [detections[place] for place in _cells.by_score(detections)[: params.maxDets[-1]]]
            return _points.similarities(kept, truths, np.asarray(params.kpt_oks_sigmas))
        if not truths and not detections:
            return []
        best = _cells.by_score(detections)[: params.maxDets[-1]]
        shape = "segmentation" if params.iouType == "segm" else "bbox"
        return mask.iou(
            [detections[place][shape] for place in best],
            [truth[shape] for truth in truths],
            [int(truth["iscrowd"]) for truth in truths],
        )

    def computeOks(self, imgId: Id, catId: Id) -> Any:
        """Similarity of an image's detections and ground truths of a category by their key points: (D, G), or an empty
        list."""
        return self._overlaps(self.params, imgId, catId)

    def evaluateImg(self, imgId: Id, catId: Id, aRng: Sequence[float], maxDet: int) -> Cell:
        """The outcome of a category on an image for an area range and a limit; ``None`` where there is nothing."""
        return self._outcome(self.params, imgId, catId, aRng, maxDet)

    def _outcome(self, params: Params, image: Id, category: Id, area: Sequence[float], limit: int) -> Cell:
        truths, detections = self._of(params, image, category)
        if not truths and not detections:
            return None
        cell = _cells.judge(truths, detections, self.ious[image, category], params.iouThrs, area, limit)
        return {"image_id": image, "category_id": category, "aRng": area, "maxDet": limit, **cell}

    # Accumulating

    def accumulate(self, p: Params | None = None) -> None:
        """Draws precision and recall from the outcomes.

        Args:
            p: Parameters that take a part of what was evaluated; ``params`` by default.
        """
        started = time.time()
        print("Accumulating evaluation results...")
        if not self._evaluated and (self._cells is None or len(self._cells) == 0):
            print("Please run evaluate() first")
        params = self.params if p is None else p
        params.catIds = params.catIds if params.useCats == 1 else [-1]
        shape = [len(each) for each in (params.iouThrs, params.recThrs, params.catIds, params.areaRng, params.maxDets)]
        if self._pair is not None and self._cells is None and self._untouched(params):
            precision, recall, scores = self._pair.arrays(
                [float(threshold) for threshold in params.iouThrs],
                [float(threshold) for threshold in params.recThrs],
                [int(limit) for limit in params.maxDets],
                [(float(low), float(high)) for low, high in params.areaRng],
            )
        else:
            precision, recall, scores = _cells.accumulate(self.evalImgs, params, self._paramsEval)
        self.eval = {
            "params": params,
            "counts": shape,
            "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "precision": precision,
            "recall": recall,
            "scores": scores,
        }
        print(f"DONE (t={time.time() - started:0.2f}s).")

    def _untouched(self, params: Params) -> bool:
        """Whether everything that was evaluated is asked for, within what the library can hold."""
        then = self._paramsEval
        same = all(
            np.array_equal(np.asarray(getattr(params, name)), np.asarray(getattr(then, name)))
            for name in ("imgIds", "iouThrs", "areaRng", "maxDets", "useCats")
        )
        categories = not params.useCats or list(params.catIds) == list(then.catIds)
        return same and categories and 0 < len(params.iouThrs) <= 64 and 0 < len(params.areaRng) <= 32

    # Summing up

    def summarize(self) -> None:
        """Prints the twelve numbers, or the ten of key points, and keeps them in ``stats``."""
        if not self.eval:
            raise Exception("Please run accumulate() first")
        rows = of_key_points() if self.params.iouType == "keypoints" else of_boxes(self.params.maxDets)
        stats = np.zeros((len(rows),))
        for place, row in enumerate(rows):
            stats[place] = self._summarize(**row)
        self.stats = stats

    def _summarize(
        self, ap: bool, iouThr: float | None = None, areaRng: str = "all", maxDets: int = 100
    ) -> float | np.floating[Any]:
        """Prints and gives one number: the mean of precision or recall, where there is any."""
        params = self.params
        areas = [place for place, label in enumerate(params.areaRngLbl) if label == areaRng]
        limits = [place for place, limit in enumerate(params.maxDets) if limit == maxDets]
        values: NDArray[np.float64] = self.eval["precision" if ap else "recall"]
        if iouThr is not None:
            values = values[np.where(iouThr == params.iouThrs)[0]]
        values = values[..., areas, limits] if len(limits) == len(areas) == 1 else values[..., areas, :][..., limits]
        valid = values[values > -1]
        mean = np.mean(valid) if len(valid) else -1
        title, kind = ("Average Precision", "(AP)") if ap else ("Average Recall", "(AR)")
        thresholds = f"{iouThr:0.2f}" if iouThr is not None else f"{params.iouThrs[0]:0.2f}:{params.iouThrs[-1]:0.2f}"
        print(f" {title:<18} {kind} @[ IoU={thresholds:<9} | area={areaRng:>6s} | maxDets={maxDets:>3d} ] = {mean:0.3f}")
        return mean

    def __str__(self) -> str:
        self.summarize()
        return ""


def of_boxes(limits: Sequence[int]) -> list[dict[str, Any]]:
    """The twelve numbers of boxes and masks."""
    return [
        {"ap": True},
        {"ap": True, "iouThr": 0.5, "maxDets": limits[2]},
        {"ap": True, "iouThr": 0.75, "maxDets": limits[2]},
        *({"ap": True, "areaRng": area, "maxDets": limits[2]} for area in ("small", "medium", "large")),
        *({"ap": False, "maxDets": limits[place]} for place in range(3)),
        *({"ap": False, "areaRng": area, "maxDets": limits[2]} for area in ("small", "medium", "large")),
    ]


def of_key_points() -> list[dict[str, Any]]:
    """The ten numbers of key points."""
    kinds: list[dict[str, Any]] = [{}, {"iouThr": 0.5}, {"iouThr": 0.75}, {"areaRng": "medium"}, {"areaRng": "large"}]
    return [{"ap": ap, "maxDets": 20, **kind} for ap in (True, False) for kind in kinds]


def ours(data_set: Any) -> COCO:
    """A data set of another package, such as pycocotools, as one of ours."""
    if isinstance(data_set, COCO):
        return data_set
    made = COCO()
    made.dataset = data_set.dataset
    return made


def plain(ids: Sequence[Any]) -> list[Id]:
    """Ids as Python's own values."""
    return [id.item() if isinstance(id, np.generic) else id for id in ids]
