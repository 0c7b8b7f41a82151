"""Small collections whose right assessment is known because it was planted, and an encoder that knows words and nothing else."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import blake2b
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transvase.core.space import Role, Space, Vectors

WIDTH = 48
CONCEPTS = ["".join(parts) for parts in product(("bo", "ka", "mi", "nu", "pe", "su"), ("la", "ri", "to", "ve", "zu"), "nkrd")]
"""120 words that a person could read, no two sharing a plural."""


class WordEncoder:
    """Fits the Encoder port: the mean of a seeded random vector for each word. ``alike`` says which word another one means."""

    name = "words"

    def __init__(self, *, max_length: int = 256, alike: Mapping[str, str] | None = None) -> None:
        self.space = Space(
            weights="words",
            tokenizer="whitespace",
            modules="mean",
            pooling="mean",
            query_prompt="",
            document_prompt="",
            normalised=True,
            max_length=max_length,
            dimension=WIDTH,
        )
        self._alike = alike or {}

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        matrix = np.zeros((len(texts), WIDTH), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold())[: self.space.max_length]:
                matrix[row] += self._vector(self._alike.get(word, word))
        return Vectors(self.space, matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Two tokens of frame, and a piece for every four characters of a word."""
        return [2 + sum(-(-len(word) // 4) for word in text.split()) for text in texts]

    @staticmethod
    @cache
    def _vector(word: str) -> NDArray[np.float32]:
        seed = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
        return np.random.default_rng(seed).standard_normal(WIDTH).astype(np.float32)


def write(
    directory: Path,
    documents: Sequence[tuple[str, Mapping[str, object]]],
    questions: Sequence[tuple[str, int, Mapping[str, object]]],
    *,
    dev: float = 0.3,
) -> Path:
    """Texts with metadata, and questions with the number of the record that answers them; dev has its share of the families."""
    (directory / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{n}", "title": "", "text": text, "metadata": dict(facts)} for n, (text, facts) in enumerate(documents)]
    queries = [{"_id": f"q{n}", "text": text, "metadata": dict(facts)} for n, (text, _, facts) in enumerate(questions)]
    (directory / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    (directory / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    names = sorted({str(facts["family"]) for _, _, facts in questions})
    held = set(random.Random(3).sample(names, round(dev * len(names))))
    sides = {
        split: [row for row, (_, _, facts) in enumerate(questions) if (facts["family"] in held) == (split == "dev")]
        for split in ("dev", "train")
    }
    for split, rows in sides.items():
        if rows:
            lines = ["query-id\tcorpus-id\tscore", *(f"q{row}\td{questions[row][1]}\t1" for row in rows)]
            (directory / "qrels" / f"{split}.tsv").write_text("\n".join(lines), encoding="utf-8")
    return directory


def spoken(count: int, *, words: int = 7, seed: int = 1) -> list[list[str]]:
    """``count`` records of ``words`` concepts each."""
    source = random.Random(seed)
    return [source.sample(CONCEPTS, words) for _ in range(count)]


def asked(records: Sequence[Sequence[str]], *, each: int, words: int = 4, seed: int = 2) -> list[tuple[list[str], int]]:
    """``each`` questions for every record, of some of its concepts, in an order without meaning."""
    source = random.Random(seed)
    found = [(source.sample(list(record), words), number) for number, record in enumerate(records) for _ in range(each)]
    source.shuffle(found)
    return found


def plain(directory: Path, *, each: int = 4, count: int = 400, noise: float = 0.0) -> Path:
    """Questions in the records' own words; ``noise`` is the share of judgments that name any record at all."""
    records, source = spoken(count), random.Random(5)
    questions = [
        (" ".join(words), source.randrange(count) if source.random() < noise else number, {"family": f"r{number}"})
        for words, number in asked(records, each=each)
    ]
    return write(directory, [(" ".join(record), {}) for record in records], questions)


def private(directory: Path, *, count: int = 400, each: int = 4, share: float = 1.0) -> Path:
    """Records call ``share`` of their concepts by names of their own, which no encoder has ever read."""
    renamed = {word: f"x{word[::-1]}q" for word in CONCEPTS[: round(share * len(CONCEPTS))]}
    records = spoken(count)
    questions = [(" ".join(words), number, {"family": f"r{number}"}) for words, number in asked(records, each=each)]
    return write(directory, [(" ".join(renamed.get(word, word) for word in record), {}) for record in records], questions)


def synonyms() -> dict[str, str]:
    """The other word for each concept → the concept."""
    return {f"{word}esque": word for word in CONCEPTS}


def misleading(directory: Path, *, count: int = 370) -> Path:
    """Questions in other words than the records', with one word that stands in wrong records alone: BM25 is led astray."""
    records, source = spoken(count), random.Random(6)
    documents = [(" ".join([*record, f"code{number % 40}"]), {}) for number, record in enumerate(records)]
    questions = []
    for words, number in asked(records, each=4):
        wrong = (number + source.randrange(1, 40)) % 40
        questions.append((" ".join([*(f"{word}esque" for word in words), f"code{wrong}"]), number, {"family": f"r{number}"}))
    return write(directory, documents, questions)
