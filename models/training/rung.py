"""One rung of the ladder on its way: a network, its optimiser and the moving average of its weights.

As in the paper, the trunk learns to classify first, here the objects of rendered scenes, cut out; then the detector is
trained on whole scenes, with that trunk and everything else anew.

A step depends on the state and the step's number alone, and the state is written whole, so a run that is killed
at any moment goes on to the weights it would have had. Knows scenes, but no other rungs and no schedule of them.
"""
import copy
import csv
import dataclasses
import json
import os
import time

import numpy as np
import torch
from torch import nn
from torchvision.models.detection.image_list import ImageList

import roi_pool
from network import LADDER, build, configure

LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What all rungs share. Nothing here depends on the depth."""
    pretrain: int = 4000  # the first steps, in which the trunk learns to classify single objects
    steps: int = 8000  # those included
    size: int = 128
    batch: int = 8
    crop_scenes: int = 16  # scenes a step whose objects are classified
    crop: int = 48  # side of a crop in pixels
    objects: str = "3-6"  # in a scene
    widths: tuple = (16, 32, 64, 64)
    fpn: int = 32
    box_head: int = 128
    lr: float = 1.5e-3
    pretrain_lr: float = 2e-3
    decay: float = 0.02
    warmup: int = 200
    fall: float = 0.3  # the last share of the steps of either kind, in which the rate falls to zero
    clip: float = 5.0  # largest norm of the gradient
    average: float = 0.998  # of the weights' moving average
    rpn_pre: int = 100  # candidates a level before suppression
    rpn_post: int = 64  # proposals a scene
    rpn_batch: int = 64  # anchors a scene that the proposals learn from
    roi_batch: int = 32  # proposals a scene that the box head learns from
    settle: int = 512  # scenes to measure the batch statistics of the averaged weights on
    log_every: int = 50
    save_every: int = 250

    def rate(self, step, since):
        """The learning rate: a warm-up from where the optimiser began, level, then down to zero in a line; once for the
        classifier and once for the detector."""
        classifying = step < self.pretrain
        first, last, highest = (0, self.pretrain, self.pretrain_lr) if classifying else (self.pretrain, self.steps, self.lr)
        return highest * min(1, (step - since + 1) / self.warmup, (last - step) / (self.fall * (last - first)))

    def fixed(self):
        """All that a run may not change on its way; its length may until the rate begins to fall."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "steps"}

    def network(self, rung, classes):
        """Few small objects on small scenes: fewer proposals than torchvision's, anchors of a quarter of its sizes."""
        return configure(
            rung, classes, **LADDER[rung], from_shortcuts=True, widths=self.widths, fpn_channels=self.fpn, box_head=self.box_head,
            anchor_sizes=[[8], [16], [32], [64], [128]], min_size=self.size, max_size=self.size,
            rpn_pre_nms_top_n=300, rpn_post_nms_top_n=100)


def write(path, text):
    """Whole or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(text)
    beside.replace(path)


def table(path, heading, rows):
    """A CSV file, whole or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with beside.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([heading, *rows])
    beside.replace(path)


