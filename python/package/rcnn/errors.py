"""What rcnn raises. Arguments that cannot be meant raise TypeError or ValueError as everywhere in Python."""

from __future__ import annotations

import os
from typing import Any


class Error(Exception):
    """Whatever rcnn cannot do, as one sentence that says what, where and why."""


class ModelError(Error):
    """A model or checkpoint cannot be found, read or understood."""


class OnnxRuntimeError(Error):
    """ONNX Runtime, or the device that is asked for, cannot be used, or the network fails on it."""


class PhotoError(Error):
    """A photo cannot be read or decoded.

    Attributes:
        kind: ``unreadable``, ``empty``, ``not_a_picture``, ``truncated``, ``corrupt``, ``too_large``,
            ``out_of_memory`` or ``unsupported``: the kinds that stand in results.
        path: The photo's file; ``None`` where it was given as bytes.
    """

    def __init__(self, message: str, kind: str, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.path = None if path is None else os.fspath(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.kind, self.path)


class RunError(Error):
    """The photos of a run cannot be listed, or its results not be written."""


class EvaluateError(Error):
    """Annotations and results cannot be read, or do not belong together."""


class ForkError(Error):
    """The process was forked from one in which rcnn had been at work, and lacks its threads."""


class InternalError(Error):
    """A mistake in rcnn itself: please report it."""
