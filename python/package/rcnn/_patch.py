"""In pycocotools' place."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

from rcnn import coco, cocoeval, mask


def patch_pycocotools() -> None:
    """Puts :class:`COCO`, :class:`COCOeval` and :mod:`rcnn.mask` in pycocotools' place, for code that cannot be edited.

    To be called before that code imports pycocotools, which need not be installed. What was imported from pycocotools before
    stays what it was; modules that look names up in pycocotools' modules find the new ones.
    """
    package = sys.modules.get("pycocotools") or module("pycocotools", {})
    package.__path__ = getattr(package, "__path__", [])
    parts: dict[str, dict[str, object]] = {
        "coco": {"COCO": coco.COCO},
        "cocoeval": {"COCOeval": cocoeval.COCOeval, "Params": cocoeval.Params},
        "mask": {name: getattr(mask, name) for name in mask.__all__},
    }
    for name, members in parts.items():
        full = f"pycocotools.{name}"
        part = sys.modules.get(full) or module(full, members)
        vars(part).update(members)
        setattr(package, name, part)


def module(name: str, members: dict[str, object]) -> ModuleType:
    """A module that importers find."""
    made = ModuleType(name, "rcnn in pycocotools' place.")
    made.__spec__ = ModuleSpec(name, None)
    vars(made).update(members)
    sys.modules[name] = made
    return made
