"""The audit sheet: which documents were taken for wrong, who says so, and how near to the question they lie. Ids and no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.ranking import unit

from .table import DOMAIN, Table

JUDGED: Final = "judged"
MINED: Final = "mined"

_COLUMNS: Final = ("query-id", "corpus-id", "negative-id", "rank", "by", "cosine", "limit")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What mining looked at: a vector of each row's question, those of the documents, and where they lie by number."""

    queries: NDArray[np.float32]
    documents: NDArray[np.float32]
    place: Mapping[int, int]
    limits: NDArray[np.float32]
    """One a row: below which cosine what was mined had to stay."""

    def cosine(self, row: int, document: int) -> float | None:
        """Of a row's question and a document by number; None for one that was not read."""
        place = self.place.get(document)
        if place is None:
            return None
        pair = unit(np.stack([self.queries[row], self.documents[place]]))
        return float(pair[0] @ pair[1])


def write_sheet(path: Path, table: Table, rows: NDArray[np.int64], *, seen: Seen, known: Sequence[Sequence[int]]) -> None:
    """One line a row and negative. The limit holds for what was mined; a judged document that was not read has no cosine."""
    with path.open("w", encoding="utf-8") as file:
        file.write("\t".join(_COLUMNS) + "\n")
        for row in np.flatnonzero(table.groups == DOMAIN).tolist():
            query, answer = table.query_ids[table.rows[row, 0]], table.document_ids[table.rows[row, 1]]
            for rank, number in enumerate(rows[row].tolist(), start=1):
                cosine, by = seen.cosine(row, number), JUDGED if number in known[row] else MINED
                told = (by, "" if cosine is None else f"{cosine:.4f}", f"{seen.limits[row]:.4f}")
                file.write("\t".join((query, answer, table.document_ids[number], str(rank), *told)) + "\n")
