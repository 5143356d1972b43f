"""The examples for Ray, Spark and Daft, each on 200 photos of which some cannot be read: the same rows as a plain run."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOS, ROOT

import rcnn

COUNT = 200

# Photos that cannot be read.
EMPTY, CUT = "050.jpg", "150.jpg"


def needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed: `.ci/python engines` brings it")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 photos, with an empty and a cut one among them."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(COUNT):
        source = PHOTOS[number % len(PHOTOS)].read_bytes()
        source = {EMPTY: b"", CUT: source[:1000]}.get(f"{number:03}.jpg", source)
        (folder / f"{number:03}.jpg").write_bytes(source)
    return folder


@pytest.fixture(scope="module")
def plain(detector: rcnn.Detector, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The journal of a plain run, by the photos' names."""
    out = tmp_path_factory.mktemp("plain") / "out"
    detector.run(photos, out, draw_score=None)
    rows = map(json.loads, (out / "detections.jsonl").read_text().splitlines())
    return {Path(row["file"]).name: row for row in rows}


def same_rows(found: list[dict[str, Any]], plain: dict[str, dict[str, Any]]) -> None:
    import numpy as np

    assert sorted(Path(row["path"]).name for row in found) == sorted(plain)
    assert "error" in plain[CUT]
    for row in found:
        expected = plain[Path(row["path"]).name]
        if "error" in expected:
            assert row["error"].startswith(expected["error"]["kind"]) and list(row["scores"]) == []
            continue
        assert row["error"] is None and (row["width"], row["height"]) == (expected["width"], expected["height"])
        detections = expected["detections"]
        assert list(row["labels"]) == [each["label"] for each in detections]
        assert list(row["category_ids"]) == [each["category_id"] for each in detections]
        boxes = np.array([list(box) for box in row["boxes"]], dtype=np.float32).reshape(-1, 4)
        assert np.array_equal(boxes, np.array([each["box"] for each in detections], dtype=np.float32).reshape(-1, 4))
        scores = np.array([each["score"] for each in detections], dtype=np.float32)
        assert np.array_equal(np.array(row["scores"], dtype=np.float32), scores)


def parquet(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(folder).to_pylist()
    return rows


def example(name: str, *arguments: object) -> None:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]


@needs("ray")
def test_ray(photos: Path, plain: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    example("ray_detect.py", photos, tmp_path / "found", "--workers", 1)
    same_rows(parquet(tmp_path / "found"), plain)


@needs("daft")
def test_daft(photos: Path, plain: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    example("daft_detect.py", photos / "*.jpg", tmp_path / "found")
    same_rows(parquet(tmp_path / "found"), plain)


spark_is_there = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")


@needs("pyspark")
@spark_is_there
def test_spark(photos: Path, plain: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    example("spark_detect.py", photos, tmp_path / "found")
    # Spark leaves out files of no bytes, whatever is read.
    same_rows(parquet(tmp_path / "found"), {name: row for name, row in plain.items() if name != EMPTY})


PIPE = """
import sys
from pyspark.sql import SparkSession

photos, out, python = sys.argv[1:]
spark = SparkSession.builder.master("local[2]").getOrCreate()
paths = spark.sparkContext.parallelize(sorted(str(path) for path in __import__("pathlib").Path(photos).iterdir()), 2)
paths.pipe(f"sh -c '{python} -m rcnn detect - --json-lines --threads 1 --device cpu || [ $? = 3 ]'").saveAsTextFile(out)
"""


@needs("pyspark")
@spark_is_there
def test_sparks_pipe_feeds_a_worker(photos: Path, plain: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    script = tmp_path / "pipe.py"
    script.write_text(PIPE)
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [sys.executable, str(script), str(photos), str(tmp_path / "out"), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    lines = [line for part in sorted((tmp_path / "out").glob("part-*")) for line in part.read_text().splitlines()]
    assert len(lines) == COUNT
    for row in map(json.loads, lines):
        expected = plain[Path(row["file"]).name]
        assert row.get("detections") == expected.get("detections")
        assert row.get("error", {}).get("kind") == expected.get("error", {}).get("kind")
