"""Photos in the forms in which people have them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rcnn import _arguments
from rcnn.errors import PhotoError

if TYPE_CHECKING:
    from PIL import Image

    from rcnn import _rcnn

# What a photo may be given as.
Photo: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[np.uint8] | Image.Image"

# As for photos in files: an array that says it is larger may be one value, seen many times.
MOST_PIXELS = 200_000_000


def plain(photo: Photo) -> _rcnn._Photo:
    """The photo as a path, bytes, or an array of height x width x 3 or height x width, uint8.

    Raises:
        TypeError, ValueError: It is no photo.
        PhotoError: It is one that cannot be read.
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, (str, os.PathLike)):
        try:
            return _arguments.path("photo", photo)
        except ValueError as error:
            # Paths come from tables and listings: what cannot be one is a photo that fails, not a mistake of the caller.
            raise PhotoError(str(error), "unreadable", photo) from None
    if isinstance(photo, np.ndarray):
        return _checked(photo)
    if isinstance(photo, (bytearray, memoryview)):
        try:
            return bytes(photo)
        except ValueError as error:
            raise ValueError(f"photo: {error}") from None
    if type(photo).__module__.partition(".")[0] == "PIL":
        return _decoded(photo)
    raise TypeError(
        "photo: a path, bytes, a PIL image or a uint8 array of height x width x 3 is needed, "
        f"not {type(photo).__name__}"
    )


def _decoded(photo: Image.Image) -> NDArray[np.uint8]:
    """PIL reads a file when somebody asks for its pixels, and fails then."""
    try:
        pixels = np.asarray(photo.convert("RGB"))
    except (OSError, SyntaxError) as error:
        path = getattr(photo, "filename", None) or None
        kind = "truncated" if "truncated" in str(error) else "corrupt"
        raise PhotoError(f"photo: PIL cannot decode it: {error}", kind, path) from error
    except ValueError as error:
        raise ValueError(f"photo: {error}") from error
    return _checked(pixels)


def _checked(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise TypeError(f"photo: an array of uint8 is needed, not of {array.dtype}: values from 0 to 255")
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or array.size == 0:
        raise ValueError(
            f"photo: an array of height x width x 3 (RGB) or height x width (grey) is needed, not of {array.shape}"
        )
    if array.shape[0] * array.shape[1] > MOST_PIXELS:
        raise ValueError(f"photo: an array of {array.shape} has more than {MOST_PIXELS} pixels")
    return array
