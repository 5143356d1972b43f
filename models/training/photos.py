"""COCO data sets in memory, and training canvases made of them."""
import json
import math

import cv2
import numpy as np
import torch
from PIL import Image

from network import MEAN, STD

RAMP = np.arange(256) / 255.0
GREY = np.array([0.299, 0.587, 0.114])


class Photos:
    """A folder with images/ and annotations.json. Category ids become 1..N in the order of the ids."""

    def __init__(self, folder):
        coco = json.loads((folder / "annotations.json").read_text())
        self.folder, self.images = folder, coco["images"]
        categories = sorted(coco["categories"], key=lambda k: k["id"])
        self.classes = [k["name"] for k in categories]
        self.category_ids = [k["id"] for k in categories]
        label = {k["id"]: n for n, k in enumerate(categories, 1)}
        place = {im["id"]: i for i, im in enumerate(self.images)}
        boxes, labels = [[] for _ in self.images], [[] for _ in self.images]
        for b in coco["annotations"]:
            if b.get("iscrowd"):
                continue
            x, y, w, h = b["bbox"]
            boxes[place[b["image_id"]]].append((x, y, x + w, y + h))
            labels[place[b["image_id"]]].append(label[b["category_id"]])
        self.boxes = [np.array(b, np.float32).reshape(-1, 4) for b in boxes]
        self.labels = [np.array(v, np.int64) for v in labels]

    def read(self, i):
        return np.asarray(Image.open(self.folder / "images" / self.images[i]["file_name"]).convert("RGB"))

    def load(self):
        """Decode all photos once and keep those that show something."""
        self.pixels = [self.read(i) for i in range(len(self.images))]
        self.shown = [i for i, v in enumerate(self.labels) if len(v)]
        return self

    def odds(self):
        """Cumulative odds of `shown`: the inverse square root of how often its rarest class occurs."""
        count = np.bincount(np.concatenate(self.labels), minlength=len(self.classes) + 1)
        weight = np.array([(1 / count[self.labels[i]]).max() ** 0.5 for i in self.shown])
        return np.cumsum(weight / weight.sum())


class Canvases:
    """Training canvases: whole photos, mosaics of four crops around an object, or photos with objects pasted in.

    One seeded generator makes them, so every run with the same seed and data sees the same canvases in
    the same order, whatever the network.
    """

    def __init__(self, sets, shares, mosaic, seed, cutouts=None, paste=0.0):
        self.sets, self.mosaic = sets, mosaic
        self.cutouts, self.paste = cutouts, paste
        self.shares = np.cumsum(np.array(shares) / np.sum(shares))
        self.odds = [s.odds() for s in sets]
        self.rng = np.random.default_rng(seed)

    def pick(self):
        """A photo of one of the sets, and one of its objects."""
        k = min(int(np.searchsorted(self.shares, self.rng.random())), len(self.sets) - 1)
        photos, odds = self.sets[k], self.odds[k]
        i = photos.shown[min(int(np.searchsorted(odds, self.rng.random())), len(odds) - 1)]
        return photos.pixels[i], photos.boxes[i], photos.labels[i], int(self.rng.integers(len(photos.labels[i])))

    def crop(self, w, h, low, high, fill):
        """A w x h window around an object of a turned, scaled, tinted photo; `fill` keeps photos from
        being made smaller than the window."""
        rng = self.rng
        pixels, boxes, labels, target = self.pick()
        ih, iw = pixels.shape[:2]
        s = math.exp(rng.uniform(math.log(low), math.log(high)))
        if fill:
            s = max(s, min(1.0, max(w / iw, h / ih)))
        move, size = turned(iw, ih, s, math.exp(rng.uniform(-0.12, 0.12)), rng.integers(8))
        ends = boxes.reshape(-1, 2, 2) @ move[:, :2].T + move[:, 2]
        boxes = np.concatenate([ends.min(1), ends.max(1)], 1)
        x0 = window_start(rng, size[0], w, boxes[target, 0], boxes[target, 2])
        y0 = window_start(rng, size[1], h, boxes[target, 1], boxes[target, 3])
        move[:, 2] += move[:, :2].sum(1) * 0.5 - 0.5 - (x0, y0)  # warpAffine counts pixel centres
        out = cv2.warpAffine(pixels, move, (w, h), flags=cv2.INTER_LINEAR, borderValue=(124, 116, 104))
        full = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        boxes = (boxes - (x0, y0, x0, y0)).astype(np.float32)
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, w)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, h)
        bw, bh = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        keep = (bw > 3) & (bh > 3) & (bw * bh > 0.1 * full)
        return out, boxes[keep], labels[keep]

    def canvas(self, size, mosaic):
        rng = self.rng
        if self.paste and rng.random() < self.paste:
            out, boxes, labels = self.crop(size, size, 0.6, 1.25, True)
            out, boxes, labels = self.cutouts.pasted(rng, out, boxes, labels)
            return tinted(rng, out), boxes, labels
        if rng.random() >= mosaic:
            out, boxes, labels = self.crop(size, size, 0.75, 1.25, False)
            return tinted(rng, out), boxes, labels
        cx, cy = (int(size * v) for v in rng.uniform(0.35, 0.65, 2))
        out, boxes, labels = np.empty((size, size, 3), np.float32), [], []
        for x, y, w, h in ((0, 0, cx, cy), (cx, 0, size - cx, cy), (0, cy, cx, size - cy), (cx, cy, size - cx, size - cy)):
            part, b, v = self.crop(w, h, 0.4, 1.15, True)
            out[y:y + h, x:x + w] = tinted(rng, part)
            boxes.append(b + np.array([x, y, x, y], np.float32))
            labels.append(v)
        return out, np.concatenate(boxes), np.concatenate(labels)

    def batch(self, count, size, calm):
        """Normalised pixels (count, 3, size, size) in channels_last memory and torchvision's targets."""
        made = [self.canvas(size, 0.0 if calm else self.mosaic) for _ in range(count)]
        pixels = torch.from_numpy(np.stack([m[0] for m in made])).permute(0, 3, 1, 2)
        return pixels, [{"boxes": torch.from_numpy(m[1]), "labels": torch.from_numpy(m[2])} for m in made]


