"""Photos in the forms in which people have them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

    from rcnn import _rcnn

# What a photo may be given as.
Photo: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[np.uint8] | Image.Image"


def plain(photo: Photo) -> _rcnn.Photo:
    """The photo as a path, bytes, or an array of height x width x 3 or height x width, uint8."""
    if isinstance(photo, (str, bytes, os.PathLike)):
        return photo
    if isinstance(photo, np.ndarray):
        return _checked(photo)
    if isinstance(photo, (bytearray, memoryview)):
        return bytes(photo)
    if type(photo).__module__.partition(".")[0] == "PIL":
        return np.asarray(photo.convert("RGB"))
    raise TypeError(
        "photo: a path, bytes, a PIL image or a uint8 array of height x width x 3 is needed, "
        f"not {type(photo).__name__}"
    )


def _checked(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise TypeError(f"photo: an array of uint8 is needed, not of {array.dtype}: values from 0 to 255")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3):
        return array
    raise ValueError(
        f"photo: an array of height x width x 3 (RGB) or height x width (grey) is needed, not of {array.shape}"
    )
