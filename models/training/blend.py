#!/usr/bin/env python3
"""Average two models of one shape: SHARE of the first and the rest of the second.

    python blend.py runs/fine/model.safetensors models/fod-r18/model.safetensors --share 0.65 -o blend.safetensors

Weights fine-tuned on new pictures and the weights they started from lie in one valley: on the line between them both
kinds of pictures are known (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
"""
import argparse
import pathlib

from safetensors.torch import load_file, save_file


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("first", type=pathlib.Path)
    p.add_argument("second", type=pathlib.Path)
    p.add_argument("--share", type=float, required=True, help="of the first, 0 to 1")
    p.add_argument("-o", "--out", type=pathlib.Path, required=True)
    a = p.parse_args()
    first, second = load_file(a.first), load_file(a.second)
    if {k: v.shape for k, v in first.items()} != {k: v.shape for k, v in second.items()}:
        raise SystemExit("the models have different tensors")
    mixed = {k: a.share * v.float() + (1 - a.share) * second[k].float() for k, v in first.items()}
    save_file({k: v.half().contiguous() for k, v in mixed.items()}, a.out)


if __name__ == "__main__":
    main()
