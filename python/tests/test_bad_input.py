"""What no argument can be: a TypeError or ValueError that names it, or an error of ours; never a panic."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PHOTOS, ROOT

import rcnn

# numpy says so where a complex number loses a part.
pytestmark = pytest.mark.filterwarnings("ignore:Casting complex")


class Liar(dict):  # type: ignore[type-arg]
    """A dictionary that fails when somebody looks into it."""

    def __getitem__(self, key: object) -> object:
        raise RuntimeError("no")

    def get(self, *_: object) -> object:
        raise RuntimeError("no")


class Number:
    """What says that it is a number, a path and a sequence, and is none."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __fspath__(self) -> str:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, place: int) -> object:
        raise RuntimeError("no")


def failing() -> Iterator[Any]:
    """One photo, and then an error."""
    yield PHOTOS[0]
    raise RuntimeError("no more photos")


def closed() -> Any:
    file = io.BytesIO(b"")
    file.close()
    return file


def endless() -> Any:
    """An array of a terabyte in one byte of memory."""
    return np.broadcast_to(np.zeros(1, np.uint8), (2**20, 2**20, 3))


# Made anew for every test, as some can be used once.
HOSTILE: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "number": lambda: 5,
    "negative": lambda: -1,
    "large": lambda: 2**70,
    "nan": lambda: float("nan"),
    "infinite": lambda: float("inf"),
    "empty": lambda: "",
    "no unicode": lambda: "\ud800",
    "nul": lambda: "a\0b",
    "bytes": lambda: b"\xff\x00",
    "object": object,
    "list": list,
    "list of nothing": lambda: [None],
    "nested": lambda: [[[[]]]],
    "dictionary": dict,
    "liar": lambda: Liar(id=1, image_id=1, category_id=1, bbox=[0, 0, 1, 1], score=1),
    "liars": lambda: [Liar(id=1, image_id=1, category_id=1, bbox=[0, 0, 1, 1], score=1)],
    "number that is none": Number,
    "generator": failing,
    "closed file": closed,
    "floats": lambda: np.zeros((4, 4, 3)),
    "backwards": lambda: np.zeros((6, 5, 3), np.uint8)[::-1, ::-2],
    "no pixels": lambda: np.zeros((0, 5, 3), np.uint8),
    "no axes": lambda: np.zeros((), np.uint8),
    "many axes": lambda: np.zeros((1,) * 30, np.uint8),
    "objects": lambda: np.array([[None, object()]], dtype=object),
    "complex": lambda: np.zeros((3, 7), complex),
    "huge": endless,
    "released": lambda: released(),
}


def released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A data set and results on it, in files and as values."""
    folder = tmp_path_factory.mktemp("files")
    box = {"image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 5.0, 6.0]}
    dataset = {
        "images": [{"id": 1, "width": 20, "height": 20}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{**box, "id": 1, "area": 30.0, "iscrowd": 0, "segmentation": [[1, 2, 6, 2, 6, 8, 1, 8]]}],
    }
    results = [{**box, "score": 0.5}]
    for name, content in (("gt.json", dataset), ("dt.json", results)):
        (folder / name).write_text(json.dumps(content))
    return {"gt": str(folder / "gt.json"), "dt": str(folder / "dt.json"), "dataset": dataset, "results": results}


def quietly(work: Callable[[], Any]) -> None:
    """Works; whatever is raised must be an exception of Python's ordinary kind, and none of our own mistakes."""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            work()
        except rcnn.InternalError:
            raise
        except Exception:
            pass


def evaluated(truth: rcnn.COCO, results: rcnn.COCO, kind: str, **params: Any) -> None:
    evaluation = rcnn.COCOeval(truth, results, kind)
    vars(evaluation.params).update(params)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    evaluation.evalImgs, evaluation.ious


