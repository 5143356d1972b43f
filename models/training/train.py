#!/usr/bin/env python3
"""Train one rung of the ladder from scratch on COCO-format folders.

    python train.py resnet-34 --train fod/train=0.65 --train scenes=0.35 --test fod/test -o runs/resnet-34

Made for a processor: bfloat16 autocast with channels_last, photos decoded once into memory, mosaics of
crops around objects so that every canvas shows several, small canvases first and large ones at the end,
AdamW, warm-up and cosine to zero, a moving average of the weights, and batch statistics measured once
more at the end. The folder gets log.csv (step, rate, losses, seconds), ap.csv (step, numbers on some of
the test photos, which nothing is selected on), checkpoint.pt every so often and model.pth with config.json
at the end. The same command goes on where it was stopped, with the same canvases as if it had not been.
"""
import argparse
import csv
import functools
import json
import math
import pathlib
import time

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models.detection.image_list import ImageList

import roi_pool
from cutouts import Cutouts
from network import RUNGS, build, configure
from photos import Canvases, Photos, normalised
from score import NAMES, detect, score

LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")


def in_bfloat16(forward):
    """The stage under autocast; what it hands on is float32."""
    @functools.wraps(forward)
    def run(*args):
        with torch.autocast("cpu", torch.bfloat16):
            out = forward(*args)
        if isinstance(out, (tuple, list)):
            return type(out)([t.float() for t in o] if isinstance(o, list) else o.float() for o in out)
        return {k: v.float() for k, v in out.items()} if isinstance(out, dict) else out.float()
    return run


class Training:
    """A network on its way: weights, their moving average, optimiser, canvases and the step reached."""

    def __init__(self, a, sets, shares):
        torch.manual_seed(a.seed)
        self.a, self.config = a, configure(a.rung, sets[0].classes)
        self.model = build(self.config).to(memory_format=torch.channels_last)
        if a.init:
            missing, _ = self.model.load_state_dict({k: v.float() for k, v in load_file(a.init).items()}, strict=False)
            if any(not k.endswith("num_batches_tracked") for k in missing):
                raise SystemExit(f"{a.init} lacks {missing[0]}")
        self.mean = build(self.config)
        self.mean.load_state_dict(self.model.state_dict())
        self.mean.requires_grad_(False)
        params = list(self.model.parameters())
        groups = [{"params": [p for p in params if p.ndim > 1], "weight_decay": a.decay},
                  {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=a.lr, betas=(0.9, 0.99))
        cutouts = Cutouts.of(sets[0], a.cutouts or a.out / "cutouts.pkl") if a.paste else None
        self.canvases = Canvases(sets, shares, a.mosaic, a.seed, cutouts, a.paste)
        self.step, self.seconds = 0, 0.0
        if (a.out / "checkpoint.pt").exists():
            self.restore()
        self.lighten()

    def restore(self):
        c = torch.load(self.a.out / "checkpoint.pt", weights_only=False)
        if c["config"] != self.config:
            raise SystemExit(f"{self.a.out} holds another network: give another folder")
        self.model.load_state_dict(c["model"]), self.mean.load_state_dict(c["mean"])
        self.optimizer.load_state_dict(c["optimizer"])
        self.canvases.rng.bit_generator.state = c["canvases"]
        torch.set_rng_state(c["torch"])
        self.step, self.seconds = c["step"], c["seconds"]

    def save(self):
        state = {"model": self.model.state_dict(), "mean": self.mean.state_dict(),
                 "optimizer": self.optimizer.state_dict(), "canvases": self.canvases.rng.bit_generator.state,
                 "torch": torch.get_rng_state(), "step": self.step, "seconds": self.seconds, "config": self.config}
        torch.save(state, self.a.out / "checkpoint.tmp")
        (self.a.out / "checkpoint.tmp").replace(self.a.out / "checkpoint.pt")

    def lighten(self):
        """Fewer proposals and the quicker stages, in training only."""
        model, a = self.model, self.a
        model.rpn._pre_nms_top_n["training"], model.rpn._post_nms_top_n["training"] = a.rpn_pre, a.rpn_post
        model.roi_heads.fg_bg_sampler.batch_size_per_image = a.roi_batch
        model.roi_heads.fg_bg_sampler.positive_fraction = 0.4
        if not a.float32:
            for stage in (model.backbone, model.rpn.head, model.roi_heads.box_head):
                stage.forward = in_bfloat16(stage.forward)
        model.roi_heads.box_roi_pool.forward = roi_pool.pool

    def rate(self):
        warm = min(1.0, (self.step + 1) / self.a.warmup)
        return self.a.lr * warm * 0.5 * (1 + math.cos(math.pi * self.step / self.a.steps))

    def advance(self):
        """One step; the losses in the order of LOSSES."""
        a, model, done = self.a, self.model, self.step / self.a.steps
        size = a.size if done >= a.small_share else a.small_size
        rate = self.rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        pixels, targets = self.canvases.batch(a.batch, size, done >= 1 - a.calm)
        sizes = [(size, size)] * a.batch
        features = model.backbone(pixels)
        proposals, losses = model.rpn(ImageList(pixels, sizes), features, targets)
        _, more = model.roi_heads(features, proposals, sizes, targets)
        losses.update(more)
        self.optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), a.clip)
        self.optimizer.step()
        self.average()
        self.step += 1
        return np.array([losses[n].item() for n in LOSSES])

    @torch.no_grad()
    def average(self):
        keep = min(self.a.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.model.parameters()), 1 - keep)
        for mine, theirs in zip(self.mean.buffers(), self.model.buffers()):
            mine.copy_(theirs)


