"""PyTorch's matrix products to measure minke's against: C[M, N] = A[M, K] B[N, K]^T, all of the same type.

  python products.py --size N --type bf16|f32 --threads T

After {"ready": "torch 2.13.0"}, each line "N" on stdin multiplies N times and prints the seconds of one product. The
output is allocated before; PyTorch (oneDNN) packs both operands in each call, as it does in a model.
"""

import argparse
import json
import sys
import time

import torch

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--type", choices=["bf16", "f32"], required=True)
parser.add_argument("--threads", type=int, required=True)
args = parser.parse_args()

torch.set_num_threads(args.threads)
dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[args.type]
a, b = (torch.rand(args.size, args.size).mul(2).sub(1).to(dtype) for _ in range(2))
out = torch.empty(args.size, args.size, dtype=dtype)
torch.mm(a, b.t(), out=out)
print(json.dumps({"ready": f"torch {torch.__version__}"}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        torch.mm(a, b.t(), out=out)
    print(json.dumps({"seconds": (time.perf_counter() - start) / int(line)}), flush=True)
