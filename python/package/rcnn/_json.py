"""JSON between Python and the library: files read, and Python's values written for the library's reader."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# No annotation has a list of more; an array that says it is longer may be one value, seen many times.
MOST_VALUES = 2**24


def read_json(path: str) -> Any:
    """A file's content, packed with gzip or not."""
    import gzip

    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt", encoding="utf-8") if packed else open(path, encoding="utf-8") as text:
        return json.load(text)


def typed(ids: list[Any] | None) -> list[str] | None:
    """Ids as the command line takes them: texts in quotes."""
    return None if ids is None else [f'"{id}"' if isinstance(id, str) else str(id) for id in ids]


@contextmanager
def as_json(content: Any) -> Iterator[str]:
    """A file with the content as JSON, for the library's reader."""
    handle, path = tempfile.mkstemp(suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, default=plainly)
        yield path
    finally:
        os.unlink(path)


def plainly(value: Any) -> Any:
    """numpy's and others' values as Python's."""
    if getattr(value, "size", 0) > MOST_VALUES:
        raise TypeError(f"an array of {value.size} values stands where COCO has a few")
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(f"a value of {type(value).__name__} stands where COCO has numbers, texts and lists")
