"""Run lengths of masks: a mask's pixels column by column, as lengths of runs of zeros and ones in turn, zeros first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int64]

# A polygon's edges are walked on a grid so many times as fine as the pixels.
FINER = 5


def of_mask(mask: NDArray[np.uint8]) -> Runs:
    """Runs of a mask of (height, width)."""
    pixels = np.asarray(mask, dtype=bool).ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    bounds = np.concatenate([[0], changes, [pixels.size]])
    if pixels.size and pixels[0]:
        bounds = np.concatenate([[0], bounds])
    return np.diff(bounds)


def to_mask(runs: Runs, height: int, width: int) -> NDArray[np.uint8]:
    """The mask (height, width), uint8, in columns."""
    if runs.sum() != height * width:
        raise ValueError(f"a mask of {height} x {width} pixels has run lengths of {runs.sum()} pixels in all")
    values = np.arange(len(runs)) % 2
    return np.repeat(values, runs).astype(np.uint8).reshape((height, width), order="F")


def to_text(runs: Runs) -> bytes:
    """COCO's text of runs: five bits a character, lowest first; from the fourth run on the difference from the run two before."""
    text = bytearray()
    for place, run in enumerate(runs.tolist()):
        value = run - int(runs[place - 2]) if place > 2 else run
        while True:
            bits, value = value & 31, value >> 5
            # The sign is the highest of the five bits.
            last = value == (-1 if bits & 16 else 0)
            text.append((bits if last else bits | 32) + 48)
            if last:
                break
    return bytes(text)


def of_text(text: bytes | str) -> Runs:
    """The runs of COCO's text."""
    codes = [code - 48 for code in (text.encode() if isinstance(text, str) else text)]
    runs: list[int] = []
    value = shift = 0
    for code in codes:
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the text of a mask's run lengths ends within a number")
    return np.array(runs, dtype=np.int64)


def of_polygon(corners: Sequence[float], height: int, width: int) -> Runs:
    """Runs of a polygon's inside: x and y of its corners in turn, in pixels.

    The edges are walked on a grid five times as fine, rounded to its points; where they enter another column of pixels at its
    middle, the pixels below change.
    """
    points = (FINER * np.asarray(corners, dtype=np.float64).reshape(-1, 2) + 0.5).astype(np.int64)
    walked = [edge(start, end) for start, end in zip(points, np.roll(points, -1, axis=0))]
    u, v = np.concatenate(walked, axis=1)
    left, right = u[:-1], u[1:]
    crossing = left != right
    column = (np.where(right < left, right, right - 1) + 0.5) / FINER - 0.5
    row = (np.minimum(v[:-1], v[1:]) + 0.5) / FINER - 0.5
    inside = crossing & (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    column, row = column[inside].astype(np.int64), np.ceil(np.clip(row[inside], 0, height)).astype(np.int64)
    bounds = np.sort(np.concatenate([column * height + row, [height * width]]))
    return joined(np.diff(bounds, prepend=0))


def edge(start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Points of the fine grid on an edge from its start to its end: (2, N) columns and rows."""
    (xs, ys), (xe, ye) = start.tolist(), end.tolist()
    flat = abs(xe - xs) >= abs(ye - ys)
    # Walked from the lower end of the longer side, so that rounding does not depend on the direction.
    turned = xs > xe if flat else ys > ye
    if turned:
        xs, ys, xe, ye = xe, ye, xs, ys
    steps = np.arange((xe - xs if flat else ye - ys) + 1)
    if turned:
        steps = steps[::-1]
    if flat:
        slope = (ye - ys) / (xe - xs) if xe != xs else 0.0
        return np.stack([xs + steps, (ys + slope * steps + 0.5).astype(np.int64)])
    slope = (xe - xs) / (ye - ys)
    return np.stack([(xs + slope * steps + 0.5).astype(np.int64), ys + steps])


def joined(runs: Runs) -> Runs:
    """The same without runs of no pixel, save the first."""
    kept = [int(runs[0])]
    place = 1
    while place < len(runs):
        if runs[place] > 0:
            kept.append(int(runs[place]))
            place += 1
            continue
        # A run of nothing: those on both sides of it are one.
        place += 1
        if place < len(runs):
            kept[-1] += int(runs[place])
            place += 1
    return np.array(kept, dtype=np.int64)


def box(runs: Runs, height: int, width: int) -> list[float]:
    """The box around the ones: x, y, width, height. Where there are runs and no ones, it is what is left when pycocotools'
    32 bits run over."""
    ends = np.cumsum(runs)[1::2]
    starts = (ends - runs[1::2])[runs[1::2] > 0]
    ends = ends[runs[1::2] > 0] - 1
    if len(starts) == 0:
        none = [width, height, (1 - width) % 2**32, (1 - height) % 2**32] if len(runs) > 1 else [0, 0, 0, 0]
        return [float(side) for side in none]
    first, last = starts // height, ends // height
    many = first < last
    top = 0 if many.any() else int((starts % height).min())
    bottom = height - 1 if many.any() else int((ends % height).max())
    left, right = int(first.min()), int(last.max())
    return [float(left), float(top), float(right - left + 1), float(bottom - top + 1)]


def of_object(mask: Any) -> tuple[Runs, int, int]:
    """Runs, height and width of a dictionary of ``size`` and ``counts``, which are a text or numbers."""
    height, width = (int(side) for side in mask["size"])
    counts = mask["counts"]
    runs = of_text(counts) if isinstance(counts, (bytes, str)) else np.asarray(counts, dtype=np.int64)
    return runs, height, width


def to_object(runs: Runs, height: int, width: int) -> dict[str, Any]:
    """A dictionary of ``size`` and ``counts``, as COCO's text in bytes."""
    return {"size": [height, width], "counts": to_text(runs)}
