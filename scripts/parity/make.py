"""Makes test/fixtures/parity/*.json: what Hugging Face transformers computes for small random models.

Development only; the tests read the JSON and need no Python. In a virtual environment outside the repository:
    pip install torch==2.13.0 transformers==5.23.0 && python scripts/parity/make.py
Weights are not stored: every value follows from its tensor's name and index (`weight` here, parity-weights.ts there).
"""
import json
import math
import pathlib

import numpy as np
import torch
import transformers
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_layers import MtpLayer

HERE = pathlib.Path(__file__).resolve().parents[2] / "test" / "fixtures" / "parity"
VOCAB, TOKENS, SEQUENCES = 61, 20, 2

DEEPSEEK = dict(
    vocab_size=VOCAB, hidden_size=48, intermediate_size=64, moe_intermediate_size=24, num_hidden_layers=3,
    num_attention_heads=4, num_key_value_heads=4, n_shared_experts=1, n_routed_experts=8, routed_scaling_factor=2.5,
    kv_lora_rank=20, q_lora_rank=28, qk_rope_head_dim=8, qk_nope_head_dim=12, v_head_dim=10, n_group=4, topk_group=2,
    num_experts_per_tok=3, first_k_dense_replace=1, norm_topk_prob=True, max_position_embeddings=128,
    rms_norm_eps=1e-6, rope_theta=10000.0, attention_bias=False, tie_word_embeddings=False,
)
DENSE = dict(
    vocab_size=VOCAB, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6,
    num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, rope_theta=10000.0,
)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=32, beta_slow=1,
            mscale=1.0, mscale_all_dim=1.0)
LLAMA3 = dict(rope_type="llama3", factor=8.0, original_max_position_embeddings=16, low_freq_factor=1.0,
              high_freq_factor=4.0)

CASES = {
    "v3": ("deepseek_v3", DEEPSEEK),
    "v3-yarn": ("deepseek_v3", {**DEEPSEEK, "rope_scaling": YARN}),
    "v3-without-q-lora": ("deepseek_v3", {**DEEPSEEK, "q_lora_rank": None}),
    "v2-group-limited": ("deepseek_v2", {**DEEPSEEK, "routed_scaling_factor": 16.0, "norm_topk_prob": False,
                                         "topk_method": "group_limited_greedy", "n_shared_experts": 2}),
    "moonlight": ("deepseek_v3", {**DEEPSEEK, "q_lora_rank": None, "n_group": 1, "topk_group": 1,
                                  "n_shared_experts": 2, "routed_scaling_factor": 2.446, "rope_theta": 50000.0,
                                  "rms_norm_eps": 1e-5}),
    "v3-mtp": ("deepseek_v3", {**DEEPSEEK, "num_nextn_predict_layers": 2}),
    "llama": ("llama", {**DENSE, "rope_scaling": LLAMA3}),
    "llama-bias": ("llama", {**DENSE, "attention_bias": True, "rope_scaling": dict(rope_type="linear", factor=2.0)}),
    "qwen2": ("qwen2", {**DENSE, "tie_word_embeddings": True}),
    "qwen2-yarn": ("qwen2", {**DENSE, "rope_scaling": dict(rope_type="yarn", factor=4.0,
                                                           original_max_position_embeddings=16)}),
}
QWEN3 = {**DENSE, "head_dim": 12, "rms_norm_eps": 1e-6}
GLM = dict(
    **DENSE, head_dim=12, moe_intermediate_size=24, n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=1,
    first_k_dense_replace=1, routed_scaling_factor=1.5, norm_topk_prob=True, attention_bias=True, use_qk_norm=True,
)
LONGROPE = dict(rope_type="longrope", short_factor=[1.0, 1.1, 1.5], long_factor=[1.0, 2.0, 4.0])
CASES |= {
    "kimi-k2": ("deepseek_v3", {**DEEPSEEK, "n_group": 1, "topk_group": 1, "routed_scaling_factor": 2.827,
                                "rope_theta": 50000.0, "rope_scaling": {**YARN, "beta_fast": 1.0}}),
    "qwen3": ("qwen3", {**QWEN3, "tie_word_embeddings": True, "rope_theta": 1e6}),
    "qwen3-moe": ("qwen3_moe", {**QWEN3, "num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 24,
                                "norm_topk_prob": True, "mlp_only_layers": [1]}),
    "mistral": ("mistral", {**DENSE, "head_dim": 12, "sliding_window": 7}),
    "smollm3": ("smollm3", {**DENSE, "no_rope_layers": [1, 0, 1], "tie_word_embeddings": True, "pad_token_id": 0}),
    "phi3": ("phi3", {**DENSE, "pad_token_id": None, "sliding_window": 9}),
    "phi4-mini-short": ("phi3", {**DENSE, "pad_token_id": None, "partial_rotary_factor": 0.75, "rope_scaling": LONGROPE,
                                 "original_max_position_embeddings": 32, "tie_word_embeddings": True}),
    "phi4-mini-long": ("phi3", {**DENSE, "pad_token_id": None, "partial_rotary_factor": 0.75, "rope_scaling": LONGROPE,
                                "original_max_position_embeddings": 16, "tie_word_embeddings": True}),
    "gemma3": ("gemma3_text", {**QWEN3, "query_pre_attn_scalar": 16, "sliding_window": 6, "pad_token_id": None,
                               "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                               "rope_parameters": {
                                   "full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1e6),
                                   "sliding_attention": dict(rope_type="default", rope_theta=1e4)}}),
    "glm4-moe": ("glm4_moe", GLM),
}
MODEL_TYPES = {"kimi-k2": "kimi_k2"}  # where the fixture's is not that of transformers
MTP_WEIGHT = 0.15  # of each module's loss beside the main one