@torch.no_grad()
def settle(model, photos, count, seed):
    """Measure the batch statistics of the averaged weights: whole photos, no changes, cumulative mean."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    model.train()
    order = np.random.default_rng(seed).permutation(len(photos.pixels))[:count]
    for k in range(0, len(order), 8):
        same = [photos.pixels[i] for i in order[k:k + 8] if photos.pixels[i].shape == photos.pixels[order[k]].shape]
        x = normalised(torch.from_numpy(np.stack(same)).permute(0, 3, 1, 2))
        model.backbone.body(nn.functional.pad(x, (0, -x.shape[3] % 32, 0, -x.shape[2] % 32)))
    for m in norms:
        m.momentum = 0.1


def appended(path, heading, fresh):
    """A CSV file to go on with."""
    file = open(path, "w" if fresh else "a", newline="")
    if fresh:
        csv.writer(file).writerow(heading)
        file.flush()
    return file


def export(t):
    """model.pth: a float32 state_dict with torchvision's names; config.json beside it."""
    torch.save(t.mean.state_dict(), t.a.out / "model.pth")
    (t.a.out / "config.json").write_text(json.dumps({**t.config, "steps": t.step, "seconds": round(t.seconds)}, indent=1) + "\n")


def train(a):
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(1)
    a.out.mkdir(parents=True, exist_ok=True)
    named = [v.partition("=") for v in a.train]
    sets, shares = [Photos(pathlib.Path(f)).load() for f, _, _ in named], [float(s or 1) for _, _, s in named]
    if any(s.classes != sets[0].classes for s in sets):
        raise SystemExit("the training folders name different classes")
    test = Photos(a.test)
    some = range(0, len(test.images), max(1, len(test.images) // a.eval_photos))
    t = Training(a, sets, shares)
    log = appended(a.out / "log.csv", ("step", "rate", "loss") + LOSSES + ("seconds",), t.step == 0)
    ap_log = appended(a.out / "ap.csv", ("step",) + NAMES[:3] + ("seconds",), t.step == 0)
    sums, seen = np.zeros(len(LOSSES)), 0
    t.model.train()
    while t.step < a.steps:
        began = time.time()
        sums, seen = sums + t.advance(), seen + 1
        t.seconds += time.time() - began
        last = t.step == a.steps
        if t.step % a.log_every == 0 or last:
            row = [t.step, f"{t.rate():.6f}", f"{sums.sum() / seen:.4f}"] + [f"{v:.4f}" for v in sums / seen]
            csv.writer(log).writerow(row + [f"{t.seconds:.0f}"])
            log.flush()
            sums, seen = np.zeros(len(LOSSES)), 0
        if last and a.settle:
            settle(t.mean, sets[0], a.settle, a.seed)
        if t.step % a.eval_every == 0 or last:
            numbers = score(test, some, detect(t.mean, test, some))
            csv.writer(ap_log).writerow([t.step] + [f"{numbers[k]:.4f}" for k in NAMES[:3]] + [f"{t.seconds:.0f}"])
            ap_log.flush()
        if t.step % a.save_every == 0 or last:
            t.save()
    export(t)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = p.add_argument
    add("rung", choices=list(RUNGS))
    add("--train", action="append", required=True, metavar="FOLDER[=SHARE]",
        help="folder with images/ and annotations.json, and its share of the crops; may be repeated")
    add("--test", type=pathlib.Path, required=True, help="folder measured now and then, for ap.csv")
    add("-o", "--out", type=pathlib.Path, required=True)
    add("--init", type=pathlib.Path, help="start from these weights (.safetensors) instead of from scratch")
    add("--steps", type=int, default=5000)
    add("--batch", type=int, default=8)
    add("--size", type=int, default=320, help="side of the canvases in pixels")
    add("--small-size", type=int, default=224, help="their side at first")
    add("--small-share", type=float, default=0.6, help="share of the steps with small canvases")
    add("--mosaic", type=float, default=0.7, help="share of canvases that are mosaics")
    add("--paste", type=float, default=0.0, help="share of canvases with objects of the first folder pasted in")
    add("--cutouts", type=pathlib.Path, help="where those are kept, for several runs (otherwise in the run's folder)")
    add("--calm", type=float, default=0.1, help="last share of the steps, whole photos only")
    add("--lr", type=float, default=1.5e-3)
    add("--decay", type=float, default=0.03)
    add("--warmup", type=int, default=150)
    add("--clip", type=float, default=5.0, help="largest norm of the gradient")
    add("--average", type=float, default=0.998, help="of the weights' moving average")
    add("--rpn-pre", type=int, default=400, help="candidates a level before suppression")
    add("--rpn-post", type=int, default=256, help="proposals a canvas")
    add("--roi-batch", type=int, default=64, help="proposals a canvas that the box head learns from")
    add("--settle", type=int, default=1200, help="photos for the last batch statistics; 0: leave those of training, as after --paste")
    add("--float32", action="store_true", help="no bfloat16: quicker on processors without AMX or AVX-512")
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=1)
    add("--log-every", type=int, default=20)
    add("--save-every", type=int, default=200)
    add("--eval-every", type=int, default=1000)
    add("--eval-photos", type=int, default=100, help="about so many test photos")
    train(p.parse_args())


if __name__ == "__main__":
    main()
