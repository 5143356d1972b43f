#!/usr/bin/env python3
"""Times `rcnn` beside the other usual ways to run torchvision's Faster R-CNN, from JPEG to boxes: the same weights, photos
and threads, in one run.

    python end_to_end.py --rcnn target/release/rcnn [--photos 8] [--rounds 3] [--threads 2] [--int8] [--autotune]
    python end_to_end.py --rcnn target/release/rcnn --weights coco.pth --images val/ --annotations val.json

Needs torch, torchvision and Pillow; a row whose program is missing says so: openvino and nncf (OpenVINO on the model
converted from torchvision), onnx and onnxruntime (ONNX Runtime on the model that torchvision exports), a C++ compiler
(torch.compile), and `rcnn runtime install openvino` (the rows of rcnn on OpenVINO). Without --weights the weights are
random, with batch statistics measured on the photos so that activations keep their size, and the photos are rendered by
`rcnn synth`; with them and --annotations each row has its AP. A ResNet-50-FPN at 800 pixels, batch 1. Every round gives
each row its turn; the best round counts. The first photo of each turn is not counted.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time
import warnings

import numpy
import torch
from PIL import Image
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.transforms.functional import pil_to_tensor


class CannotRun(Exception):
    """Why a row has no numbers."""


def read(path):
    return pil_to_tensor(Image.open(path).convert("RGB")).float() / 255


def build(photos, weights, seed=1):
    """The network with these weights, or a random one whose activations stay in range."""
    torch.manual_seed(seed)
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    if weights:
        model.load_state_dict(torch.load(weights, weights_only=True))
        return model.eval()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for m in norms:
        m.momentum = None
    model.backbone.train()
    with torch.no_grad():
        for path in photos[:2]:
            model.backbone.body(nn.functional.interpolate(read(path)[None] * 4 - 2, size=(800, 1088)))
    return model.eval()


# What each rival makes of a model: a function from a photo's tensor to boxes, labels and scores.


def eager(model, half=False):
    def detect(x):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = model([x])[0]
        return [found[name].float().numpy() for name in ("boxes", "labels", "scores")]
    return detect


def bfloat16(a, photos):
    # Without an instruction for it, bfloat16 is many times slower than float32.
    if not any(on and "bf16" in name for name, on in torch.cpu.get_capabilities().items()):
        raise CannotRun("the processor has no instruction for bfloat16")
    return eager(build(photos, a.weights).to(memory_format=torch.channels_last), half=True)


def compiled(model, mode):
    torch._dynamo.reset()
    # Compiling the whole of it fails in torch 2.15 as soon as a second photo has another number of proposals.
    model.backbone = torch.compile(model.backbone, mode=mode)
    return eager(model)


class Flat(nn.Module):
    """The network with one photo in and three arrays out, as its converters want it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        found = self.model([x])[0]
        return found["boxes"], found["labels"], found["scores"]


def traced(model, x):
    import openvino
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return openvino.convert_model(Flat(model).eval(), example_input=x)


def openvino_way(network, threads, precision):
    import openvino
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = precision
    request = openvino.Core().compile_model(network, "CPU", settings).create_infer_request()

    def detect(x):
        found = request.infer([x.numpy()])
        return in_order([numpy.array(found[place]) for place in range(3)])
    return detect


def openvino_int8(network, photos, threads, place):
    import nncf
    import openvino
    # NNCF 3.4 finds the nodes of a network from a file only.
    openvino.save_model(network, place / "torchvision.xml", compress_to_fp16=False)
    network = openvino.Core().read_model(place / "torchvision.xml")
    calibration = nncf.Dataset([read(path).numpy() for path in photos[:2]])
    # As NNCF's example of an object detector has it, with the few photos that there are, and without the correction of
    # biases, which does not get through this network's NMS (NNCF 3.4).
    without = nncf.AdvancedQuantizationParameters(disable_bias_correction=True)
    network = nncf.quantize(network, calibration, preset=nncf.QuantizationPreset.MIXED, subset_size=2,
                            advanced_parameters=without)
    return openvino_way(network, threads, None)