def seed_of(name):
    hash_ = 0x811C9DC5
    for letter in name.encode():
        hash_ = ((hash_ ^ letter) * 0x01000193) & 0xFFFFFFFF
    return hash_


def weight(name, shape):
    """Uniform in [-1, 1) by a hash of name and index, scaled by what the tensor is."""
    h = np.arange(math.prod(shape), dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    h = (h * np.uint64(0x9E3779B1) + np.uint64(seed_of(name))) & mask
    h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & mask
    h = ((h ^ (h >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & mask
    unit = (h ^ (h >> np.uint64(16))).astype(np.float64) / 2**31 - 1
    if name.endswith("norm.weight"):
        values = 1 + 0.25 * unit
    elif name.endswith("bias"):
        values = 0.25 * unit
    else:
        values = unit * 1.5 / math.sqrt(shape[-1])
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


class MultiTokenPrediction(torch.nn.Module):
    """Modules k = 1, 2, ... of transformers' own MtpLayer, chained as minke trains them: module 1 reads the main
    model's normed output, the next ones the block's output before its norm. Names are those of DeepSeek's release."""

    def __init__(self, model, depth):
        super().__init__()
        main, first = model.model, model.config.num_hidden_layers
        config = model.config.get_mtp_config() if depth else model.config
        config._attn_implementation = "eager"
        block, norm = type(main.layers[-1]), type(main.norm)
        self.layers = torch.nn.ModuleList(MtpLayer(config, block, norm, k, use_post_norm=False) for k in range(depth))
        self.norms = torch.nn.ModuleList(norm(config.hidden_size, eps=config.rms_norm_eps) for _ in range(depth))
        self.main = [model]
        self.names = {f"layers.{k}.{name}": f"model.layers.{first + k}.{name.removeprefix('mtp_block.')}"
                      for k in range(depth) for name in self.layers[k].state_dict()}
        self.names |= {f"norms.{k}.weight": f"model.layers.{first + k}.shared_head.norm.weight" for k in range(depth)}

    def forward(self, ids, hidden):
        main, T = self.main[0].model, ids.shape[1]
        positions = torch.arange(T)[None]
        mask = torch.full((T, T), float("-inf")).triu(1)[None, None]
        losses = []
        for k, (layer, norm) in enumerate(zip(self.layers, self.norms), start=1):
            ahead = torch.nn.functional.pad(ids[:, k:], (0, k))  # padded places have no target
            embedded = main.embed_tokens(ahead)
            hidden = layer(embedded, hidden, main.rotary_emb(embedded, positions), mask, positions, None)
            logits = self.main[0].lm_head(norm(hidden))[:, : T - k - 1]
            losses.append(cross_entropy(logits.reshape(-1, VOCAB), ids[:, k + 1:].reshape(-1)))
        return losses


def make(case, model_type, fields, shift=0.0):
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **fields)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).float().eval()
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
    loaded = {name: weight(name, tuple(tensor.shape)) + (shift if name.endswith("correction_bias") else 0)
              for name, tensor in state.items()}
    model.load_state_dict(loaded, strict=not tied)
    mtp = MultiTokenPrediction(model, fields.get("num_nextn_predict_layers", 0)).float()
    shapes = {name: tuple(tensor.shape) for name, tensor in mtp.state_dict().items()}
    mtp.load_state_dict({name: weight(mtp.names[name], shape) for name, shape in shapes.items()})
    chosen = []
    for name, module in [*model.named_modules(), *mtp.named_modules()]:
        if name.endswith("mlp.experts"):
            module.register_forward_pre_hook(lambda _, args, kwargs: chosen.append(
                next(a for a in [*args, *kwargs.values()] if torch.is_tensor(a) and not a.is_floating_point())
            ), with_kwargs=True)
    rng = np.random.default_rng(7)
    ids = torch.from_numpy(rng.integers(0, VOCAB, (SEQUENCES, TOKENS)))
    normed = []
    model.model.norm.register_forward_hook(lambda _, args, out: normed.append(out))
    out = model(input_ids=ids, labels=ids)
    ahead = mtp(ids, normed[0])
    (out.loss + MTP_WEIGHT * sum(ahead)).backward()
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    norms |= {mtp.names[name]: p.grad.norm().item() for name, p in mtp.named_parameters()}
    experts = [sorted(row) for layer in chosen for row in layer.reshape(SEQUENCES * TOKENS, -1).tolist()]
    result = dict(
        versions=dict(torch=torch.__version__, transformers=transformers.__version__),
        config={"model_type": MODEL_TYPES.get(case, model_type), **fields}, correction_bias_shift=shift,
        ids=ids.tolist(),
        loss=out.loss.item(),
        logits=[float(f"{x:.8g}") for x in out.logits.detach().reshape(-1).tolist()],
        gradient_norms=norms, experts=experts,
    )
    if ahead:
        result |= dict(mtp_weight=MTP_WEIGHT, mtp_losses=[loss.item() for loss in ahead])
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / f"{case}.json").write_text(json.dumps(result) + "\n")
    print(case, "loss", out.loss.item(), "tensors", len(norms), "choices", len(experts))


if __name__ == "__main__":
    print("torch", torch.__version__, "transformers", transformers.__version__)
    for case, (model_type, fields) in CASES.items():
        make(case, model_type, fields)
    # Every biased score is negative here: masking groups with 0, as transformers did before 5, would choose masked
    # experts.
    make("v3-negative-bias", "deepseek_v3", DEEPSEEK, shift=-2.0)