@pytest.mark.parametrize("name", HOSTILE)
def test_no_argument_of_evaluation_makes_it_panic(name: str, files: dict[str, Any]) -> None:
    def bad() -> Any:
        return HOSTILE[name]()

    quietly(lambda: rcnn.COCO(bad()))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = rcnn.COCO(files["gt"])
        results = truth.loadRes(files["dt"])
    quietly(lambda: truth.loadRes(bad()))
    quietly(lambda: truth.loadNumpyAnnotations(bad()))
    for method in ("getAnnIds", "getCatIds", "getImgIds", "loadAnns", "loadCats", "loadImgs", "annToRLE", "annToMask"):
        quietly(lambda: getattr(truth, method)(bad()))
    quietly(lambda: truth.getAnnIds(areaRng=bad()))
    quietly(lambda: rcnn.COCOeval(bad(), bad(), "bbox").evaluate())
    quietly(lambda: rcnn.COCOeval(iouType=bad()))
    for kind in ("bbox", "segm"):
        for parameter in vars(rcnn.Params("bbox")):
            quietly(lambda: evaluated(truth, results, kind, **{parameter: bad()}))
            quietly(lambda: evaluated(truth, results, kind, **{parameter: [bad()]}))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("table", ["annotations", "images", "categories", "results"])
