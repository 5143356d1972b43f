"""What the tests share: photos, a detector, and the folders of the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import rcnn

ROOT = Path(__file__).parents[2]
PHOTOS = sorted((ROOT / "datasets/debris/images").glob("*.jpg"))


@pytest.fixture(scope="session")
def detector() -> rcnn.Detector:
    """The bundled model on the CPU."""
    return rcnn.Detector("fod-r18", device="cpu", threads=2)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cache of the tests' own, unless somebody names one."""
    os.environ.setdefault("RCNN_CACHE", str(tmp_path_factory.mktemp("cache")))