def exported(model, x, threads, place):
    import onnxruntime
    path = str(place / "torchvision.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, ([x],), path, opset_version=17, dynamo=False, input_names=["photo"],
                          dynamic_axes={"photo": {1: "height", 2: "width"}})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: in_order(session.run(None, {name: x.numpy()})[:3])


def in_order(arrays):
    """Boxes, labels and scores, in whatever order they came."""
    boxes = next(array for array in arrays if array.ndim == 2)
    labels = next(array for array in arrays if array.ndim == 1 and array.dtype.kind == "i")
    scores = next(array for array in arrays if array.ndim == 1 and array.dtype.kind == "f")
    return [boxes, labels, scores]


def seconds(detect, photos):
    """A photo, from its file on."""
    times = []
    for path in photos:
        began = time.perf_counter()
        detect(read(path))
        times.append(time.perf_counter() - began)
    return sum(times[1:]) / len(times[1:])


def results(detect, folder, annotations, out):
    """COCO results of a rival."""
    rows = []
    for image in json.loads(annotations.read_text())["images"]:
        boxes, labels, scores = detect(read(folder / image["file_name"]))
        for (x1, y1, x2, y2), label, score in zip(boxes.tolist(), labels.tolist(), scores.tolist()):
            rows.append({"image_id": image["id"], "category_id": label, "score": score,
                         "bbox": [x1, y1, x2 - x1, y2 - y1]})
    out.write_text(json.dumps(rows))


# What rcnn makes of it.


def ours(a, folder, weights, *options):
    command = [a.rcnn, "bench", str(weights), "-i", str(folder), "--json", "--threads", str(a.threads), *options]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        raise CannotRun(found.stderr.strip().splitlines()[-1])
    return json.loads(found.stdout)


def ap(a, results):
    command = [a.rcnn, "evaluate", "-a", str(a.annotations), "-r", str(results), "--json"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)["stats"][0]


def rivals(a, photos, place):
    """What makes each rival, by its name."""
    x = read(photos[0])
    made = {}

    def model():
        if "eager" not in made:
            made["eager"] = build(photos, a.weights)
        return made["eager"]

    def network():
        if "openvino" not in made:
            made["openvino"] = traced(model(), x)
        return made["openvino"]

    rows = {
        "torchvision eager float32": lambda: eager(model()),
        "torchvision bfloat16 autocast, channels_last": lambda: bfloat16(a, photos),
        "torch.compile, inductor": lambda: compiled(build(photos, a.weights), "default"),
        "OpenVINO from torchvision, float32": lambda: openvino_way(network(), a.threads, "f32"),
        "OpenVINO from torchvision, as it comes": lambda: openvino_way(network(), a.threads, None),
        "OpenVINO from torchvision, int8 by NNCF": lambda: openvino_int8(network(), photos, a.threads, place),
        "ONNX Runtime on torchvision's export": lambda: exported(model(), x, a.threads, place),
    }
    if a.autotune:
        rows["torch.compile, max-autotune"] = lambda: compiled(build(photos, a.weights), "max-autotune")
    return rows


def prepared(a, photos, place):
    """Each rival that runs here, after its first photo, and why the others do not."""
    ready, absent = {}, {}
    for name, make in rivals(a, photos, place).items():
        print(f"preparing {name}", flush=True)
        began = time.perf_counter()
        try:
            detect = make()
            detect(read(photos[0]))
        except ModuleNotFoundError as error:
            absent[name] = f"the module {error.name} is not installed"
        except Exception as error:  # Whatever a rival fails with is its row's answer.
            absent[name] = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        else:
            ready[name] = detect
            print(f"  in {time.perf_counter() - began:.1f} s", flush=True)
    return ready, absent


