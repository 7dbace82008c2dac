"""GRPO steps on a CPU, to measure minke's against: plain PyTorch with transformers' generate, or TRL's GRPOTrainer.

  python rl.py generate|trl --config FILE --prompts Q --group G --prompt P --tokens N --threads T --mode MODE

A step is Q random prompts of P ids with G responses each, sampled with a cache at temperature 1 and of exactly N
tokens, then log-probabilities with gradients in micro-batches of 64 responses, the surrogate on policy without a KL
term, clipping by norm 1, AdamW. Rewards are random. MODE is precision+experts: f32 or bf16 (autocast), and an
implementation of experts of transformers. After {"ready": MODE}, each line "N" on stdin runs N steps and prints the
seconds of one (median). Needs torch and transformers; trl needs TRL.
"""

import argparse
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time

import torch

MICRO = 64


def say(**fields):
    print(json.dumps(fields), flush=True)


def build(args):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    with open(args.config) as file:
        fields = json.load(file)
    fields.pop("architectures", None)
    config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    config._experts_implementation = args.mode.split("+")[1]
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").float()


def run_generate(args):
    model = build(args)
    vocab = model.config.vocab_size
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    half = args.mode.startswith("bf16")
    autocast = lambda: torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext()

    def step():
        prompts = torch.randint(3, vocab, (args.prompts, args.prompt)).repeat_interleave(args.group, 0)
        with torch.no_grad(), autocast():
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
        rewards = torch.rand(args.prompts, args.group)
        advantages = ((rewards - rewards.mean(1, True)) / (rewards.std(1, keepdim=True) + 1e-4)).view(-1)
        for begin in range(0, len(whole), MICRO):
            ids = whole[begin : begin + MICRO]
            with autocast():
                logits = model(input_ids=ids[:, :-1], use_cache=False).logits[:, args.prompt - 1 :]
            targets = ids[:, args.prompt :]
            own = torch.log_softmax(logits.float(), -1).gather(-1, targets[..., None])[..., 0]
            ratio = torch.exp(own - own.detach())
            loss = -(ratio * advantages[begin : begin + MICRO, None]).sum() / (len(whole) * args.tokens)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    say(ready=args.mode)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        say(seconds=statistics.median(seconds))


def random_words(vocab):
    """A tokenizer whose words are its ids, as TRL asks for text."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(vocab)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="w0", eos_token="w1", unk_token="w0")


def run_trl(args):
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    class Turns(TrainerCallback):
        """Waits before a step until one is asked for; says how long steps took."""

        def __init__(self):
            self.left = 0
            self.seconds = []

        def on_step_begin(self, args, state, control, **rest):
            if self.left == 0:
                if self.seconds:
                    say(seconds=statistics.median(self.seconds))
                line = sys.stdin.readline()
                if not line:
                    sys.exit(0)
                self.left, self.seconds = int(line), []
            self.start = time.perf_counter()

        def on_step_end(self, args, state, control, **rest):
            self.seconds.append(time.perf_counter() - self.start)
            self.left -= 1

    model = build(args)
    vocab = model.config.vocab_size
    draw = random.Random(1)
    texts = [" ".join(f"w{draw.randrange(3, vocab)}" for _ in range(args.prompt)) for _ in range(64 * args.prompts)]
    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16=args.mode.startswith("bf16"),
        per_device_train_batch_size=MICRO,
        gradient_accumulation_steps=args.prompts * args.group // MICRO,
        num_generations=args.group,
        max_completion_length=args.tokens,
        generation_kwargs={"min_new_tokens": args.tokens},
        temperature=1.0,
        beta=0.0,
        learning_rate=1e-4,
        gradient_checkpointing=False,
        max_steps=1_000_000,
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **rest: [draw.random() for _ in completions],
        args=config,
        train_dataset=Dataset.from_dict({"prompt": texts}),
        processing_class=random_words(vocab),
        callbacks=[Turns()],
    )
    say(ready=args.mode)
    trainer.train()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["generate", "trl"])
    parser.add_argument("--config", required=True)
    for name in ("prompts", "group", "prompt", "tokens", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--mode", required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    try:
        run_generate(args) if args.peer == "generate" else run_trl(args)
    except Exception as error:  # a way that does not work here is a finding, not the end
        say(error=f"{type(error).__name__}: {str(error)[:300]}")


if __name__ == "__main__":
    main()
