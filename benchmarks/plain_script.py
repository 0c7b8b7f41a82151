"""The fine-tuning script that everyone copies, written in the most ordinary way: the rival of ``training.py``.

    python benchmarks/plain_script.py MODEL DATA OUT

In-batch ranking loss, batch 32, learning rate 2e-5, one epoch over 2,000 pairs read to 64 tokens, bf16, no mined negatives,
no validation. One thing is done in its favour: the model is saved with its own maximum length and not with 64 tokens.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import tempfile
from pathlib import Path

from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

PAIRS = 2_000
LENGTH = 64


def pairs(data: Path) -> Dataset:
    """Up to ``PAIRS`` positives of the train split, drawn at random."""
    documents = {one["_id"]: one for one in map(json.loads, (data / "corpus.jsonl").open(encoding="utf-8"))}
    queries = {one["_id"]: one["text"] for one in map(json.loads, (data / "queries.jsonl").open(encoding="utf-8"))}
    with (data / "qrels/train.tsv").open(encoding="utf-8", newline="") as file:
        judged = [row[:2] for row in list(csv.reader(file, delimiter="\t"))[1:] if float(row[2]) > 0]
    drawn = random.Random(1).sample(judged, min(PAIRS, len(judged)))
    texts = {name: f"{one.get('title', '')}\n{one['text']}".strip() for name, one in documents.items()}
    return Dataset.from_dict({"anchor": [queries[query] for query, _ in drawn], "positive": [texts[name] for _, name in drawn]})


def main(base: str, data: str, out: str) -> None:
    """Train and save."""
    model = SentenceTransformer(base, device="cpu")
    length, model.max_seq_length = model.max_seq_length, LENGTH
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=scratch, num_train_epochs=1, per_device_train_batch_size=32, learning_rate=2e-5, warmup_steps=0.1,
            bf16=True, use_cpu=True, save_strategy="no", report_to="none", disable_tqdm=True, seed=1, dataloader_pin_memory=False,
        )  # fmt: skip
        loss = MultipleNegativesRankingLoss(model)
        SentenceTransformerTrainer(model=model, args=arguments, train_dataset=pairs(Path(data)), loss=loss).train()
    model.max_seq_length = length
    model.save_pretrained(out, create_model_card=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
