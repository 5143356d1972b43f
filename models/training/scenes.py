"""Rendered scenes for training and for the test, made by `rcnn synth` and kept in a folder as long as they are of use.

Which scenes a step sees follows from the seed and the step alone. Knows no network.
"""
import fcntl
import hashlib
import pathlib
import shutil
import subprocess

import cv2
import numpy as np
import torch

from photos import Photos, normalised

# Seeds of `rcnn synth`. Training's are SERIES times the run's seed and up, so no other ever meets them; CROPS above
# those are the scenes whose objects are cut out.
TEST, SETTLE, PROBE, SERIES, CROPS = 99, 98, 97, 1_000_000, 500_000
PART = 4000  # scenes rendered at once
KEPT = 12  # parts kept on disk


class Scenes:
    """Scenes of one size in one folder, for any number of runs side by side."""

    def __init__(self, rcnn, folder, size, objects):
        self.rcnn, self.folder, self.size, self.objects = rcnn, folder, size, objects
        self.part = None, None
        folder.mkdir(parents=True, exist_ok=True)

    def rendered(self, name, seed, count):
        """The data set of a seed, rendered if it is not there; a stopped `rcnn synth` leaves nothing behind."""
        folder = self.folder / name
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                command = [self.rcnn, "synth", "-o", folder, "--seed", seed, "--count", count, "--size", self.size]
                subprocess.run([*map(str, command), "--objects", self.objects, "--threads", "1"], check=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        return folder

    def test(self, count):
        return self.rendered(f"test-{count}", TEST, count)

    def probe(self):
        """A digest of a few scenes: another version of `rcnn` may render others."""
        files = sorted((self.rendered("probe", PROBE, 4) / "images").iterdir())
        return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]

    def classes(self):
        return Photos(self.rendered("probe", PROBE, 4)).classes

    def settling(self, count, batch):
        """Batches to measure batch statistics on, the same for every run."""
        photos = Photos(self.rendered(f"settle-{count}", SETTLE, count))
        for first in range(0, count, batch):
            yield pixels(photos, range(first, min(first + batch, count)))

    def batch(self, seed, step, count):
        """What a step of a run sees: normalised pixels and torchvision's targets. Scenes without objects stay in."""
        photos, places = self.shown("train", SERIES * seed, step, count)
        targets = [{"boxes": torch.from_numpy(photos.boxes[i]), "labels": torch.from_numpy(photos.labels[i])} for i in places]
        return pixels(photos, places), targets

    def crops(self, seed, step, count, side):
        """All objects of some scenes, each in the middle of a square that it fills to four fifths, and their classes
        from 0."""
        photos, places = self.shown("crops", SERIES * seed + CROPS, step, count)
        cut = [crop(photos.read(i), box, side) for i in places for box in photos.boxes[i]]
        labels = torch.from_numpy(np.concatenate([photos.labels[i] for i in places])) - 1
        return normalised(torch.from_numpy(np.stack(cut)).permute(0, 3, 1, 2)), labels

    def shown(self, kind, first, step, count):
        """The data set that a step sees, and the places of its scenes there."""
        per_part = PART // count
        number, place = divmod(step, per_part)
        name = f"{kind}-{first}-{number}-{count}"
        if self.part[0] != name:
            self.part = name, Photos(self.rendered(name, first + number, per_part * count))
            self.prune(name)
        return self.part[1], range(place * count, (place + 1) * count)

    def prune(self, used):
        """Forget the parts that were not used for longest."""
        (self.folder / used).touch()
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            parts = sorted([*self.folder.glob("train-*"), *self.folder.glob("crops-*")], key=lambda p: p.stat().st_mtime)
            for old in parts[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)


def pixels(photos, places):
    """Scenes as the network takes them, in channels_last memory."""
    return normalised(torch.from_numpy(np.stack([photos.read(i) for i in places])).permute(0, 3, 1, 2))


def crop(pixels, box, side):
    """The square around a box, as many pixels wide."""
    x1, y1, x2, y2 = map(float, box)
    scale = side / (1.25 * max(x2 - x1, y2 - y1))
    move = np.array([[scale, 0, side / 2 - scale * (x1 + x2) / 2], [0, scale, side / 2 - scale * (y1 + y2) / 2]])
    return cv2.warpAffine(pixels, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def program(given):
    """The `rcnn` to call: what was given, else one that cargo built here, else the one on the path."""
    built = pathlib.Path(__file__).resolve().parents[2] / "target/release/rcnn"
    found = given or (str(built) if built.exists() else shutil.which("rcnn"))
    if not found:
        raise SystemExit("no `rcnn`: build it (cargo build --release) or name it with --rcnn")
    return pathlib.Path(found).resolve()
