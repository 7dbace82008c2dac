"""A GRPO step in plain PyTorch with transformers' generate, to measure minke's against.

  python rl.py --config FILE --responses R --prompt P --tokens N --threads T --steps K --experts NAME

One JSON line with the seconds of each step: R responses of exactly N tokens to prompts of P tokens (sampled, cached),
then log-probabilities with gradients in micro-batches, the surrogate on policy, AdamW. Needs torch and transformers.
"""

import argparse
import json
import time

import torch
from transformers import AutoConfig, AutoModelForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
for name in ("responses", "prompt", "tokens", "threads", "steps"):
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--experts", default="grouped_mm")
args = parser.parse_args()

torch.set_num_threads(args.threads)
torch.manual_seed(0)
with open(args.config) as file:
    fields = json.load(file)
fields.pop("architectures", None)
config = AutoConfig.for_model(fields.pop("model_type"), **fields)
config._experts_implementation = args.experts
model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").float()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
micro = 64


def step():
    prompts = torch.randint(3, config.vocab_size, (args.responses, args.prompt))
    start = time.perf_counter()
    with torch.no_grad():
        whole = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            max_new_tokens=args.tokens,
            min_new_tokens=args.tokens,
            eos_token_id=None,
            pad_token_id=0,
        )
    generated = time.perf_counter()
    advantages = torch.randn(args.responses)
    for begin in range(0, args.responses, micro):
        ids = whole[begin : begin + micro]
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits[:, args.prompt - 1 :]
        targets = ids[:, args.prompt :]
        own = torch.log_softmax(logits.float(), -1).gather(-1, targets[..., None])[..., 0]
        ratio = torch.exp(own - own.detach())
        loss = -(ratio * advantages[begin : begin + micro, None]).sum() / (args.responses * args.tokens)
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return generated - start, time.perf_counter() - generated


step()
times = [step() for _ in range(args.steps)]
print(json.dumps({"rollout": [r for r, _ in times], "train": [t for _, t in times]}))