class Rung:
    """A network on its way in its folder."""

    def __init__(self, name, seed, recipe, scenes, folder):
        self.name, self.seed, self.recipe, self.scenes, self.folder = name, seed, recipe, scenes, folder
        self.config = recipe.network(name, scenes.classes())
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.model = build(self.config).to(memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.model).requires_grad_(False)
        self.classifier = nn.Linear(self.model.backbone.fpn.inner_blocks[-1][0].in_channels, len(scenes.classes()))
        self.step, self.seconds, self.log, self.errors, self.restarts = 0, 0.0, [], [], []
        self.began()

    def began(self):
        """An optimiser without a memory, from this step on."""
        params = [*self.model.parameters(), *self.classifier.parameters()]
        groups = [{"params": [p for p in params if p.ndim > 1], "weight_decay": self.recipe.decay},
                  {"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.recipe.lr, betas=(0.9, 0.99), fused=True)
        self.since = self.step
        self.lighten()

    def lighten(self):
        """Fewer proposals and the quicker RoIAlign, in training only."""
        model, recipe = self.model, self.recipe
        model.rpn._pre_nms_top_n["training"], model.rpn._post_nms_top_n["training"] = recipe.rpn_pre, recipe.rpn_post
        model.rpn.fg_bg_sampler.batch_size_per_image = recipe.rpn_batch
        model.roi_heads.fg_bg_sampler.batch_size_per_image = recipe.roi_batch
        model.roi_heads.fg_bg_sampler.positive_fraction = 0.4
        model.roi_heads.box_roi_pool.forward = roi_pool.pool
        model.train()

    def restore(self):
        """The state of the folder, if there is one."""
        path = self.folder / "state.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        self.check(state, self.folder)
        self.model.load_state_dict(state["model"]), self.mean.load_state_dict(state["mean"])
        self.classifier.load_state_dict(state["classifier"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.since = state["since"]
        self.recall(state)
        return True

    def recall(self, facts):
        """Where a file left off."""
        self.step, self.seconds, self.log = facts["step"], facts["seconds"], facts["log"]
        self.errors, self.restarts = facts["errors"], facts["restarts"]

    def check(self, facts, folder):
        """That what is in a folder belongs to this recipe and these scenes."""
        if facts["fixed"] != repr(self.recipe.fixed()) or facts["probe"] != self.scenes.probe():
            raise SystemExit(f"{folder} was begun with another recipe or other scenes: give another folder")
        first = self.recipe.pretrain
        level = first + (1 - self.recipe.fall) * (min(facts["steps"], self.recipe.steps) - first)
        if facts["steps"] != self.recipe.steps and facts["step"] > level:
            raise SystemExit(f"in {folder} the rate falls towards step {facts['steps']} already: that is its length now")

    def facts(self):
        """What else a file must hold to go on from it."""
        return {"step": self.step, "seconds": self.seconds, "log": self.log, "errors": self.errors, "restarts": self.restarts,
                "fixed": repr(self.recipe.fixed()), "steps": self.recipe.steps, "probe": self.scenes.probe()}

    def save(self):
        state = {"model": self.model.state_dict(), "mean": self.mean.state_dict(), "classifier": self.classifier.state_dict(),
                 "optimizer": self.optimizer.state_dict(), "since": self.since, **self.facts()}
        beside = self.folder / "state.tmp"
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.folder / "state.pt")
        table(self.folder / "classifier.csv", ("step", "rate", "loss", "error", "seconds"), self.errors)
        table(self.folder / "log.csv", ("step", "rate", "loss", *LOSSES, "seconds"), self.log)
        write(self.folder / "progress.json", json.dumps(self.progress(), indent=1) + "\n")

    def progress(self):
        last = (self.log or self.errors)[-10:]
        loss = sum(float(row[2]) for row in last) / len(last) if last else None
        return {"rung": self.name, "seed": self.seed, "step": self.step, "steps": self.recipe.steps,
                "loss": loss and round(loss, 4), "seconds": round(self.seconds, 1), "restarts": self.restarts}

    def train(self, until, tell):
        """On to a step, which save_every divides; what was not saved yet is never in a file."""
        recipe = self.recipe
        while self.step < until:
            if self.step == recipe.pretrain:
                self.began()
            advance, log = (self.classify, self.errors) if self.step < recipe.pretrain else (self.detect, self.log)
            sums, began = 0.0, time.monotonic()
            for _ in range(recipe.log_every):
                rate = recipe.rate(self.step, self.since)
                sums = sums + np.array(advance(rate))
            self.seconds += time.monotonic() - began
            means = (f"{v:.4f}" for v in sums / recipe.log_every)
            log.append([self.step, f"{rate:.6f}", *means, f"{self.seconds:.0f}"])
            if self.step % recipe.save_every == 0:
                self.save()
                tell(self)

    def classify(self, rate):
        """One step of classifying the objects of some scenes, cut out; the loss and the share that is wrong. Every
        object is new, so this is the error on objects that were never seen."""
        pixels, labels = self.scenes.crops(self.seed, self.step, self.recipe.crop_scenes, self.recipe.crop)
        said = self.classifier(self.model.backbone.body(pixels)["3"].mean((2, 3)))
        loss = nn.functional.cross_entropy(said, labels)
        self.learn(rate, loss)
        return loss.item(), (said.argmax(1) != labels).float().mean().item()

    def detect(self, rate):
        """One step of detection; the sum of the losses, and the losses in the order of LOSSES."""
        model, size = self.model, self.recipe.size
        torch.manual_seed(self.seed * 1_000_000_007 + self.step)
        pixels, targets = self.scenes.batch(self.seed, self.step, self.recipe.batch)
        sizes = [(size, size)] * len(targets)
        features = model.backbone(pixels)
        proposals, losses = model.rpn(ImageList(pixels, sizes), features, targets)
        _, more = model.roi_heads(features, proposals, sizes, targets)
        losses.update(more)
        loss = sum(losses.values())
        self.learn(rate, loss)
        return loss.item(), *(losses[n].item() for n in LOSSES)

    def learn(self, rate, loss):
        """A step down a loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.step += 1
        self.follow()

    @torch.no_grad()
    def follow(self):
        """The moving average, quicker at first."""
        done = self.step - self.since
        keep = min(self.recipe.average, (1 + done) / (10 + done))
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.model.parameters()), 1 - keep)

    @torch.no_grad()
    def settle(self):
        """Measure the batch statistics of the averaged weights, which are neither those of any step's weights nor
        their average: the mean over batches."""
        norms = [m for m in self.mean.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        self.mean.train()
        for pixels in self.scenes.settling(self.recipe.settle, 32):
            self.mean.backbone.body(pixels)
        for norm in norms:
            norm.momentum = 0.1

    def store(self):
        """model.pth and config.json, which export.py reads, of the averaged weights."""
        self.settle()
        torch.save(self.mean.state_dict(), self.folder / "model.pth")
        write(self.folder / "config.json", json.dumps({**self.config, "steps": self.step}, indent=1) + "\n")