def turned(width, height, scale, stretch, turn):
    """Affine map of a photo scaled, stretched, mirrored (bits 1 and 2) and transposed (bit 4), and its size."""
    fx, fy = scale * stretch, scale / stretch
    move = np.array([[fx, 0, 0], [0, fy, 0]])
    if turn & 1:
        move[0] = -fx, 0, fx * width
    if turn & 2:
        move[1] = 0, -fy, fy * height
    size = [fx * width, fy * height]
    if turn & 4:
        move, size = move[::-1].copy(), size[::-1]
    return move, [round(v) for v in size]


def window_start(rng, length, window, low, high):
    """Where a window begins so that it shows most of the object low..high; sometimes it cuts its edge."""
    if length <= window:
        return -int(rng.integers(0, window - length + 1))
    if high - low <= window:
        edge = 0.3 * (high - low) if rng.random() < 0.2 else 0.0
        first, last = high - window - edge, low + edge
    else:
        slack = 0.25 * window
        first, last = low, high - slack - window
    first, last = sorted((first, last))
    first, last = max(0, math.ceil(first)), min(length - window, math.floor(last))
    return int(rng.integers(first, last + 1)) if first <= last else int(np.clip(first, 0, length - window))


def tinted(rng, pixels):
    """Float32 pixels in the network's normalisation, in other light and through another camera."""
    gain = math.exp(rng.normal(0, 0.18)) * np.exp(rng.normal(0, 0.08, 3))
    gamma, shift = math.exp(rng.normal(0, 0.15)), rng.normal(0, 0.04)
    table = ((RAMP ** gamma)[:, None] * gain + shift).clip(0, 1).astype(np.float32)
    out = cv2.LUT(pixels, table.reshape(1, 256, 3))
    chance = rng.random(3)
    if chance[0] < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.5, 1.6))
    if chance[1] < 0.15:
        out += rng.standard_normal(out.shape, np.float32) * np.float32(rng.uniform(0.005, 0.03))
    colour = 0.0 if chance[2] < 0.08 else min(1.6, math.exp(rng.normal(0, 0.3)))
    mix = colour * np.eye(3) + (1 - colour) * GREY[None, :]
    return cv2.transform(out, np.concatenate([mix / np.array(STD)[:, None], -(np.array(MEAN) / STD)[:, None]], 1).astype(np.float32))


def normalised(pixels):
    """(N, 3, H, W) bytes to the network's input."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (pixels.float() / 255 - mean) / std
