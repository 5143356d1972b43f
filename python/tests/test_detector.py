"""Detectors: the same objects from every form of a photo and from the program, errors, threads, processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PHOTOS

import rcnn


def same(one: rcnn.Detections, other: rcnn.Detections) -> bool:
    return (
        np.array_equal(one.boxes, other.boxes)
        and np.array_equal(one.scores, other.scores)
        and one.labels == other.labels
    )


def test_every_form_of_a_photo_gives_the_same_objects(detector: rcnn.Detector) -> None:
    from PIL import Image

    path = PHOTOS[0]
    found = detector.detect(path)
    picture = Image.open(path)
    array = np.asarray(picture.convert("RGB"))
    forms: list[Any] = [str(path), path.read_bytes(), bytearray(path.read_bytes()), picture, array, array.copy()[::1]]
    assert len(found) > 3
    for form in forms:
        assert same(detector.detect(form), found), type(form)
    assert found.boxes.shape == (len(found), 4) and found.boxes.dtype == np.float32
    assert found.scores.dtype == np.float32 and found.category_ids.dtype == np.int64
    assert np.all(np.diff(found.scores) <= 0) and np.all(found.scores > detector.score)
    assert (found.height, found.width) == array.shape[:2]
    assert np.all(found.boxes >= 0) and np.all(found.boxes[:, 2] <= found.width)
    names = dict(detector.classes)
    assert found.labels == [names[id] for id in found.category_ids.tolist()]
    assert found.masks is None and found.rles is None and rcnn.to_row(found)["masks"] is None
    assert all("segmentation" not in result for result in found.to_coco(1))


def test_a_model_with_masks_gives_those_of_the_program(tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "tests/fixtures/golden"
    model, photo = str(tmp_path / "model"), str(golden / "images/cat-face.png")
    rcnn.import_checkpoint(golden / "tv-mask-v2/model.pth", model, config=golden / "tv-mask-v2/import.json")
    detector = rcnn.Detector(model, device="cpu")
    detector.run(photo, tmp_path / "out", draw_score=None)
    found = detector.detect(photo)
    results = json.loads((tmp_path / "out/detections.json").read_text())
    assert len(found) > 3 and found.to_coco(1) == results
    assert found.masks is not None and found.masks.shape == (len(found), found.height, found.width)
    assert found.rles is not None and found.masks.sum(axis=(1, 2)).tolist() == rcnn.mask.area(found.rles).tolist()
    bare = rcnn.Detector(model, device="cpu", masks=False).detect(photo)
    assert bare.masks is None and np.array_equal(bare.boxes, found.boxes)


def test_detections_have_masks_where_the_model_has() -> None:
    pixels = np.zeros((2, 6, 8), dtype=bool)
    pixels[0, 1:5, 1:3], pixels[1, :2, 6:] = True, True
    boxes = np.array([[1, 1, 3, 5], [6, 0, 8, 2]], dtype=np.float32)
    rles = [rcnn.mask.encode(one) for one in pixels]
    ids, scores = np.array([1, 2]), np.array([0.75, 0.5], dtype=np.float32)
    found = rcnn.Detections(boxes, scores, ids, ["bolt", "nut"], ids - 1, 8, 6, rles)
    assert rcnn.to_row(found)["masks"] == [rle["counts"].decode() for rle in rles]
    assert found.masks is not None and found.masks.dtype == bool and np.array_equal(found.masks, pixels)
    copy = pickle.loads(pickle.dumps(found))
    assert copy.rles == rles and np.array_equal(copy.masks, pixels)
    results = json.loads(json.dumps(found.to_coco(7)))
    assert [result["segmentation"]["size"] for result in results] == [[6, 8]] * 2
    assert np.array_equal(rcnn.mask.decode(results[1]["segmentation"]), pixels[1])
    # Drawn in red, the first class's colour: a contour, and of four columns or more a ground that lets the photo through.
    grey = np.full((6, 8, 3), 100, dtype=np.uint8)
    drawn = found.plot(grey, score=0.6)
    assert not np.array_equal(drawn, rcnn.Detections(boxes, scores, ids, ["bolt", "nut"], ids - 1, 8, 6).plot(grey, score=0.6))


def test_a_grey_array_is_taken_as_grey_rgb(detector: rcnn.Detector) -> None:
    from PIL import Image

    grey = np.asarray(Image.open(PHOTOS[0]).convert("L"))
    assert same(detector.detect(grey), detector.detect(np.repeat(grey[:, :, None], 3, axis=2)))


def test_lists_streams_and_runs_give_what_the_program_writes(detector: rcnn.Detector, tmp_path: Path) -> None:
    photos = PHOTOS[:4]
    out = tmp_path / "out"
    command = [sys.executable, "-m", "rcnn", "detect", *map(str, photos), "-o", str(out), "--device", "cpu"]
    subprocess.run([*command, "--no-draw", "--threads", "2"], check=True, capture_output=True)
    written = json.loads((out / "detections.json").read_text())
    singly = [result for number, photo in enumerate(photos, 1) for result in detector.detect(photo).to_coco(number)]
    assert singly == written
    for found in (detector.detect(photos), list(detector.stream(photos)), list(detector.stream(iter(photos)))):
        assert [result for number, each in enumerate(found, 1) for result in each.to_coco(number)] == written
    told: list[tuple[int, int, int]] = []
    record = detector.run(photos, tmp_path / "run", draw_score=None, progress=lambda *now: told.append(now))
    assert json.loads((tmp_path / "run/detections.json").read_text()) == written
    assert told[0] == (0, 4, 0) and told[-1] == (4, 4, 0)
    assert record["counts"]["photos"] == 4 and record == json.loads((tmp_path / "run/run.json").read_text())


def test_a_stream_asks_for_a_few_photos_only(detector: rcnn.Detector) -> None:
    asked = 0

    def endless() -> Iterator[Path]:
        nonlocal asked
        while True:
            asked += 1
            yield PHOTOS[asked % len(PHOTOS)]

    stream = detector.stream(endless())
    for _ in range(3):
        next(stream)
    assert asked < 20


def test_photos_that_fail_are_told_or_returned(detector: rcnn.Detector, tmp_path: Path) -> None:
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(PHOTOS[0].read_bytes()[:2000])
    with pytest.raises(rcnn.PhotoError, match="cut.jpg") as raised:
        detector.detect(cut)
    assert (raised.value.kind, raised.value.path) == ("truncated", str(cut))
    assert pickle.loads(pickle.dumps(raised.value)).kind == "truncated"
    with pytest.raises(rcnn.PhotoError) as raised:
        detector.detect(b"no picture")
    assert (raised.value.kind, raised.value.path) == ("not_a_picture", None)
    with pytest.raises(rcnn.PhotoError):
        detector.detect([PHOTOS[0], cut])
    good, bad, gone = detector.detect([PHOTOS[0], cut, tmp_path / "gone.jpg"], errors="return")
    assert isinstance(good, rcnn.Detections) and isinstance(bad, rcnn.PhotoError) and isinstance(gone, rcnn.PhotoError)
    assert (bad.kind, gone.kind) == ("truncated", "unreadable")


@pytest.mark.parametrize(
    ("photo", "error", "words"),
    [
        (5, TypeError, "photo: a path, bytes, a PIL image"),
        (np.zeros((4, 4, 3), np.float32), TypeError, "uint8 is needed, not of float32"),
        (np.zeros((3, 4, 4), np.uint8), ValueError, r"height x width x 3 .* not of \(3, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, "photo"),
    ],
)
def test_what_is_no_photo_is_named(detector: rcnn.Detector, photo: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        detector.detect(photo)  # type: ignore[call-overload]
    with pytest.raises(error, match=words):
        detector.detect([photo])  # type: ignore[list-item]


def test_arguments_that_cannot_be_meant_are_named() -> None:
    for arguments, words in [
        ({"device": "tpu"}, "device: `tpu`"),
        ({"precision": "sloppy"}, "precision: `sloppy`"),
        ({"score": 1.5}, "score: a number from 0 to 1"),
        ({"threads": 0}, "threads: at least 1"),
    ]:
        with pytest.raises(ValueError, match=words):
            rcnn.Detector("fod-r18", **arguments)  # type: ignore[arg-type]
    with pytest.raises(rcnn.ModelError, match="no-such-model"):
        rcnn.Detector("no-such-model")


def test_a_score_keeps_the_best(detector: rcnn.Detector) -> None:
    found = detector.detect(PHOTOS[0])
    least = float(found.scores[len(found) // 2])
    best = rcnn.Detector("fod-r18", device="cpu", threads=2, score=least).detect(PHOTOS[0])
    assert np.array_equal(best.scores, found.scores[found.scores > np.float32(least)])


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"augment": "flip", "refine": True}, ["--augment", "flip", "--refine"]),
        ({"nms": 0.2, "max_detections": 7}, ["--nms", "0.2", "--max-detections", "7"]),
        ({"soft_nms": True, "class_agnostic": True, "score": 0.2}, ["--soft-nms", "--class-agnostic", "--score", "0.2"]),
    ],
)
def test_choices_are_those_of_the_program(arguments: dict[str, Any], options: list[str]) -> None:
    ours = rcnn.Detector("fod-r18", device="cpu", threads=2, **arguments)
    command = [str(Path(sys.executable).with_name("rcnn")), "detect", "--json-lines", "--device", "cpu", "--threads", "2"]
    told = subprocess.run([*command, *options, *map(str, PHOTOS[:3])], check=True, capture_output=True, text=True).stdout
    plain = rcnn.Detector("fod-r18", device="cpu", threads=2)
    changed = False
    for photo, line, found in zip(PHOTOS[:3], told.splitlines(), ours.detect(PHOTOS[:3])):
        row = json.loads(line)["detections"]
        assert [item["label"] for item in row] == found.labels
        assert np.array_equal(np.array([item["score"] for item in row], np.float32), found.scores)
        assert np.array_equal(np.array([item["box"] for item in row], np.float32).reshape(-1, 4), found.boxes)
        changed |= not same(plain.detect(photo), found)
    assert changed
    assert same(pickle.loads(pickle.dumps(ours)).detect(PHOTOS[0]), ours.detect(PHOTOS[0]))


def test_several_threads_share_a_detector(detector: rcnn.Detector) -> None:
    alone = [detector.detect(photo) for photo in PHOTOS[:4]]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector.detect, PHOTOS[:4]))
    assert all(same(one, other) for one, other in zip(alone, together))


def test_python_goes_on_while_the_network_computes(detector: rcnn.Detector) -> None:
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    detector.detect(PHOTOS[:3])
    done.set()
    thread.join()
    assert ticks > 10


def test_a_detector_pickles_by_its_arguments(detector: rcnn.Detector) -> None:
    packed = pickle.dumps(detector)
    assert len(packed) < 1000
    assert same(pickle.loads(packed).detect(PHOTOS[0]), detector.detect(PHOTOS[0]))
    found = pickle.loads(pickle.dumps(detector.detect(PHOTOS[0])))
    assert same(found, detector.detect(PHOTOS[0]))


def in_a_fork(detector: rcnn.Detector, answer: "multiprocessing.Queue[str]") -> None:
    try:
        detector.detect(PHOTOS[0])
        answer.put("no error")
    except rcnn.ForkError as error:
        answer.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_it_refuses_with_a_sentence(detector: rcnn.Detector) -> None:
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    child = context.Process(target=in_a_fork, args=(detector, answer))
    child.start()
    assert "spawn" in answer.get(timeout=30)
    child.join(30)
    assert child.exitcode == 0


def test_what_progress_raises_ends_the_run(detector: rcnn.Detector, tmp_path: Path) -> None:
    def stop(done: int, total: int, failed: int) -> None:
        if done == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        detector.run(PHOTOS, tmp_path / "out", draw_score=None, progress=stop)
    assert json.loads((tmp_path / "out/run.json").read_text())["state"] == "interrupted"


WORK = [
    "detector.run(photos, out, draw_score=None, progress=lambda *counts: print('working', flush=True))",
    "[print('working', flush=True) for _ in detector.stream(photos)]",
]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
@pytest.mark.parametrize("work", WORK)
def test_control_c_ends_long_work(work: str, tmp_path: Path) -> None:
    # A run takes each file once, so that long work needs many files.
    photos = [tmp_path / f"{number}.jpg" for number in range(500)]
    for photo in photos:
        shutil.copy(PHOTOS[0], photo)
    script = (
        # Whoever started the tests may have had the signal ignored, which children inherit.
        "import pathlib, rcnn, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"out = {str(tmp_path / 'out')!r}\nphotos = sorted(pathlib.Path({str(tmp_path)!r}).glob('*.jpg'))\n"
        "detector = rcnn.Detector('fod-r18', device='cpu', threads=2)\n"
        f"try:\n    {work}\nexcept KeyboardInterrupt:\n    print('interrupted')\nelse:\n    print('ended')\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "working\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=60)[0].splitlines()[-1] == "interrupted"
    assert child.returncode == 0


def test_pictures_are_those_of_the_program(detector: rcnn.Detector, tmp_path: Path) -> None:
    from PIL import Image

    photo = tmp_path / "photo.png"
    Image.open(PHOTOS[0]).convert("RGB").save(photo)
    detector.run(photo, tmp_path / "out")
    drawn = np.asarray(Image.open(tmp_path / "out/annotated/photo.png").convert("RGB"))
    assert np.array_equal(detector.detect(photo).plot(), drawn)
    found = detector.detect(photo)
    assert np.array_equal(found.plot(score=1.0), np.asarray(Image.open(photo)))
    with pytest.raises(ValueError, match="photo"):
        pickle.loads(pickle.dumps(found)).plot()


def test_the_program_is_on_the_path_and_python_runs_it() -> None:
    program = Path(sys.executable).with_name("rcnn")
    for command in ([str(program)], [sys.executable, "-m", "rcnn"]):
        told = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True).stdout
        assert told == f"rcnn {rcnn.__version__}\n"
    wrong = subprocess.run([str(program), "detect"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "required" in wrong.stderr
    doctor = subprocess.run([str(program), "doctor"], capture_output=True, text=True)
    assert "onnxruntime/capi" in doctor.stdout + doctor.stderr


def test_a_worker_answers_each_path_with_a_line(detector: rcnn.Detector, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rcnn", "detect", "-", "--json-lines", "--device", "cpu", "--threads", "2"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert worker.stdin is not None and worker.stdout is not None
    for number, photo in enumerate([PHOTOS[0], tmp_path / "gone.jpg", PHOTOS[1]], 1):
        # The answer comes although no more is asked yet.
        worker.stdin.write(f"{photo}\n")
        row = json.loads(worker.stdout.readline())
        assert (row["image_id"], row["file"]) == (number, str(photo))
        if photo.exists():
            found = detector.detect(photo)
            assert [each["box"] for each in row["detections"]] == [
                [json.loads(str(side)) for side in box] for box in found.boxes
            ]
            assert (row["width"], row["height"]) == (found.width, found.height)
        else:
            assert row["error"]["kind"] == "unreadable"
    worker.stdin.close()
    assert worker.stdout.read() == "" and worker.wait(30) == 3
