"""Objects cut out of their photos, to be pasted onto other ground (Dwibedi et al. 2017, "Cut, Paste and Learn").

The annotations have boxes only, so the outline is found by GrabCut (Rother et al. 2004): everything outside
the box is ground, the inside is divided by colour.
"""
import pickle

import cv2
import numpy as np

SIDE = 160      # the longer side that an object is divided at
MARGIN = 0.35   # of ground around the box, as a share of its sides


def outline(pixels, box):
    """Alpha (uint8) of the object in a window around its box, and the window; None where nothing useful was found."""
    h, w = pixels.shape[:2]
    x1, y1, x2, y2 = box
    if x1 < 2 or y1 < 2 or x2 > w - 2 or y2 > h - 2:
        return None  # cut off by the photo's edge
    mx, my = MARGIN * (x2 - x1) + 6, MARGIN * (y2 - y1) + 6
    a, b, c, d = max(0, int(x1 - mx)), max(0, int(y1 - my)), min(w, int(x2 + mx) + 1), min(h, int(y2 + my) + 1)
    window = pixels[b:d, a:c]
    s = min(3.0, SIDE / max(x2 - x1, y2 - y1))
    small = cv2.resize(window, None, fx=s, fy=s, interpolation=cv2.INTER_CUBIC if s > 1 else cv2.INTER_AREA)
    rect = [int(round(v * s)) for v in (x1 - a, y1 - b, x2 - x1, y2 - y1)]
    if min(rect[2:]) < 8:
        return None
    mask = np.zeros(small.shape[:2], np.uint8)
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(np.ascontiguousarray(small[:, :, ::-1]), mask, rect, *models, 5, cv2.GC_INIT_WITH_RECT)
    except cv2.error:
        return None
    found = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(found)
    if count < 2:
        return None
    area = stats[1:, cv2.CC_STAT_AREA]
    kept = np.isin(parts, 1 + np.flatnonzero(area >= 0.1 * area.max()))
    ys, xs = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    wide, high = xs[-1] + 1 - xs[0], ys[-1] + 1 - ys[0]
    if wide < 0.8 * rect[2] or high < 0.8 * rect[3] or kept.sum() > 0.97 * rect[2] * rect[3]:
        return None
    soft = cv2.GaussianBlur(kept.astype(np.float32), (0, 0), 0.7 * max(1, s / 1.5))
    alpha = cv2.resize(soft, (c - a, d - b), interpolation=cv2.INTER_AREA)
    return (alpha * 255).astype(np.uint8), (a, b, c, d)


def cut(photos):
    """All objects of `photos` that can be cut out: (h, w, 4) bytes and label of each."""
    patches, labels = [], []
    for pixels, boxes, kinds in zip(photos.pixels, photos.boxes, photos.labels):
        for box, kind in zip(boxes, kinds):
            got = outline(pixels, box)
            if got is not None:
                alpha, (a, b, c, d) = got
                patches.append(np.dstack([pixels[b:d, a:c], alpha]))
                labels.append(int(kind))
    return patches, np.array(labels)


class Cutouts:
    """The objects of a data set without their ground."""

    def __init__(self, patches, labels):
        self.patches = patches
        count = np.bincount(labels)
        weight = count[labels] ** -0.5
        self.labels, self.odds = labels, np.cumsum(weight / weight.sum())

    @staticmethod
    def of(photos, path):
        """Those of a data set, cut out once (minutes) and kept."""
        if not path.exists():
            fresh = path.with_suffix(".tmp")
            fresh.write_bytes(pickle.dumps(cut(photos)))
            fresh.replace(path)
        return Cutouts(*pickle.loads(path.read_bytes()))

    def turned(self, rng):
        """One object at any angle and another size: colour, alpha in 0..1, label."""
        i = min(int(np.searchsorted(self.odds, rng.random())), len(self.labels) - 1)
        patch = self.patches[i]
        h, w = patch.shape[:2]
        side = max(h, w) / (1 + 2 * MARGIN)
        s = np.clip(np.exp(rng.uniform(np.log(14), np.log(150))) / side, 0.25, 1.5)
        stretch, angle = np.exp(rng.uniform(-0.15, 0.15)), rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        move = turn @ np.diag([s * stretch * rng.choice((-1, 1)), s / stretch])
        wide, high = np.ceil(np.abs(move) @ (w, h)).astype(int) + 2
        shift = np.array([wide, high]) / 2 - move @ (w / 2, h / 2)
        if s < 0.6:
            patch = cv2.GaussianBlur(patch, (0, 0), 0.35 / s)
        move = np.column_stack([move, shift])
        out = cv2.warpAffine(patch, move, (int(wide), int(high)), flags=cv2.INTER_LINEAR)
        return out[:, :, :3].astype(np.float32), out[:, :, 3].astype(np.float32) / 255, int(self.labels[i])

    def pasted(self, rng, pixels, boxes, labels):
        """The canvas with two to six more objects that hide no other."""
        pixels, size = pixels.astype(np.float32), np.array(pixels.shape[1::-1])
        for _ in range(int(rng.integers(2, 7))):
            colour, alpha, label = self.turned(rng)
            solid = alpha > 0.4
            ys, xs = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
            if len(ys) < 4 or len(xs) < 4:
                continue
            own = np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1], np.float32)
            extent = own[2:] - own[:2]
            if (extent > 0.9 * size).any():
                continue
            for _ in range(5):
                at = np.floor(rng.uniform(-0.1 * extent, size - 0.9 * extent) - own[:2]).astype(int)
                box = np.concatenate([(own[:2] + at).clip(0, size), (own[2:] + at).clip(0, size)])
                inside = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
                areas = (boxes[:, 2:] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod()
                if (inside.clip(0).prod(1) < 0.15 * np.minimum(*areas)).all():
                    laid(rng, pixels, colour, alpha, at)
                    boxes = np.concatenate([boxes, box[None].astype(np.float32)])
                    labels = np.append(labels, label)
                    break
        return pixels.clip(0, 255).astype(np.uint8), boxes, labels


def laid(rng, pixels, colour, alpha, at):
    """Blend one object into the canvas, in other light and sometimes with a shadow."""
    gamma, gain, tint = np.exp(rng.normal(0, 0.15)), np.exp(rng.normal(0, 0.15)), np.exp(rng.normal(0, 0.06, 3))
    colour = ((colour / 255) ** gamma * 255 * gain * tint).astype(np.float32)
    if rng.random() < 0.6:
        reach = np.sqrt(alpha.sum()) * 0.3
        shade = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.6, 2.5)) * rng.uniform(0.15, 0.6)
        blend(pixels, None, shade, at + np.rint(rng.uniform(-reach, reach, 2)).astype(int))
    blend(pixels, colour, alpha, at)


def blend(pixels, colour, alpha, at):
    """Over the canvas at (x, y), clipped to it; no colour means black."""
    h, w = alpha.shape
    x0, y0 = np.maximum(at, 0)
    x1, y1 = np.minimum(at + (w, h), pixels.shape[1::-1])
    if x0 >= x1 or y0 >= y1:
        return
    part = np.s_[y0 - at[1]:y1 - at[1], x0 - at[0]:x1 - at[0]]
    a = alpha[part][..., None]
    there = pixels[y0:y1, x0:x1]
    there *= 1 - a
    if colour is not None:
        there += a * colour[part]
