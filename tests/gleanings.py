"""Small harvests, tables and click logs for tests of the signal."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from transvase.core.evaluation import Document, Query, read
from transvase.core.signal.clicks.log import Log
from transvase.core.signal.clicks.reading import read_log
from transvase.core.signal.harvest import Harvest, Judgment, Tally

HEADER = "query-id\tcorpus-id\tscore\n"


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def sentence(number: int, words: int = 6) -> str:
    """A text of its own that is near no other one."""
    return " ".join(f"w{number}x{word}" for word in range(words))


def harvest(*pairs: tuple[str, str], facts: Mapping[int, Mapping[str, object]] | None = None, loose: bool = True) -> Harvest:
    """One query a pair, in the order given; equal documents are one. ``facts``: metadata of a query by its number."""
    documents = {text: Document(f"d{number}", "", text, {}) for number, text in reversed(list(enumerate(d for _, d in pairs)))}
    queries = tuple(Query(f"q{row}", text, (facts or {}).get(row, {})) for row, (text, _) in enumerate(pairs))
    judgments = tuple(Judgment(f"q{row}", documents[text].id, 1.0, where=f"f:{row + 1}") for row, (_, text) in enumerate(pairs))
    return Harvest(documents=tuple(documents.values()), queries=queries, judgments=judgments, loose=loose)


def plain(count: int, facts: Mapping[int, Mapping[str, object]] | None = None) -> Harvest:
    """So many queries with a document each, none like another."""
    return harvest(*((sentence(row), sentence(1000 + row)) for row in range(count)), facts=facts)


def collection(directory: Path, queries: Sequence[Query], splits: Mapping[str, Mapping[str, Sequence[str]]]) -> Path:
    """A collection with these queries; ``splits`` is split → query id → answers."""
    (directory / "qrels").mkdir(parents=True)
    documents = sorted({answer for found in splits.values() for answers in found.values() for answer in answers})
    write_jsonl(directory / "corpus.jsonl", [{"_id": name, "text": name} for name in documents])
    write_jsonl(directory / "queries.jsonl", [{"_id": q.id, "text": q.text, "metadata": dict(q.metadata)} for q in queries])
    for split, found in splits.items():
        lines = "".join(f"{query}\t{answer}\t1\n" for query, answers in found.items() for answer in answers)
        (directory / "qrels" / f"{split}.tsv").write_text(HEADER + lines, encoding="utf-8")
    return directory


def split_of(directory: Path) -> dict[str, str]:
    """Query id → split."""
    return {
        query.id: path.stem for path in (directory / "qrels").glob("*.tsv") for query in read(directory, split=path.stem).queries
    }


def log_of(lines: Sequence[Mapping[str, object]], directory: Path) -> Log:
    """The lines of a click log, read back."""
    return read_log(write_jsonl(directory / "log.jsonl", lines), columns={}, tally=Tally())


class SearchEngine:
    """A simulated search engine with a known position bias and known relevance: what a log of it must be corrected back to.

    ``quality`` mixes chance (0) and truth (1) in the order that it shows; ``swaps`` is "shuffle" (a third of the lists is
    shuffled), "adjacent" (two neighbours change places in a third), or "none".
    """

    def __init__(self, *, looks: Sequence[float], quality: float, swaps: str, seed: int, queries: int = 40) -> None:
        self.looks, self.swaps = np.array(looks), swaps
        self._rng = np.random.default_rng(seed)
        depth = len(looks)
        self.relevance = self._rng.beta(1, 2, size=(queries, depth))
        noise = self._rng.random((queries, depth))
        self._order = np.argsort(-(quality * self.relevance + (1 - quality) * noise), axis=1)

    def searches(self, count: int) -> list[dict[str, object]]:
        """Lines of a log."""
        return [self._search(number) for number in range(count)]

    def documents(self) -> list[dict[str, object]]:
        """The corpus."""
        queries, depth = self.relevance.shape
        return [{"_id": f"d{q}-{d}", "text": sentence(q * depth + d)} for q in range(queries) for d in range(depth)]

    def truth(self, document: str) -> float:
        """The relevance of a document for its query."""
        query, number = document[1:].split("-")
        return float(self.relevance[int(query), int(number)])

    def _search(self, number: int) -> dict[str, object]:
        query = int(self._rng.integers(len(self._order)))
        order = self._order[query].copy()
        if self.swaps == "shuffle" and self._rng.random() < 0.3:
            self._rng.shuffle(order)
        if self.swaps == "adjacent" and self._rng.random() < 0.3:
            place = int(self._rng.integers(len(order) - 1))
            order[[place, place + 1]] = order[[place + 1, place]]
        clicked = (self._rng.random(len(order)) < self.looks) & (self._rng.random(len(order)) < self.relevance[query, order])
        shown = [f"d{query}-{document}" for document in order]
        clicks = [name for name, hit in zip(shown, clicked, strict=True) if hit]
        return {"session": f"s{number}", "time": number * 10, "query": sentence(query, 3), "shown": shown, "clicks": clicks}
