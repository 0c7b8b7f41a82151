"""A collection in a few kilobytes that a tiny model can be fine-tuned on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

SIGNS = "0123456789klmnop"
WORDINGS = {"train": ("{} valve", "valve {}", "{} invoice"), "dev": ("boiler {}",)}


def collection(data: Path, signs: Sequence[str], asked: Mapping[str, Sequence[str]]) -> Path:
    """Documents that differ in their last sign, and questions of each wording about each of them, by split."""
    (data / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": f"d{row}", "text": f"boiler {sign}"}) for row, sign in enumerate(signs)]
    (data / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    queries = []
    for split, wordings in asked.items():
        judged = ["query-id\tcorpus-id\tscore"]
        for number, wording in enumerate(wordings):
            for row, sign in enumerate(signs):
                name = f"{split}-{number}-{row}"
                queries.append({"_id": name, "text": wording.format(sign), "metadata": {"family": f"{split}-{number}"}})
                judged.append(f"{name}\td{row}\t1")
        (data / "qrels" / f"{split}.tsv").write_text("\n".join(judged) + "\n", encoding="utf-8")
    (data / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries), encoding="utf-8")
    return data
