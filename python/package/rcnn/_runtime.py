"""ONNX Runtime's library is the one in the package `onnxruntime` of the Python that runs."""

from __future__ import annotations

import importlib.util
import os
from functools import cache

from rcnn import _rcnn


@cache
def bring() -> None:
    """Names the folder of the package's library, without importing the package."""
    found = importlib.util.find_spec("onnxruntime")
    for folder in (found.submodule_search_locations or []) if found else []:
        _rcnn.bring_runtime(os.path.join(folder, "capi"))
