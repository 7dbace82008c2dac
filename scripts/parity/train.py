"""Makes test/fixtures/training.json: twenty training steps of a small V3-shaped model in PyTorch, loss by loss.

Development only, as make.py, whose model, weights and MTP modules it trains: AdamW (matrices decay), clipping by norm,
warm-up, sequence-wise balance loss (V3 report, eq. 17 to 20), MTP, and the correction bias by sign after each step.
"""
import json
import pathlib

import torch
import transformers
from make import DEEPSEEK, MultiTokenPrediction, weight
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForCausalLM

OUT = pathlib.Path(__file__).resolve().parents[2] / "test" / "fixtures" / "training.json"
RECIPE = dict(steps=20, sequences=4, sequence_length=24, learning_rate=1e-3, warmup_steps=5, beta1=0.9, beta2=0.95,
              eps=1e-8, weight_decay=0.1, max_grad_norm=1.0, mtp_weight=0.3, alpha=1e-3, bias_update_speed=0.001)
FIELDS = {**DEEPSEEK, "num_nextn_predict_layers": 1}
V, E, K = FIELDS["vocab_size"], FIELDS["n_routed_experts"], FIELDS["num_experts_per_tok"]
B, S = RECIPE["sequences"], RECIPE["sequence_length"]


def windows(step):
    return torch.tensor([[(b * 7 + i * 3 + step * 5 + i * i % 5) % V for i in range(S + 2)] for b in range(B)])


def build():
    torch.manual_seed(0)
    config = AutoConfig.for_model("deepseek_v3", **FIELDS)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config).float().train()
    model.load_state_dict({name: weight(name, tuple(t.shape)) for name, t in model.state_dict().items()})
    mtp = MultiTokenPrediction(model, 1).float().train()
    mtp.load_state_dict({name: weight(mtp.names[name], tuple(t.shape)) for name, t in mtp.state_dict().items()})
    return model, mtp


class Routers:
    """What each router scored and chose in this step, in the order of the layers."""

    def __init__(self, model, mtp):
        modules = [*model.named_modules(), *mtp.named_modules()]
        self.gates = [m for name, m in modules if name.endswith("mlp.gate")]
        self.scores, self.chosen = [], []
        for name, module in modules:
            if name.endswith("mlp.gate"):
                module.register_forward_hook(lambda _, args, out: self.scores.append(
                    (out[0] if isinstance(out, tuple) else out).sigmoid()))
            if name.endswith("mlp.experts"):
                module.register_forward_pre_hook(lambda _, args, kwargs: self.chosen.append(next(
                    a for a in [*args, *kwargs.values()] if torch.is_tensor(a) and not a.is_floating_point())),
                    with_kwargs=True)

    def balance_loss(self):
        total = 0.0
        for scores, chosen in zip(self.scores, self.chosen):
            shares = (scores / scores.sum(-1, keepdim=True)).reshape(B, S, E).mean(1)
            counts = torch.nn.functional.one_hot(chosen.reshape(B, S * K), E).sum(1)
            total = total + (counts * E / (K * S) * shares).sum(-1).mean()
        return total

    def move_biases(self):
        for gate, chosen in zip(self.gates, self.chosen):
            load = torch.bincount(chosen.reshape(-1), minlength=E).float()
            gate.e_score_correction_bias += RECIPE["bias_update_speed"] * torch.sign(load.mean() - load)
        self.scores, self.chosen = [], []


def ahead_loss(model, mtp, ids, hidden):
    main = model.model
    positions = torch.arange(S)[None]
    mask = torch.full((S, S), float("-inf")).triu(1)[None, None]
    embedded = main.embed_tokens(ids[:, 1 : S + 1])
    out = mtp.layers[0](embedded, hidden, main.rotary_emb(embedded, positions), mask, positions, None)
    return cross_entropy(model.lm_head(mtp.norms[0](out)).reshape(-1, V), ids[:, 2:].reshape(-1))


def main():
    model, mtp = build()
    routers = Routers(model, mtp)
    normed = []
    model.model.norm.register_forward_hook(lambda _, args, out: normed.append(out))
    parameters = [*model.parameters(), *mtp.parameters()]
    groups = [dict(params=[p for p in parameters if p.ndim > 1], weight_decay=RECIPE["weight_decay"]),
              dict(params=[p for p in parameters if p.ndim == 1], weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, betas=(RECIPE["beta1"], RECIPE["beta2"]), eps=RECIPE["eps"])
    curve = []
    for step in range(1, RECIPE["steps"] + 1):
        rate = RECIPE["learning_rate"] * min(1.0, step / RECIPE["warmup_steps"])
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids = windows(step)
        logits = model(input_ids=ids[:, :S]).logits
        loss = cross_entropy(logits.reshape(-1, V), ids[:, 1 : S + 1].reshape(-1))
        ahead = ahead_loss(model, mtp, ids, normed.pop())
        balance = routers.balance_loss()
        optimizer.zero_grad()
        (loss + RECIPE["mtp_weight"] * ahead + RECIPE["alpha"] * balance).backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, RECIPE["max_grad_norm"])
        optimizer.step()
        with torch.no_grad():
            routers.move_biases()
        curve.append(dict(loss=loss.item(), mtpLoss=ahead.item(), balanceLoss=balance.item(), gradientNorm=norm.item()))
    norms = {name: p.norm().item() for name, p in model.named_parameters()}
    versions = dict(torch=torch.__version__, transformers=transformers.__version__)
    config = dict(model_type="deepseek_v3", **FIELDS)
    biases = [gate.e_score_correction_bias.tolist() for gate in routers.gates]
    OUT.write_text(json.dumps(dict(versions=versions, config=config, recipe=RECIPE, curve=curve, weight_norms=norms,
                                   biases=biases)) + "\n")


if __name__ == "__main__":
    main()
