"""COCO, COCOeval and the patch: pycocotools' numbers to the last bit, from its own stored answers."""

from __future__ import annotations

import contextlib
import copy
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import rcnn

# Cases that pycocotools evaluated or refused; the realistic ones lie beside the repository, where there are any.
FOLDERS = [ROOT / "crates/coco-eval/tests/fixtures/hostile"]
SHARED = Path(os.environ.get("RCNN_SHARED", ROOT.parent / "shared")) / "reference/coco-eval/real"
CASES = [
    case
    for folder in [*FOLDERS, *([SHARED] if SHARED.is_dir() else [])]
    for case in sorted(folder.iterdir())
    if (case / "case.json").exists() and json.loads((case / "case.json").read_text()).get("protocol") == "coco"
]

# What pycocotools refuses and rcnn evaluates, as there is one way to understand it.
LENIENT = {
    "ann-id-string-word": "which ground truth is taken does not depend on its id",
    "area-key-missing": "the box has an area",
    "crowd-key-missing": "it is no crowd",
    "json-byte-order-mark": "the mark is no part of the text",
    "score-all-bool": "true is 1",
    "score-some-bool": "true is 1",
}

def text_of(case: Path, stem: str) -> Path:
    return next(path for path in case.iterdir() if path.name.startswith(f"{stem}.json"))


def loaded(path: Path) -> Any:
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        return json.load(file)


def from_files(case: Path) -> tuple[rcnn.COCO, rcnn.COCO]:
    truth = rcnn.COCO(str(text_of(case, "gt")))
    return truth, truth.loadRes(str(text_of(case, "dt")))


def from_lists(case: Path) -> tuple[rcnn.COCO, rcnn.COCO]:
    truth = rcnn.COCO()
    truth.dataset = loaded(text_of(case, "gt"))
    assert isinstance(truth.dataset, dict)
    truth.createIndex()
    return truth, truth.loadRes(loaded(text_of(case, "dt")))


