#!/usr/bin/env python3
"""Rewrites a model folder so that any processor computes what only some have instructions for, to learn what that
costs in AP. It tells nothing of speed: results are those of the other processor but for the order of sums.

    rcnn import models/resnet-18/model.safetensors -o exact
    python emulate.py bfloat16 exact -o rounded
    rcnn quantize exact -i photos -o int8 --reduce-range=no
    python emulate.py int8 int8 -o whole
    rcnn compare exact rounded whole -a annotations.json -i photos

bfloat16: weights and all values between layers are rounded to bfloat16 and sums are taken in float32, as with AMX and
OpenVINO's `--precision fast`. It rounds once more than that where kernels join two layers.
int8: values of 8 bits are multiplied and added without overflow, as with VNNI and AMX; kernels for AVX2 saturate sums of
two products at 16 bits.

Needs onnx and numpy.
"""
import argparse
import hashlib
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def read_by(graph):
    """For each value the kinds of the nodes that read it."""
    kinds = {}
    for node in graph.node:
        for name in node.input:
            kinds.setdefault(name, set()).add(node.op_type)
    return kinds


def follow_with(graph, chosen, made):
    """Puts `made(from, to)` behind each value for which `chosen(node, name)`; the value keeps its name."""
    nodes = []
    for node in graph.node:
        behind = []
        for at, name in enumerate(node.output):
            if chosen(node, name):
                node.output[at] = name + ".before"
                behind += made(node.output[at], name)
        nodes += [node, *behind]
    del graph.node[:]
    graph.node.extend(nodes)


def to_bfloat16(values):
    """Rounds float32 to the nearest bfloat16, ties to even; stays float32."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


def bfloat16(graph):
    """Rounds what layers read and write."""
    multiplied = {n.input[1] for n in graph.node if n.op_type in ("Conv", "Gemm")}
    for tensor in graph.initializer:
        if tensor.name in multiplied:
            rounded = to_bfloat16(numpy_helper.to_array(tensor).astype(np.float32))
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    kinds = read_by(graph)
    follow_with(
        graph,
        # A layer and its activation are one kernel everywhere.
        lambda node, name: node.op_type in ("Conv", "Gemm", "Add", "Relu", "RoiAlign", "Resize") and kinds.get(name) != {"Relu"},
        lambda before, after: [
            helper.make_node("Cast", [before], [after + ".bfloat16"], to=TensorProto.BFLOAT16),
            helper.make_node("Cast", [after + ".bfloat16"], [after], to=TensorProto.FLOAT),
        ],
    )


def int8(graph):
    """Keeps dequantised values from being joined with the layers that read them, which then compute in float32."""
    constants = {tensor.name for tensor in graph.initializer}
    lowest = numpy_helper.from_array(np.float32(np.finfo(np.float32).min), "emulate.lowest")
    graph.initializer.append(lowest)
    follow_with(
        graph,
        lambda node, _: node.op_type == "DequantizeLinear" and node.input[0] not in constants,
        lambda before, after: [helper.make_node("Max", [before, lowest.name], [after])],
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["bfloat16", "int8"])
    arguments.add_argument("model", type=pathlib.Path, help="a model folder with trunk.onnx and head.onnx")
    arguments.add_argument("-o", "--out", type=pathlib.Path, required=True)
    a = arguments.parse_args()
    manifest = json.loads((a.model / "model.json").read_text())
    a.out.mkdir()
    for part in ("trunk", "head"):
        model = onnx.load(a.model / f"{part}.onnx")
        {"bfloat16": bfloat16, "int8": int8}[a.what](model.graph)
        written = model.SerializeToString()
        (a.out / f"{part}.onnx").write_bytes(written)
        named = {"bytes": len(written), "sha256": hashlib.sha256(written).hexdigest()}
        manifest["files"].update({"trunk": named} if part == "trunk" else {"heads": [named]})
    (a.out / "model.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main()
