"""Commands as functions: the documents that the program prints, and its sentences as exceptions."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import rcnn

ANNOTATIONS = ROOT / "datasets/debris/annotations.json"
GOLDEN = ROOT / "tests/fixtures/golden/tv-pyramid"


def told(*arguments: object) -> Any:
    """What the program prints."""
    command = [sys.executable, "-m", "rcnn", *map(str, arguments), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_inspect_gives_the_sheet_of_a_model() -> None:
    sheet = rcnn.inspect("fod-r18", size=(320, 480))
    assert sheet == told("inspect", "fod-r18", "--size", "320x480")
    with pytest.raises(rcnn.ModelError, match="no-such-model"):
        rcnn.inspect("no-such-model")


def test_a_checkpoint_becomes_a_model(tmp_path: Path) -> None:
    document = rcnn.import_checkpoint(GOLDEN / "model.pth", tmp_path / "model", config=GOLDEN / "import.json")
    assert (tmp_path / "model/model.json").is_file() and isinstance(document, dict)
    assert rcnn.Detector(tmp_path / "model", device="cpu").classes
    with pytest.raises(rcnn.ModelError, match="gone.pth"):
        rcnn.import_checkpoint(tmp_path / "gone.pth", tmp_path / "other")


def test_annotations_are_converted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rcnn"):
        rcnn.convert(ANNOTATIONS, tmp_path / "voc", to="voc")
    assert list((tmp_path / "voc/Annotations").glob("*.xml"))
    rcnn.convert(tmp_path / "voc", tmp_path / "back.json")
    count = len(json.loads(ANNOTATIONS.read_text())["annotations"])
    assert len(json.loads((tmp_path / "back.json").read_text())["annotations"]) == count
    with pytest.raises(ValueError, match="nonsense"):
        rcnn.convert(ANNOTATIONS, tmp_path / "other", to="nonsense")


def test_saved_results_are_compared(detector: rcnn.Detector, tmp_path: Path) -> None:
    detector.run(ROOT / "datasets/debris/images", tmp_path / "run", annotations=ANNOTATIONS, draw_score=None)
    results = tmp_path / "run/detections.json"
    document = rcnn.compare(ANNOTATIONS, [results, results], bootstrap=20)
    evaluation = rcnn.evaluate(ANNOTATIONS, tmp_path / "run")
    assert [model["stats"] for model in document["models"]] == [evaluation.stats.tolist()] * 2
    frame = evaluation.to_pandas()
    assert list(frame.columns[:3]) == ["id", "boxes", "AP"] and len(frame) == len(evaluation.per_class)
