"""Commands of the program, called in this process."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

from rcnn import _arguments, _rcnn, _runtime
from rcnn.errors import Error

log = logging.getLogger("rcnn")

# What the program ends with.
DONE, WRONG_USAGE, SOME_FAILED = 0, 2, 3


def call(command: str, *arguments: object, raises: type[Error] = Error) -> str:
    """Runs a command; gives what it would print. What it would tell is logged.

    Raises:
        ValueError: The arguments do not make a command.
        raises: The command failed; with its sentence.
    """
    _runtime.bring()
    texts = [os.fspath(each) if isinstance(each, os.PathLike) else str(each) for each in arguments]
    code, output, told = _rcnn.call(["rcnn", command, *texts])
    lines = [line for line in told.splitlines() if line]
    if code not in (DONE, SOME_FAILED):
        said = lines[-1].removeprefix("rcnn: ") if lines else f"exit code {code}"
        if code == WRONG_USAGE:
            raise ValueError(told.strip().removeprefix("rcnn: ").removeprefix("error: "))
        raise raises(said)
    for line in lines:
        log.log(logging.WARNING if line.startswith("warning: ") else logging.INFO, "%s", line)
    return output


def called(command: str, *arguments: object, raises: type[Error] = Error) -> Any:
    """As :func:`call`, of a command that prints one JSON document."""
    return json.loads(call(command, "--json", *arguments, raises=raises))


def given(options: Mapping[str, object]) -> list[object]:
    """Options with their values, of which those that are nothing are left out."""
    return [each for name, value in options.items() for each in option(name, value)]


def option(name: str, value: object) -> list[object]:
    """An option with a value, or nothing where there is none; a switch where the value is True."""
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{name}"]
    argument = name.replace("-", "_")
    if isinstance(value, os.PathLike):
        return [f"--{name}={_arguments.path(argument, value)}"]
    if isinstance(value, (bytes, bytearray)):
        raise _arguments.wrong_type(argument, "a text or numbers", value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [f"--{name}={','.join(_text(argument, each) for each in value)}"]
    return [f"--{name}={_text(argument, value)}"]


def _text(argument: str, value: object) -> str:
    return _arguments.text(argument, str(value))
