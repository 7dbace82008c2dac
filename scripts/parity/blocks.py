# Random blocks of ggml's formats, and the SHA-256 of what gguf-py decodes them to: test/fixtures/blocks.json.
#
#   python scripts/parity/blocks.py test/fixtures/blocks.json        (pip: gguf 0.19.0, numpy)
#
# Factors are f16 numbers of either sign, 0 and a subnormal among them; the powers of two of MXFP4 reach both ends.
import base64
import hashlib
import json
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants

COUNT = 8
FACTORS = {  # where blocks have f16 factors
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64],
    "MXFP4": [], "NVFP4": [],
}
VALUES = np.array([0, 1, -1, 6e-5, 6e-8, 0.0123, -7.5, 100], dtype=np.float16)


def main(path: str) -> None:
    rng = np.random.default_rng(20)
    out = {}
    for name, places in FACTORS.items():
        kind = GGMLQuantizationType[name]
        _, size = GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (COUNT, size), dtype=np.uint8)
        for place in places:
            blocks[:, place : place + 2] = VALUES[:, None].view(np.uint8)
        if name == "MXFP4":
            blocks[:, 0] = [0, 1, 2, 120, 127, 130, 253, 254]
        with np.errstate(over="ignore"):
            values = quants.dequantize(blocks.reshape(-1), kind).astype("<f4")
        out[name] = {
            "blocks": base64.b64encode(blocks.tobytes()).decode(),
            "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        }
    with open(path, "w") as file:
        json.dump(out, file, indent=1)
        file.write("\n")


main(sys.argv[1])
