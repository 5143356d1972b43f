"""The photos of a data set, fetched from where its annotations say that they lie."""

from __future__ import annotations

import os
import shutil
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

from rcnn.errors import Error

# Seconds without a byte after which a server is given up.
PATIENCE = 60


def download(folder: str, images: Sequence[dict[str, Any]]) -> None:
    """Fetches images that are not in the folder yet; prints each. A file there is whole.

    Args:
        folder: Where they are put, under their ``file_name``.
        images: Entries of a data set with ``file_name`` and ``coco_url``.

    Raises:
        Error: An image has no address, or cannot be fetched.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        began = time.time()
        target = place / inside(image)
        if not target.exists():
            fetch(address(image), target)
        print(f"downloaded {number}/{len(images)} images (t={time.time() - began:0.1f}s)")


def inside(image: dict[str, Any]) -> Path:
    """The image's path in a folder; a data set from elsewhere cannot have files written outside of it."""
    name = Path(str(image["file_name"]))
    if name.is_absolute() or ".." in name.parts or not name.parts:
        raise Error(f"image {image['id']}: file_name {image['file_name']!r} does not lie in the folder")
    return name


def address(image: dict[str, Any]) -> str:
    """Where the image lies."""
    url = image.get("coco_url")
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise Error(f"image {image['id']}: coco_url {url!r} is no address on the web")
    return url


def fetch(url: str, target: Path) -> None:
    """Fetches a file, written beside the target and then renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as source, open(part, "wb") as file:
            told = source.headers.get("Content-Length")
            shutil.copyfileobj(source, file)
            if told is not None and int(told) != file.tell():
                raise Error(f"{url}: {file.tell()} of {told} bytes came")
        os.replace(part, target)
    except (URLError, OSError, ValueError) as error:
        raise Error(f"{url}: cannot be downloaded to {target}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