def own_rows(a, folder, place, photos):
    weights = a.weights or place / "model.pth"
    if not a.weights:
        torch.save(build(photos, None).state_dict(), weights)
    rows = {
        "rcnn cpu exact": (weights, "--device", "cpu"),
        "rcnn openvino exact": (weights, "--device", "openvino"),
        "rcnn openvino bfloat16": (weights, "--device", "openvino", "--precision", "bfloat16"),
        "rcnn fast": (weights, "--precision", "fast"),
    }
    subprocess.run([a.rcnn, "bench", str(weights), "-i", str(folder), "--tune", "--threads", str(a.threads)],
                   check=True, capture_output=True)
    if a.int8:
        # Random weights are noisier than trained ones: most layers would stay float32.
        least = [] if a.weights else ["--min-snr", "10"]
        subprocess.run([a.rcnn, "quantize", str(weights), "-i", str(folder), "-o", str(place / "int8"),
                        "--photos", "2" if not a.weights else "100", *least], check=True, capture_output=True)
        rows["rcnn cpu int8"] = (place / "int8", "--device", "cpu")
        rows["rcnn openvino int8"] = (place / "int8", "--device", "openvino", "--precision", "bfloat16")
    return rows


def own_ap(a, row, place):
    weights, *options = row
    out = place / "run"
    command = [a.rcnn, "detect", str(a.images), "-m", str(weights), "-o", str(out), "--overwrite", "--no-draw",
               "-a", str(a.annotations), *options]
    subprocess.run(command, check=True, capture_output=True)
    return ap(a, out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rcnn", required=True)
    p.add_argument("--photos", type=int, default=8)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--size", default="640x480", help="of the photos")
    p.add_argument("--weights", type=pathlib.Path, help="a state_dict of torchvision's fasterrcnn_resnet50_fpn")
    p.add_argument("--images", type=pathlib.Path, help="a folder of photos, instead of rendered ones")
    p.add_argument("--annotations", type=pathlib.Path, help="of these photos, in COCO's format, for the AP")
    p.add_argument("--int8", action="store_true", help="two rows more: int8 by `rcnn quantize`")
    p.add_argument("--autotune", action="store_true", help="a row more: torch.compile with max-autotune, which may take long")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        if not a.images:
            subprocess.run([a.rcnn, "synth", "-o", str(place / "s"), "-n", str(a.photos + 1), "--size", a.size],
                           check=True, capture_output=True)
        source = a.images or place / "s/images"
        photos = sorted(path for path in source.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))[:a.photos + 1]
        listing = place / "photos.txt"
        listing.write_text("".join(f"{path.resolve()}\n" for path in photos))
        ready, absent = prepared(a, photos, place)
        own = own_rows(a, listing, place, photos)
        best, share, device = {}, {}, {}
        for turn in range(a.rounds):
            print(f"round {turn + 1} of {a.rounds}", flush=True)
            for name, detect in ready.items():
                best.setdefault(name, []).append(seconds(detect, photos))
            for name, (weights, *options) in own.items():
                try:
                    report = ours(a, listing, weights, *options)
                except CannotRun as error:
                    absent[name] = str(error)
                    continue
                best.setdefault(name, []).append(1 / report["photos_per_second"])
                share[name] = max(report["session_share"], share.get(name, 0))
                device[name] = f"{report['machine']['device']}, {report['precision']}"
        accuracy = {}
        if a.annotations and a.weights:
            for name, detect in ready.items():
                results(detect, a.images, a.annotations, place / "results.json")
                accuracy[name] = ap(a, place / "results.json")
            accuracy |= {name: own_ap(a, row, place) for name, row in own.items() if name in best}
    table(a, best, absent, share, device, accuracy)


def table(a, best, absent, share, device, accuracy):
    first, half = (min(best.get(name, [0])) for name in ("torchvision eager float32",
                                                         "torchvision bfloat16 autocast, channels_last"))
    print(f"{a.threads} threads, best of {a.rounds} rounds of {a.photos} photos; torch {torch.__version__}")
    print("| from JPEG to boxes | seconds a photo | x eager float32 | x eager bfloat16 | outside the network | AP |")
    print("|---|---|---|---|---|---|")
    for name, times in best.items():
        took = min(times)
        over = [f"{base / took:.2f}" if base else "-" for base in (first, half)]
        outside = f"{100 * (1 - share[name]):.1f} %" if name in share else "-"
        shown = f"{name} ({device[name]})" if name == "rcnn fast" else name
        found = f"{accuracy[name]:.4f}" if name in accuracy else "-"
        print(f"| {shown} | {took:.3f} | {over[0]} | {over[1]} | {outside} | {found} |")
    for name, why in absent.items():
        print(f"{name} has no numbers: {why}")


if __name__ == "__main__":
    main()