def judged(case: Path, ways: str) -> rcnn.COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = (from_files if ways == "files" else from_lists)(case)
        evaluation = rcnn.COCOeval(truth, results, "bbox")
        for name, value in (json.loads((case / "case.json").read_text()).get("params") or {}).items():
            array = name in ("iouThrs", "recThrs")
            setattr(evaluation.params, name, np.array(value) if array else value)
        evaluation.evaluate()
        if ways == "images":
            # From now on the outcomes of images count, as somebody may have changed them.
            evaluation.evalImgs = list(evaluation.evalImgs)
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("ways", ["files", "lists", "images"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numbers_and_arrays_are_pycocotools(case: Path, ways: str) -> None:
    expected = json.loads((case / "expected.json").read_text())
    if expected["outcome"] != "ok":
        if case.name in LENIENT:
            return
        with pytest.raises(Exception):
            judged(case, ways)
        return
    evaluation = judged(case, ways)
    assert list(map(repr, evaluation.stats.tolist())) == list(map(repr, map(float, expected["stats"])))
    assert evaluation.eval["counts"] == expected["counts"]
    for name, digest in expected["sha256"].items():
        array = evaluation.eval[name]
        assert array.dtype == np.float64
        assert hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() == digest, name


@pytest.mark.parametrize("case", CASES[:30], ids=lambda case: case.name)
def test_the_text_is_pycocotools(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text())
    if expected["outcome"] == "ok":
        evaluation = judged(case, "files")
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            evaluation.summarize()
        assert told.getvalue().splitlines() == expected["summary"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A data set with every kind of thing, and results on it."""
    generator = np.random.default_rng(5)
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 150} for n in range(1, 9)]
    categories = [{"id": n, "name": name, "supercategory": kind} for n, name, kind in CATEGORIES]
    annotations, results = [], []
    for number in range(1, 61):
        x, y, w, h = (round(float(value), 2) for value in generator.uniform([0, 0, 5, 5], [100, 80, 90, 70]))
        image, category = int(generator.integers(1, 8)), int(generator.choice([1, 3, 7]))
        common = {"image_id": image, "category_id": category}
        annotations.append(
            {"id": number, **common, "bbox": [x, y, w, h], "area": w * h, "iscrowd": int(number % 13 == 0)}
        )
        for _ in range(2):
            moved = [round(side + float(generator.normal(0, 4)), 2) for side in (x, y, w, h)]
            results.append({**common, "bbox": moved, "score": round(float(generator.uniform()), 2)})
    dataset = {"info": {"year": 2026}, "images": images, "categories": categories, "annotations": annotations}
    folder = tmp_path_factory.mktemp("small")
    (folder / "gt.json").write_text(json.dumps(dataset))
    (folder / "dt.json").write_text(json.dumps(results))
    return {"dataset": dataset, "results": results, "folder": folder}


CATEGORIES = [(1, "cat", "animal"), (3, "dog", "animal"), (7, "kite", "sport")]


def both(small: dict[str, Any]) -> list[Any]:
    """Our COCO and pycocotools' on the same file."""
    coco = pytest.importorskip("pycocotools.coco")
    return [kind(str(small["folder"] / "gt.json")) for kind in (rcnn.COCO, coco.COCO)]


QUERIES = [
    ("getAnnIds", {}),
    ("getAnnIds", {"imgIds": 3}),
    ("getAnnIds", {"imgIds": [5, 2, 99], "catIds": [1, 7]}),
    ("getAnnIds", {"catIds": 3, "areaRng": [100, 1500]}),
    ("getAnnIds", {"iscrowd": True}),
    ("getAnnIds", {"imgIds": [1], "iscrowd": 0}),
    ("getCatIds", {}),
    ("getCatIds", {"catNms": ["dog", "kite"]}),
    ("getCatIds", {"catNms": "dog", "supNms": "animal"}),
    ("getCatIds", {"supNms": ["animal"], "catIds": [3, 7]}),
    ("getImgIds", {}),
    ("getImgIds", {"imgIds": [2, 3, 8], "catIds": [1]}),
    ("getImgIds", {"catIds": [1, 3]}),
    ("loadAnns", {"ids": [4, 9]}),
    ("loadAnns", {"ids": 4}),
    ("loadCats", {"ids": [7]}),
    ("loadImgs", {"ids": 2}),
]


@pytest.mark.parametrize(("method", "arguments"), QUERIES)
def test_questions_are_answered_as_by_pycocotools(small: dict[str, Any], method: str, arguments: dict[str, Any]) -> None:
    own, other = both(small)
    assert getattr(own, method)(**arguments) == getattr(other, method)(**arguments)


def test_tables_are_pycocotools(small: dict[str, Any]) -> None:
    own, other = both(small)
    loaded = [each.loadRes(copy.deepcopy(small["results"])) for each in (own, other)]
    for one, two in ((own, other), tuple(loaded)):
        for name in ("dataset", "anns", "imgs", "cats", "imgToAnns", "catToImgs"):
            assert getattr(one, name) == getattr(two, name), name


@pytest.mark.parametrize("change", [{}, {"catIds": [7, 1]}, {"imgIds": [2, 3, 4]}, {"useCats": 0}, {"maxDets": [3]}])
def test_outcomes_of_images_are_pycocotools(small: dict[str, Any], change: dict[str, Any]) -> None:
    module = pytest.importorskip("pycocotools.cocoeval")
    done = []
    for truth, kind in zip(both(small), (rcnn.COCOeval, module.COCOeval)):
        evaluation = kind(truth, truth.loadRes(copy.deepcopy(small["results"])), "bbox")
        vars(evaluation.params).update(copy.deepcopy(change))
        evaluation.evaluate()
        outcomes, ious = copy.deepcopy(evaluation.evalImgs), evaluation.ious
        evaluation.accumulate()
        done.append((outcomes, ious, evaluation.eval))
    (own, own_ious, own_eval), (other, other_ious, other_eval) = done
    assert len(own) == len(other)
    for one, two in zip(own, other):
        assert (one is None) == (two is None)
        for key in two or {}:
            assert np.array_equal(one[key], two[key]), key
            assert getattr(one[key], "dtype", None) == getattr(two[key], "dtype", None), key
    assert own_ious.keys() == other_ious.keys()
    assert all(np.array_equal(own_ious[key], other_ious[key]) for key in other_ious)
    for key in ("precision", "recall", "scores"):
        assert np.array_equal(own_eval[key], other_eval[key])


def test_results_may_be_an_array(small: dict[str, Any]) -> None:
    rows = [[each["image_id"], *each["bbox"], each["score"], each["category_id"]] for each in small["results"]]
    truth = rcnn.COCO(small["folder"] / "gt.json")
    stats = []
    for results in (np.array(rows), small["folder"] / "dt.json", copy.deepcopy(small["results"])):
        evaluation = rcnn.COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        stats.append(evaluation.stats.tolist())
    assert stats[0] == stats[1] == stats[2] == rcnn.evaluate(small["folder"] / "gt.json", small["folder"] / "dt.json").stats.tolist()


def test_numbers_of_numpy_are_numbers(small: dict[str, Any]) -> None:
    plain = rcnn.COCO(small["folder"] / "gt.json")
    odd = [
        {
            "image_id": np.int64(each["image_id"]),
            "category_id": np.int32(each["category_id"]),
            "bbox": np.array(each["bbox"]),
            "score": np.float64(each["score"]),
        }
        for each in small["results"]
    ]
    stats = []
    for results in (small["results"], odd):
        evaluation = rcnn.COCOeval(plain, plain.loadRes(copy.deepcopy(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        stats.append(evaluation.stats.tolist())
    assert stats[0] == stats[1]


def test_changes_of_dictionaries_count(small: dict[str, Any]) -> None:
    truth = rcnn.COCO(small["folder"] / "gt.json")
    results = truth.loadRes(small["folder"] / "dt.json")
    for ann in truth.anns.values():
        ann["iscrowd"] = 1
    evaluation = rcnn.COCOeval(truth, results, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats.tolist() == [-1.0] * 12


def test_a_data_set_pickles_and_copies(small: dict[str, Any]) -> None:
    truth = rcnn.COCO(small["folder"] / "gt.json")
    for other in (pickle.loads(pickle.dumps(truth)), copy.deepcopy(truth)):
        assert other.getImgIds() == truth.getImgIds() and other.anns == truth.anns


def test_results_of_other_annotations_are_refused(small: dict[str, Any]) -> None:
    truth = rcnn.COCO(small["folder"] / "gt.json")
    foreign = [{"image_id": 77, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}]
    with pytest.raises(AssertionError, match="77"):
        truth.loadRes(foreign)
    with pytest.raises(rcnn.EvaluateError, match="77"):
        truth.loadRes(foreign)


def test_evaluate_gives_what_the_command_gives(small: dict[str, Any]) -> None:
    files = [small["folder"] / "gt.json", small["folder"] / "dt.json"]
    command = [sys.executable, "-m", "rcnn", "evaluate", "-a", files[0], "-r", files[1], "--json", "--per-class"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    evaluation = rcnn.evaluate(*files)
    assert evaluation.document == told and evaluation.stats.tolist() == told["stats"]
    assert evaluation.precision.shape == (10, 101, 3, 4, 3) and evaluation.recall.shape == (10, 3, 4, 3)
    assert evaluation["AP50"] == told["stats"][1]
    assert [row["name"] for row in evaluation.per_class] == [name for _, name, _ in CATEGORIES]
    some = rcnn.evaluate(*files, category_ids=["cat", 3], area_ranges={"all": (0, 1e10)}, max_dets=[1, 10, 100])
    assert some.precision.shape == (10, 101, 2, 1, 3)
    with pytest.raises(rcnn.EvaluateError, match="gone.json"):
        rcnn.evaluate(small["folder"] / "gone.json", files[1])
    with pytest.raises(ValueError, match="bird"):
        rcnn.evaluate(*files, category_ids=["bird"])


PATCHED = """
import rcnn
rcnn.patch_pycocotools()
import pycocotools.mask as mask_util
from pycocotools import coco, mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params
assert COCO is rcnn.COCO and COCOeval is rcnn.COCOeval and Params is rcnn.Params and coco.COCO is COCO
assert mask.iou is mask_util.iou is rcnn.mask.iou
assert mask.iou([[0, 0, 20, 20]], [[10, 0, 90, 20]], [1]).tolist() == [[0.5]]
import importlib.util
assert importlib.util.find_spec("pycocotools") is not None
"""


@pytest.mark.parametrize("before", ["", "import pycocotools.coco, pycocotools.cocoeval, pycocotools.mask"])
def test_the_patch_takes_pycocotools_place(before: str) -> None:
    if before:
        pytest.importorskip("pycocotools")
    subprocess.run([sys.executable, "-c", before + PATCHED], check=True)


def test_outcomes_of_several_machines_are_one(small: dict[str, Any]) -> None:
    """As torchvision's training does it: each machine evaluates its images, and one accumulates all outcomes."""
    truth = rcnn.COCO(small["folder"] / "gt.json")
    whole = rcnn.COCOeval(truth, truth.loadRes(small["folder"] / "dt.json"), "bbox")
    whole.evaluate()
    whole.accumulate()
    whole.summarize()
    evaluation = rcnn.COCOeval(copy.deepcopy(truth), iouType="bbox")
    outcomes = []
    for images in ([1, 2, 3], [4, 5], [6, 7, 8]):
        results = [each for each in copy.deepcopy(small["results"]) if each["image_id"] in images]
        evaluation.cocoDt = truth.loadRes(results) if results else rcnn.COCO()
        evaluation.params.imgIds = list(images)
        evaluation.evaluate()
        outcomes.append(np.asarray(evaluation.evalImgs).reshape(3, 4, len(images)))
    evaluation.evalImgs = list(np.concatenate(outcomes, axis=2).flatten())
    evaluation.params.imgIds = list(range(1, 9))
    evaluation._paramsEval = copy.deepcopy(evaluation.params)
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats.tolist() == whole.stats.tolist()
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(evaluation.eval[name], whole.eval[name])


def test_an_evaluation_pickles_and_copies(small: dict[str, Any]) -> None:
    truth = rcnn.COCO(small["folder"] / "gt.json")
    evaluation = rcnn.COCOeval(truth, truth.loadRes(small["folder"] / "dt.json"), "bbox")
    evaluation.evaluate()
    for other in (pickle.loads(pickle.dumps(evaluation)), copy.deepcopy(evaluation)):
        for each in (evaluation, other):
            each.accumulate()
            each.summarize()
        assert other.stats.tolist() == evaluation.stats.tolist() and other.stats[0] > 0.1
        assert np.array_equal(other.eval["precision"], evaluation.eval["precision"])


def test_masks_are_judged_where_nothing_is_said() -> None:
    # As pycocotools does it.
    assert rcnn.COCOeval().params.iouType == rcnn.Params().iouType == "segm"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server of two photos, and how often it was asked."""
    web = tmp_path / "web"
    web.mkdir()
    (web / "1.jpg").write_bytes(b"one")
    (web / "2.jpg").write_bytes(b"two")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(web))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()


def test_photos_are_downloaded_once(server: str, tmp_path: Path) -> None:
    def images(*entries: tuple[int, str, str]) -> rcnn.COCO:
        data_set = rcnn.COCO()
        data_set.dataset = {"images": [{"id": n, "file_name": name, "coco_url": url} for n, name, url in entries]}
        data_set.createIndex()
        return data_set

    out = tmp_path / "out"
    data_set = images((1, "1.jpg", f"{server}/1.jpg"), (2, "sub/2.jpg", f"{server}/2.jpg"))
    data_set.download(out, [2])
    assert (out / "sub/2.jpg").read_bytes() == b"two" and not (out / "1.jpg").exists()
    (out / "sub/2.jpg").write_bytes(b"mine")
    data_set.download(str(out))
    assert (out / "1.jpg").read_bytes() == b"one" and (out / "sub/2.jpg").read_bytes() == b"mine"
    for name, url, words in [
        ("3.jpg", f"{server}/3.jpg", "404"),
        ("../3.jpg", f"{server}/1.jpg", "does not lie in the folder"),
        ("3.jpg", f"file://{tmp_path}/web/1.jpg", "no address on the web"),
    ]:
        with pytest.raises(rcnn.Error, match=words):
            images((3, name, url)).download(out)
    assert sorted(path.name for path in out.rglob("*")) == ["1.jpg", "2.jpg", "sub"]