def test_no_content_of_dictionaries_makes_it_panic(name: str, table: str, files: dict[str, Any]) -> None:
    content = {**files["dataset"], "results": files["results"]}

    def work(changed: dict[str, Any]) -> None:
        truth = rcnn.COCO()
        truth.dataset = {key: changed[key] for key in ("images", "categories", "annotations")}
        truth.createIndex()
        evaluated(truth, truth.loadRes(changed["results"]), "bbox")

    quietly(lambda: work({**content, table: HOSTILE[name]()}))
    quietly(lambda: work({**content, table: [HOSTILE[name]()]}))
    for key in content[table][0]:
        quietly(lambda: work({**content, table: [{**content[table][0], key: HOSTILE[name]()}]}))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_argument_of_masks_makes_them_panic(name: str) -> None:
    def bad() -> Any:
        return HOSTILE[name]()

    good = rcnn.mask.encode(np.ones((3, 3), np.uint8))
    # Pixels of a terabyte are what numpy refuses or the system does not have.
    for function in ("area", "decode", "encode", "merge", "toBbox"):
        if name != "huge":
            quietly(lambda: getattr(rcnn.mask, function)(bad()))
            quietly(lambda: getattr(rcnn.mask, function)([bad()]))
    for key in ("size", "counts"):
        quietly(lambda: rcnn.mask.decode({**good, key: bad()}))
    if name == "huge":
        return
    quietly(lambda: rcnn.mask.iou(bad(), bad(), bad()))
    quietly(lambda: rcnn.mask.iou([good], [good], bad()))
    quietly(lambda: rcnn.mask.iou([[0, 0, 1, 1]], bad(), [0]))
    quietly(lambda: rcnn.mask.iou(bad(), [[0, 0, 1, 1]], [0]))
    quietly(lambda: rcnn.mask.frPyObjects(bad(), 3, 3))
    quietly(lambda: rcnn.mask.frPyObjects([bad()], 3, 3))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_argument_of_detection_makes_it_panic(
    name: str, detector: rcnn.Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def bad() -> Any:
        return HOSTILE[name]()

    for work in (
        lambda: detector.detect(bad()),
        lambda: detector.detect([bad()], errors="return"),
        lambda: detector.stream(PHOTOS, errors=bad()),
        lambda: list(detector.stream(bad())),
        lambda: list(detector.stream([bad()], errors="return")),
        lambda: detector.run(bad(), "out", draw_score=None),
        lambda: detector.run(PHOTOS[0], bad(), draw_score=None),
        lambda: rcnn.to_row(bad()),
    ):
        quietly(work)
    found = detector.detect(PHOTOS[0])
    for work in (lambda: found.plot(bad()), lambda: found.plot(score=bad()), lambda: found.to_coco(bad())):
        quietly(work)
    for argument in ("model", "device", "precision", "score", "threads", "sessions", "nms", "max_detections", "augment", "refine"):
        if not (argument == "threads" and name in ("nothing", "number")):
            quietly(lambda: rcnn.Detector(**{argument: bad()}))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_argument_of_commands_makes_them_panic(
    name: str, files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def bad() -> Any:
        return HOSTILE[name]()

    quietly(lambda: rcnn.evaluate(bad(), files["dt"]))
    quietly(lambda: rcnn.evaluate(files["gt"], bad()))
    for option in (
        "max_dets iou_thresholds recall_thresholds area_ranges category_ids image_ids class_agnostic lvis bootstrap seed tide"
    ).split():
        if name != "huge":
            quietly(lambda: rcnn.evaluate(files["gt"], files["dt"], **{option: bad()}))
    quietly(lambda: rcnn.compare(bad(), [files["dt"]]))
    quietly(lambda: rcnn.compare(files["gt"], bad()))
    quietly(lambda: rcnn.inspect(bad()))
    quietly(lambda: rcnn.inspect("fod-r18", size=bad()))
    quietly(lambda: rcnn.import_checkpoint(bad(), "out"))
    quietly(lambda: rcnn.import_checkpoint(files["gt"], bad()))
    quietly(lambda: rcnn.convert(bad(), "out"))
    quietly(lambda: rcnn.convert(files["gt"], bad()))
    quietly(lambda: rcnn.convert(files["gt"], "out", to=bad()))


FOD = ROOT / "models/fod-r18"
NAMED: list[tuple[Callable[[Any], Any], str, list[Any]]] = [
    (lambda bad: rcnn.Detector(bad), "model: ", [None, 5, b"fod-r18", "\ud800", "a\0b"]),
    (lambda bad: rcnn.Detector(device=bad), "device: ", [None, 5, b"cpu", "tpu", "\ud800"]),
    (lambda bad: rcnn.Detector(precision=bad), "precision: ", [None, 5, "sloppy"]),
    (lambda bad: rcnn.Detector(score=bad), "score: ", ["0.5", [], float("nan"), -0.1, 1.1, 2**2000]),
    (lambda bad: rcnn.Detector(threads=bad), "threads: ", [0, -1, 2**70, 1.5, "2", True, 100_000]),
    (lambda bad: rcnn.Detector(sessions=bad), "sessions: ", [None, 0, 2**70, "2"]),
    (lambda bad: rcnn.Detector(nms=bad), "nms: ", ["0.5", float("nan"), 2]),
    (lambda bad: rcnn.Detector(max_detections=bad), "max_detections: ", [0, 2**70, 1.5, True]),
    (lambda bad: rcnn.Detector(augment=bad), "augment: ", [None, "sideways", 2]),
    (lambda bad: rcnn.Detector(refine=bad), "refine: ", [None, 1, "yes"]),
    (lambda bad: rcnn.COCO(bad), "annotation_file: ", [5, b"gt.json", {}, "a\0b"]),
    (lambda bad: rcnn.COCO().loadRes(bad), "resFile: ", [None, 5, {}, b"dt.json", "\ud800"]),
    (lambda bad: rcnn.COCO().download(bad), "tarDir: ", [None, 5, "\ud800"]),
    (lambda bad: rcnn.evaluate(bad, "dt.json"), "annotations: ", [None, 5, b"gt.json", "\ud800"]),
    (lambda bad: rcnn.evaluate("gt.json", bad), "results: ", [None, 5, []]),
    (lambda bad: rcnn.evaluate("gt.json", "dt.json", area_ranges=bad), "area_ranges: ", [5, [1, 2], {"all": 5}]),
    (lambda bad: rcnn.evaluate("gt.json", "dt.json", max_dets=bad), "max[-_]dets", ["many", b"1", object(), -1]),
    (lambda bad: rcnn.evaluate("gt.json", "dt.json", category_ids=bad), "category_ids: ", [b"1", ["\ud800"]]),
    (lambda bad: rcnn.compare(bad, []), "annotations: ", [None, 5]),
    (lambda bad: rcnn.compare("gt.json", bad), "models: ", [None, 5, b"x", [5]]),
    (lambda bad: rcnn.compare("gt.json", ["a"], bad), "photos: ", [5, [5]]),
    (lambda bad: rcnn.inspect(bad), "model: ", [None, 5]),
    (lambda bad: rcnn.inspect("fod-r18", size=bad), "size: ", [5, (1,), (0, 5), ("a", "b"), (2**70, 5)]),
    (lambda bad: rcnn.import_checkpoint(bad, "out"), "checkpoint: ", [None, 5]),
    (lambda bad: rcnn.import_checkpoint("a.pth", bad), "out: ", [None, 5, "a\0b"]),
    (lambda bad: rcnn.import_checkpoint("a.pth", "out", family=bad), "family: ", [5, "\ud800"]),
    (lambda bad: rcnn.convert(bad, "out"), "source: ", [None, 5]),
    (lambda bad: rcnn.convert("a.json", bad), "out: ", [None, 5]),
    (lambda bad: rcnn.convert("a.json", "out", score=bad), "score: ", ["high", 5, float("nan")]),
]


@pytest.mark.parametrize(
    ("call", "words", "bad"), [(call, words, bad) for call, words, values in NAMED for bad in values]
)
def test_an_argument_that_cannot_be_meant_is_named(call: Callable[[Any], Any], words: str, bad: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises((TypeError, ValueError), match=words):
        call(bad)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"photos": 5}, "photos: "),
        ({"photos": [5]}, "photos: "),
        ({"out": None}, "out: "),
        ({"annotations": 5}, "annotations: "),
        ({"draw_score": 1.5}, "draw_score: "),
        ({"draw_score": "high"}, "draw_score: "),
        ({"shard": 1}, "shard: "),
        ({"shard": "1 of 2"}, "shard: "),
        ({"progress": 5}, "progress: "),
        ({"note": "a"}, "note: "),
    ],
)
def test_an_argument_of_a_run_is_named(
    detector: rcnn.Detector, tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        detector.run(**{"photos": PHOTOS[0], "out": tmp_path / "out", **arguments})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("photos", [5, None, "photo.jpg", b"photo", object()])
def test_a_stream_needs_several_photos(detector: rcnn.Detector, photos: Any) -> None:
    with pytest.raises(TypeError, match="photos: "):
        detector.stream(photos)


def test_what_came_before_an_error_of_the_caller_is_finished(detector: rcnn.Detector) -> None:
    stream = detector.stream(failing())
    assert len(next(stream)) > 3
    with pytest.raises(RuntimeError, match="no more photos"):
        next(stream)


def test_paths_that_cannot_be_are_photos_that_fail(detector: rcnn.Detector) -> None:
    for path in ("a\0b", "\ud800"):
        (error,) = detector.detect([path], errors="return")
        assert isinstance(error, rcnn.PhotoError) and (error.kind, error.path) == ("unreadable", path)
    with pytest.raises(rcnn.PhotoError):
        detector.detect("a\0b")


def test_a_picture_of_pil_that_cannot_be_read_is_told(detector: rcnn.Detector, tmp_path: Path) -> None:
    from PIL import Image

    cut = tmp_path / "cut.jpg"
    cut.write_bytes(PHOTOS[0].read_bytes()[:6000])
    good, bad = detector.detect([PHOTOS[0], Image.open(cut)], errors="return")
    assert isinstance(good, rcnn.Detections)
    assert isinstance(bad, rcnn.PhotoError) and (bad.kind, bad.path) == ("truncated", str(cut))
    closed_picture = Image.open(PHOTOS[0])
    closed_picture.load()
    closed_picture.close()
    with pytest.raises(ValueError, match="photo: "):
        detector.detect(closed_picture)


def test_views_of_arrays_are_seen_as_they_are(detector: rcnn.Detector) -> None:
    from PIL import Image

    array = np.asarray(Image.open(PHOTOS[0]).convert("RGB"))
    turned = detector.detect(array[::-1, ::-1])
    assert np.array_equal(turned.boxes, detector.detect(array[::-1, ::-1].copy()).boxes)
    assert not np.array_equal(turned.boxes, detector.detect(array).boxes)
    colours = detector.detect(array[:, :, ::-1])
    assert np.array_equal(colours.boxes, detector.detect(np.ascontiguousarray(array[:, :, ::-1])).boxes)
