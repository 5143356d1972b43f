"""COCO data sets: :class:`COCO` in place of ``pycocotools.coco.COCO``, with its attributes and methods.

A file is read by the library at once, which is enough to evaluate it, and turned into Python's dictionaries only when
somebody looks at them.
"""

from __future__ import annotations

import copy
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rcnn import _arguments, _rcnn, mask
from rcnn._download import download
from rcnn._json import as_json, read_json, typed
from rcnn._results import MismatchError, mismatch, read_results, results_as_data_set
from rcnn.errors import EvaluateError, ForkError

Id: TypeAlias = "int | str"
Entry: TypeAlias = "dict[str, Any]"
# One id, or several.
IdOrIds: TypeAlias = "Id | Sequence[Id]"


def listed(value: Any) -> list[Any]:
    """A list of what may be one or several."""
    many = hasattr(value, "__iter__") and hasattr(value, "__len__") and not isinstance(value, str)
    return list(value) if many else [value]


class COCO:
    """A COCO data set, with the attributes and methods of ``pycocotools.coco.COCO``.

    Args:
        annotation_file: A data set in JSON, packed with gzip or not; an empty data set without.

    Attributes:
        dataset: The file's content. May be set, and followed by :meth:`createIndex`.
        anns, imgs, cats: Annotations, images and categories by their ids.
        imgToAnns, catToImgs: Annotations of each image, and ids of the images of each category.
    """

    _file: str | None
    _dataset: dict[str, Any] | None
    _index: dict[str, Any] | None
    # What the library has read of the file, as long as nobody may have changed the dictionaries.
    _set: _rcnn.CocoSet | None
    # Results that nobody has looked at yet, the data set that they belong to, and what the library has read of them.
    _results: str | list[Entry] | NDArray[np.float64] | None
    _parent: COCO | None
    _rows: _rcnn.CocoRows | None
    _pair: tuple[_rcnn.CocoSet, _rcnn.CocoPair] | None

    def __init__(self, annotation_file: str | os.PathLike[str] | None = None) -> None:
        self._clear()
        if annotation_file is None:
            self.dataset = {}
            self._fill_index({})
            return
        self._file = _arguments.path("annotation_file", annotation_file)
        print("loading annotations into memory...")
        started = time.time()
        try:
            self._set = _rcnn.CocoSet.open(self._file)
        except (EvaluateError, ForkError):
            # Python's reader decides, and says what pycocotools' users know.
            self._load()
        print(f"Done (t={time.time() - started:0.2f}s)")
        print("creating index...")
        print("index created!")

    def _clear(self) -> None:
        self._file = self._dataset = self._index = None
        self._forget()

    def _forget(self) -> None:
        """The dictionaries are in people's hands, and what was read of the files may differ from them by now."""
        self._set = self._results = self._parent = self._rows = self._pair = None

    # The dictionaries

    @property
    def dataset(self) -> dict[str, Any]:
        """The file's content."""
        if self._dataset is None:
            self._load()
        assert self._dataset is not None
        return self._dataset

    @dataset.setter
    def dataset(self, dataset: dict[str, Any]) -> None:
        self._forget()
        self._dataset = dataset

    @property
    def anns(self) -> dict[Id, Entry]:
        """Annotations by id."""
        table: dict[Id, Entry] = self._part("anns")
        return table

    @anns.setter
    def anns(self, anns: dict[Id, Entry]) -> None:
        self._put("anns", anns)

    @property
    def imgs(self) -> dict[Id, Entry]:
        """Images by id."""
        table: dict[Id, Entry] = self._part("imgs")
        return table

    @imgs.setter
    def imgs(self, imgs: dict[Id, Entry]) -> None:
        self._put("imgs", imgs)

    @property
    def cats(self) -> dict[Id, Entry]:
        """Categories by id."""
        table: dict[Id, Entry] = self._part("cats")
        return table

    @cats.setter
    def cats(self, cats: dict[Id, Entry]) -> None:
        self._put("cats", cats)

    @property
    def imgToAnns(self) -> dict[Id, list[Entry]]:
        """Annotations of each image."""
        table: dict[Id, list[Entry]] = self._part("imgToAnns")
        return table

    @imgToAnns.setter
    def imgToAnns(self, imgToAnns: dict[Id, list[Entry]]) -> None:
        self._put("imgToAnns", imgToAnns)

    @property
    def catToImgs(self) -> dict[Id, list[Id]]:
        """Ids of the images of each category, once for every annotation."""
        table: dict[Id, list[Id]] = self._part("catToImgs")
        return table

    @catToImgs.setter
    def catToImgs(self, catToImgs: dict[Id, list[Id]]) -> None:
        self._put("catToImgs", catToImgs)

    def createIndex(self) -> None:
        """Makes the tables anew from ``dataset``."""
        print("creating index...")
        self._fill_index(self.dataset)
        print("index created!")

    def info(self) -> None:
        """Prints the data set's ``info``."""
        for key, value in self.dataset["info"].items():
            print(f"{key}: {value}")

    def _part(self, name: str) -> Any:
        if self._index is None:
            self._fill_index(self.dataset)
        assert self._index is not None
        return self._index[name]

    def _put(self, name: str, table: Any) -> None:
        self._part(name)
        assert self._index is not None
        self._index[name] = table

    def _load(self) -> None:
        results, parent = self._results, self._parent
        if results is not None and parent is not None:
            self._forget()
            self._dataset = results_as_data_set(parent, read_results(results))
        elif self._file is not None:
            content = read_json(self._file)
            assert isinstance(content, dict), f"annotation file format {type(content)} not supported"
            self._forget()
            self._dataset = content
            self._fill_index(content)

    def _fill_index(self, dataset: dict[str, Any]) -> None:
        anns, imgs, cats = ({}, {}, {})  # type: tuple[dict[Id, Entry], dict[Id, Entry], dict[Id, Entry]]
        img_to_anns: dict[Id, list[Entry]] = defaultdict(list)
        cat_to_imgs: dict[Id, list[Id]] = defaultdict(list)
        for ann in dataset.get("annotations", ()):
            img_to_anns[ann["image_id"]].append(ann)
            anns[ann["id"]] = ann
        for img in dataset.get("images", ()):
            imgs[img["id"]] = img
        for cat in dataset.get("categories", ()):
            cats[cat["id"]] = cat
        if "annotations" in dataset and "categories" in dataset:
            for ann in dataset["annotations"]:
                cat_to_imgs[ann["category_id"]].append(ann["image_id"])
        self._index = {
            "anns": anns,
            "imgs": imgs,
            "cats": cats,
            "imgToAnns": img_to_anns,
            "catToImgs": cat_to_imgs,
        }

    # Looking things up

    def getAnnIds(
        self,
        imgIds: IdOrIds = (),
        catIds: IdOrIds = (),
        areaRng: Sequence[float] = (),
        iscrowd: bool | int | None = None,
    ) -> list[Id]:
        """Ids of annotations of any of some images and of any of some categories, with an area between two, that are
        crowds or are none; of all where nothing is asked for."""
        images, categories = listed(imgIds), set(listed(catIds))
        if images:
            tables = self.imgToAnns
            anns: Iterable[Entry] = chain.from_iterable(tables[image] for image in images if image in tables)
        else:
            anns = self.dataset["annotations"]
        if categories:
            anns = (ann for ann in anns if ann["category_id"] in categories)
        if len(areaRng) > 0:
            anns = (ann for ann in anns if areaRng[0] < ann["area"] < areaRng[1])
        if iscrowd is not None:
            anns = (ann for ann in anns if ann["iscrowd"] == iscrowd)
        return [ann["id"] for ann in anns]

    def getCatIds(
        self,
        catNms: str | Sequence[str] = (),
        supNms: str | Sequence[str] = (),
        catIds: IdOrIds = (),
    ) -> list[Id]:
        """Ids of categories by names, supercategories' names and ids; of all where nothing is asked for."""
        wanted = {"name": names(catNms), "supercategory": names(supNms), "id": listed(catIds)}
        wanted = {key: values for key, values in wanted.items() if values}
        if not wanted and self._set is not None:
            ids = self._set.category_ids()
            if ids is not None:
                return list(ids)
        cats: list[Entry] = self.dataset["categories"]
        return [cat["id"] for cat in cats if all(cat[key] in values for key, values in wanted.items())]

    def getImgIds(self, imgIds: IdOrIds = (), catIds: IdOrIds = ()) -> list[Id]:
        """Ids of those of some images on which all of some categories are; of all where nothing is asked for."""
        images, categories = listed(imgIds), listed(catIds)
        if not images and not categories:
            ids = self._set.image_ids() if self._set is not None else None
            return list(self.imgs) if ids is None else list(dict.fromkeys(ids))
        found = set(images)
        for place, category in enumerate(categories):
            on = set(self.catToImgs[category])
            found = on if place == 0 and not found else found & on
        return list(found)

    def loadAnns(self, ids: IdOrIds = ()) -> list[Entry]:
        """Annotations by their ids."""
        return [self.anns[id] for id in listed(ids)]

    def loadCats(self, ids: IdOrIds = ()) -> list[Entry]:
        """Categories by their ids."""
        return [self.cats[id] for id in listed(ids)]

    def loadImgs(self, ids: IdOrIds = ()) -> list[Entry]:
        """Images by their ids."""
        return [self.imgs[id] for id in listed(ids)]

    # Results

    def loadRes(self, resFile: str | os.PathLike[str] | list[Entry] | NDArray[np.float64]) -> COCO:
        """Results as a data set of their own, to be evaluated against this one.

        Args:
            resFile: A file of COCO results, a list of dictionaries, or an array of (N, 7): image id, x, y, width,
                height, score, category id.

        Raises:
            MismatchError: Some results are on images that this data set does not have.
        """
        print("Loading and preparing results...")
        started = time.time()
        if isinstance(resFile, (list, np.ndarray)):
            results: str | list[Entry] | NDArray[np.float64] = resFile
        else:
            results = _arguments.path("resFile", resFile)
        loaded = COCO()
        loaded._clear()
        loaded._parent, loaded._results = self, results
        if not loaded._read_plainly(self):
            # As pycocotools does it, with what it says.
            loaded._load()
            self._check_images(loaded.dataset["annotations"])
        print(f"DONE (t={time.time() - started:0.2f}s)")
        return loaded

    def loadNumpyAnnotations(self, data: NDArray[np.float64]) -> list[Entry]:
        """Results of an array of (N, 7): image id, x, y, width, height, score, category id."""
        print("Converting ndarray to lists...")
        return read_results(data)

    def _read_plainly(self, parent: COCO) -> bool:
        """Has the library read the results; nothing comes of it where they are not boxes written in the usual way."""
        results, of = self._results, parent.native_set()
        if of is None:
            return False
        if isinstance(results, str):
            try:
                pair = _rcnn.CocoPair(of, results, None, None, True)
            except (EvaluateError, ForkError):
                return False
            is_list, count, one = pair.noticed()
            if not is_list:
                return False
            if count:
                raise MismatchError(mismatch(f"{count} results are on images that are", one))
            self._pair = of, pair
            return True
        if isinstance(results, np.ndarray) and results.ndim == 2 and results.shape[1] == 7:
            self._rows = _rcnn.CocoRows.of_array(np.ascontiguousarray(results, dtype=np.float64))
        elif isinstance(results, list) and results:
            self._rows = _rcnn.CocoRows.of(results, False)
        if self._rows is None:
            return False
        foreign, image = self._rows.unknown(of)
        if foreign:
            raise MismatchError(mismatch(f"{foreign} results are on images that are", str(image)))
        return True

    # What the library evaluates

    def native_set(self) -> _rcnn.CocoSet | None:
        """The data set for the library; ``None`` where only its reader of JSON understands what stands in it."""
        if self._set is not None:
            return self._set
        dataset = self.dataset
        tables = [dataset.get(key, []) for key in ("images", "categories", "annotations")]
        if "images" not in dataset or not all(isinstance(table, list) for table in tables):
            return None
        return _rcnn.CocoSet.of(*tables)

    def native_pair(
        self, truth: COCO, images: list[Id] | None, categories: list[Id] | None, use_categories: bool
    ) -> _rcnn.CocoPair:
        """These results with the data set that they belong to, on some images and categories or on all."""
        with ExitStack() as files:
            of = truth.native_set()
            if of is None:
                of = _rcnn.CocoSet.open(files.enter_context(as_json(truth.dataset)))
            if self._pair is not None and self._pair[0] is of and images is categories is None and use_categories:
                return self._pair[1]
            results = self._native_results() or files.enter_context(as_json(self.dataset.get("annotations", [])))
            return _rcnn.CocoPair(of, results, typed(images), typed(categories), use_categories)

    def untouched_file(self) -> str | None:
        """The file that this data set, or these results, are, as long as nobody may have changed the dictionaries."""
        if self._set is not None:
            return self._file
        return self._results if isinstance(self._results, str) else None

    def _native_results(self) -> str | _rcnn.CocoRows | None:
        if self._rows is not None:
            return self._rows
        if isinstance(self._results, str):
            return self._results
        annotations = self.dataset.get("annotations", [])
        if not isinstance(annotations, list):
            return None
        # The area is a result's own, as whoever made the data set may have had others than boxes in mind.
        return _rcnn.CocoRows.of(annotations, True)

    def _check_images(self, results: list[Entry]) -> None:
        known = set(self.getImgIds())
        unknown = {entry["image_id"] for entry in results} - known
        if unknown:
            raise MismatchError(mismatch(f"{len(unknown)} images of the results are", repr(next(iter(unknown)))))

    # Masks and pictures

    def download(self, tarDir: str | os.PathLike[str] | None = None, imgIds: IdOrIds = ()) -> None:
        """Downloads images from their ``coco_url``, those that are not there yet.

        Args:
            tarDir: The folder; made where it is not there.
            imgIds: Ids of images; all by default.

        Raises:
            Error: An image has no address, or cannot be fetched.
        """
        if tarDir is None:
            raise ValueError("tarDir: a folder for the images is needed")
        wanted = listed(imgIds)
        download(_arguments.path("tarDir", tarDir), self.loadImgs(wanted) if wanted else list(self.imgs.values()))

    def annToRLE(self, ann: Entry) -> Any:
        """The annotation's mask as compressed run lengths."""
        image = self.imgs[ann["image_id"]]
        height, width, segmentation = image["height"], image["width"], ann["segmentation"]
        if isinstance(segmentation, list):
            return mask.merge(mask.frPyObjects(segmentation, height, width))
        if isinstance(segmentation["counts"], list):
            return mask.frPyObjects(segmentation, height, width)
        return segmentation

    def annToMask(self, ann: Entry) -> NDArray[np.uint8]:
        """The annotation's mask: (height, width) uint8, 1 inside."""
        return mask.decode(self.annToRLE(ann))

    def showAnns(self, anns: list[Entry], draw_bbox: bool = False) -> None:
        """Draws annotations into matplotlib's current axes, over the picture that was shown there."""
        from rcnn._show import show

        show(self, anns, draw_bbox)

    def __getstate__(self) -> dict[str, Any]:
        dataset = self.dataset
        return {"dataset": dataset}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._clear()
        self._dataset = state["dataset"]

    def __deepcopy__(self, memo: dict[int, Any]) -> COCO:
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update({key: copy.deepcopy(value, memo) for key, value in self.__dict__.items()})
        return new


def names(value: str | Sequence[str]) -> list[str]:
    """Names that may be one or several."""
    return [value] if isinstance(value, str) else list(value)
