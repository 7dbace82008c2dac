"""PyTorch training steps to measure minke's against: one model, one way to run it.

  python train.py deepseek|gpt|llama --ids FILE --batch B --sequence S --threads T --mode MODE [--config FILE]

MODE is precision[+experts][+compile]: f32 or bf16 (autocast); an implementation of experts of transformers; compiled.
bf16+grouped_mm casts the experts' weights and inputs to bf16, since PyTorch's grouped product knows no autocast and
multiplies in f32; bf16+grouped_mm_f32 leaves it so. After {"ready": MODE}, each line "N" on stdin runs N steps and
prints the seconds of one (median).

deepseek: Hugging Face's DeepseekV3ForCausalLM from the config.json of --config. gpt: a GPT-2 of 4 layers, 4 heads, 128
wide, nanoGPT's CPU Shakespeare shape. llama: Hugging Face's LlamaForCausalLM of --config. AdamW (fused), clipping by
norm 1. FILE holds int32 windows of S + 1 ids, which the steps take in turn. Needs torch and, for deepseek and llama,
transformers.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        B, S, D = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(B, S, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(B, S, D))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x))))


class Gpt(nn.Module):
    def __init__(self, vocab=65, context=64, layers=4, heads=4, width=128):
        super().__init__()
        self.tokens = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, vocab, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, ids):
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def multiply_experts_in_bf16():
    from transformers.integrations import moe

    grouped_mm = moe._grouped_mm
    moe._grouped_mm = lambda input, weight, offs: grouped_mm(input.bfloat16(), weight.bfloat16(), offs)


def hugging_face(config_file, experts):
    from transformers import AutoConfig, AutoModelForCausalLM

    with open(config_file) as file:
        fields = json.load(file)
    fields.pop("architectures", None)
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config.use_cache = False
    if experts:
        config._experts_implementation = experts
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").float()
    return model, lambda ids: model(input_ids=ids).logits


def build(args, experts):
    torch.manual_seed(0)
    if args.model == "gpt":
        model = Gpt(context=args.sequence)
        return model, model, 65
    model, logits = hugging_face(args.config, experts)
    return model, logits, model.config.vocab_size


def stepper(args):
    """A function that runs one step."""
    precision, *more = args.mode.split("+")
    half = precision == "bf16"
    experts = next((part for part in more if part != "compile"), None)
    if half and experts == "grouped_mm":
        multiply_experts_in_bf16()
    model, logits, vocab = build(args, experts and experts.removesuffix("_f32"))
    if "compile" in more:
        logits = torch.compile(logits)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    size = args.batch * (args.sequence + 1)
    windows = torch.from_file(args.ids, size=os.path.getsize(args.ids) // 4, dtype=torch.int32)
    batches = itertools.cycle(windows.long().split(size))

    def step():
        ids = next(batches).view(args.batch, args.sequence + 1)
        with torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext():
            out = logits(ids[:, :-1])
            loss = F.cross_entropy(out.reshape(-1, vocab).float(), ids[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def say(**fields):
    print(json.dumps(fields), flush=True)


def timed(step, count):
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=["deepseek", "gpt", "llama"])
    parser.add_argument("--config")
    parser.add_argument("--ids", required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--sequence", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--mode", required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    try:
        step = stepper(args)
        for _ in range(2):
            step()
        say(ready=args.mode)
        for line in sys.stdin:
            say(seconds=timed(step, int(line)))
    except Exception as error:  # a way that does not work here is a finding, not the end
        say(error=f"{type(error).__name__}: {str(error)[:300]}")


if __name__ == "__main__":
    main()
