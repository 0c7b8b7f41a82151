"""What a collection's own queries forbid: repeats of them, and records of the families that its dev or test asks about.

So that made-up queries can be trained on beside the real ones without giving anything away. Only ``train`` is opened: whatever it
does not judge may be asked in an exam.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transvase.core.evaluation.judged import QUERIES, Query, grades_path, read
from transvase.core.signal.cut import TRAIN
from transvase.core.signal.given import given_queries


@dataclass(frozen=True, slots=True)
class Real:
    """The queries of a collection, and the declared families of those that are not in its training split."""

    queries: tuple[Query, ...] = ()
    families: frozenset[str] = frozenset()


def own_queries(source: Path) -> Real:
    """Those of the collection in ``source``; none of a file, or of a directory without queries. Errors as reading raises them."""
    if not source.is_dir() or not (source / QUERIES).exists():
        return Real()
    queries = tuple(given_queries(source).values())
    taught = {query.id for query in read(source, split=TRAIN).queries} if grades_path(source, TRAIN).exists() else set()
    return Real(queries, frozenset(query.family for query in queries if query.family and query.id not in taught))
