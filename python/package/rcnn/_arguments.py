"""Arguments checked by name: what they cannot be is told as a TypeError, what cannot be meant as a ValueError."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Iterable
from typing import Any

# More threads than any machine has cores, and fewer than any system refuses.
MOST_THREADS = 1024
# Of one photo; no model gives nearly as many.
MOST_DETECTIONS = 100_000


def wrong_type(argument: str, needed: str, value: object) -> TypeError:
    """The error of a value of another type."""
    return TypeError(f"{argument}: {needed} is needed, not {type(value).__name__}")


def path(argument: str, value: Any) -> str:
    """A path as a text that the system takes."""
    if not isinstance(value, (str, os.PathLike)):
        raise wrong_type(argument, "a path", value)
    text = os.fsdecode(os.fspath(value))
    try:
        usable = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise ValueError(f"{argument}: {text!r} cannot be a path on this system")
    return text


def paths(argument: str, values: Any) -> list[str]:
    """One path or several as a list."""
    if isinstance(values, (str, os.PathLike)):
        return [path(argument, values)]
    if isinstance(values, (bytes, bytearray)) or not isinstance(values, Iterable):
        raise wrong_type(argument, "a path or several", values)
    return [path(argument, each) for each in values]


def text(argument: str, value: Any) -> str:
    """A text that can be told to others."""
    if not isinstance(value, str):
        raise wrong_type(argument, "a text", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{argument}: {value!r} is no text") from None
    return value


def fraction(argument: str, value: Any) -> float:
    """A number from 0 to 1."""
    try:
        number = float(value) if not isinstance(value, (str, bytes)) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise wrong_type(argument, "a number from 0 to 1", value)
    if not 0 <= number <= 1:
        raise ValueError(f"{argument}: a number from 0 to 1 is needed, not {value}")
    return number


def whole(argument: str, value: Any, least: int, most: int) -> int:
    """A whole number within bounds."""
    try:
        number = operator.index(value) if not isinstance(value, bool) else None
    except TypeError:
        number = None
    if number is None:
        raise wrong_type(argument, "a whole number", value)
    if number < least:
        raise ValueError(f"{argument}: at least {least} is needed, not {number}")
    if number > most:
        raise ValueError(f"{argument}: at most {most} is possible, not {number}")
    return number


def flag(argument: str, value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise wrong_type(argument, "True or False", value)
    return value


def one_of(argument: str, value: Any, words: tuple[str, ...]) -> str:
    """One of some words."""
    if not isinstance(value, str):
        raise wrong_type(argument, "a text", value)
    if value not in words:
        raise ValueError(f"{argument}: {' or '.join(map(repr, words))} is needed, not {value!r}")
    return value


def optional(check: Callable[..., Any], argument: str, value: Any, *bounds: Any) -> Any:
    """As a check has it, or nothing where nothing is given."""
    return None if value is None else check(argument, value, *bounds)


def function(argument: str, value: Any) -> None:
    """Something that can be called, or nothing."""
    if value is not None and not callable(value):
        raise wrong_type(argument, "a function", value)


def finite(argument: str, values: Iterable[Any]) -> None:
    """Numbers that are numbers."""
    for value in values:
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"{argument}: {value} is no number")
