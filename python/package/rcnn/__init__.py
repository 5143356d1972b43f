"""Object detection with Faster R-CNN on ResNet-FPN backbones, and COCO mAP exactly as pycocotools computes it.

    detector = rcnn.Detector("fod-r18")
    found = detector.detect("photo.jpg")
    found.boxes, found.scores, found.labels

    rcnn.evaluate("annotations.json", "out").stats
    rcnn.patch_pycocotools()
"""

from rcnn import mask
from rcnn._patch import patch_pycocotools
from rcnn._rcnn import __version__
from rcnn._results import MismatchError
from rcnn.coco import COCO
from rcnn.cocoeval import COCOeval, Params
from rcnn.commands import Evaluation, compare, convert, evaluate, import_checkpoint, inspect
from rcnn.detections import Detections
from rcnn.detector import Detector
from rcnn.errors import (
    Error,
    EvaluateError,
    ForkError,
    InternalError,
    ModelError,
    OnnxRuntimeError,
    PhotoError,
    RunError,
)
from rcnn.rows import to_row

__all__ = [
    "COCO",
    "COCOeval",
    "Detections",
    "Detector",
    "Error",
    "EvaluateError",
    "Evaluation",
    "ForkError",
    "InternalError",
    "MismatchError",
    "ModelError",
    "OnnxRuntimeError",
    "Params",
    "PhotoError",
    "RunError",
    "__version__",
    "compare",
    "convert",
    "evaluate",
    "import_checkpoint",
    "inspect",
    "mask",
    "patch_pycocotools",
    "to_row",
]
