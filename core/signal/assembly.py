"""From a harvest to a collection on disk: cleaned, joined into families, divided, and written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Query
from transvase.core.outdir import complete_or_absent

from .cleaning import Rules, clean
from .cut import SPLITS, Cut, divided
from .harvest import Harvest, Judgment, Tally
from .kinship import JOINS, Kinship, kinship

REPORT: Final = "report.json"
FEW_EXAM: Final = 50
"""Queries of dev or test below which an interval is too wide to decide by."""

FEW_PAIRS: Final = 500
"""Training pairs below which overfitting is likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a harvest is made a collection. ``joins`` None: by all kinds of kinship, as far as a split is left to draw."""

    rules: Rules
    cut: Cut
    joins: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.joins or ()) - set(JOINS))
        if unknown:
            raise BadValue("join", unknown[0], why=f"families are joined by {', '.join(JOINS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished collection and what went into it."""

    out: Path
    report: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        """The report and where the collection lies."""
        return {"out": str(self.out), **self.report}


def assemble(harvest: Harvest, *, out: Path, terms: Terms, tally: Tally, facts: Mapping[str, object]) -> Made:
    """Clean, divide and write a harvest; ``out`` appears only when it is complete.

    ``facts`` are the signal's own lines of the report (its kind first), ``tally`` what reading has left out already. A kind of
    metadata named ``family`` is replaced by the family that was built. BadValue when too little is left, or ``out`` is taken.
    """
    with complete_or_absent(out) as directory:
        harvest = clean(harvest, rules=terms.rules, tally=tally)
        _several(harvest)
        kin = kinship(harvest, joins=terms.joins)
        splits = divided(harvest, kin.family_of, cut=terms.cut, tally=tally)
        harvest = _of_splits(harvest, splits, kin)
        report = _report(harvest, splits, kin, tally=tally, facts=facts)
        _write(harvest, splits, directory)
        (directory / REPORT).write_text(
            json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace"
        )
    return Made(out=out, report=report)


def _several(harvest: Harvest) -> None:
    """One answer to everything teaches and tests nothing; it is mostly a column that was taken for another."""
    answers = {judgment.document for judgment in harvest.judgments if judgment.grade > 0}
    if len(answers) == 1:
        one = answers.pop()
        text = next((document.content for document in harvest.documents if document.id == one), "")
        raise BadValue("answers", f"{text[:60]}", why="every query has this one answer; name the column that tells them apart")


def _of_splits(harvest: Harvest, splits: Mapping[str, set[str]], kin: Kinship) -> Harvest:
    """Only the queries that stand in a split, each with its family."""
    kept = {query for ids in splits.values() for query in ids}
    harvest = harvest.keeping(lambda judgment: judgment.query in kept)
    told = {judgment.document for judgment in harvest.judgments}
    return replace(
        harvest,
        queries=tuple(
            replace(query, metadata={**query.metadata, "family": kin.family_of[query.id]})
            for query in harvest.queries
            if query.id in kept
        ),
        documents=tuple(document for document in harvest.documents if not harvest.loose or document.id in told),
    )


def _report(
    harvest: Harvest, splits: Mapping[str, set[str]], kin: Kinship, *, tally: Tally, facts: Mapping[str, object]
) -> dict[str, object]:
    sizes = {split: _size([one for one in harvest.judgments if one.query in ids]) for split, ids in splits.items()}
    notes = facts.get("notes")
    return {
        **{name: fact for name, fact in facts.items() if name != "notes"},
        "read": tally.read,
        "dropped": tally.as_json(),
        "documents": len(harvest.documents),
        "queries": len(harvest.queries),
        "splits": sizes,
        "families": kin.as_json(),
        "notes": [*(notes if isinstance(notes, list | tuple) else ()), *kin.notes, *_warnings(sizes)],
    }


def _size(judgments: list[Judgment]) -> dict[str, int]:
    return {
        "queries": len({one.query for one in judgments}),
        "pairs": sum(one.grade > 0 for one in judgments),
        "judged_wrong": sum(one.grade <= 0 for one in judgments),
        "weighted": sum(one.weight != 1 for one in judgments),
    }


def _warnings(sizes: Mapping[str, Mapping[str, int]]) -> list[str]:
    found = [
        f"only {size['queries']} queries in {split}: under {FEW_EXAM}, its figures are too uncertain to decide by"
        for split, size in sizes.items()
        if split != "train" and size["queries"] < FEW_EXAM
    ]
    if "train" in sizes and sizes["train"]["pairs"] < FEW_PAIRS:
        found.append(f"only {sizes['train']['pairs']} training pairs: under {FEW_PAIRS}, overfitting is likely")
    return found


def _write(harvest: Harvest, splits: Mapping[str, set[str]], directory: Path) -> None:
    _lines(
        directory / "corpus.jsonl",
        (
            _object({"_id": document.id, "title": document.title, "text": document.text, "metadata": dict(document.metadata)})
            for document in harvest.documents
        ),
    )
    _lines(directory / "queries.jsonl", (_object(_query(query)) for query in harvest.queries))
    for split in SPLITS:
        if split not in splits:
            continue
        held = [judgment for judgment in harvest.judgments if judgment.query in splits[split]]
        rows = (f"{one.query}\t{one.document}\t{one.grade:g}" for one in held)
        _lines(directory / "qrels" / f"{split}.tsv", ("query-id\tcorpus-id\tscore", *rows))
        weighed = [f"{one.query}\t{one.document}\t{one.weight:.6g}" for one in held if one.weight != 1]
        if weighed:
            _lines(directory / "weights" / f"{split}.tsv", ("query-id\tcorpus-id\tweight", *weighed))


def _query(query: Query) -> dict[str, object]:
    return {"_id": query.id, "text": query.text, "metadata": dict(query.metadata)}


def _object(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
