"""Who plays the application: two readers through the Retriever, two by SQL, two writers, and what each of them knows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.fence import Fenced
from transvase.core.ports import Encoder
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from transvase.migrations.runner import Encoders

from .corpus import Document
from .ledger import Ledger
from .readers import RetrieverReader, SqlReader
from .stage import ALIAS, TABLE, VIEW, application
from .traffic import Paced, Traffic
from .writers import Writer

READERS: Final = 2
"""Of either kind."""
WRITERS: Final = 2
SEARCHES_PER_S: Final = 4.0
SQL_SEARCHES_PER_S: Final = 10.0
WRITES_PER_S: Final = 1.5
"""Of each. Every search by text and every write is encoded on the processors that fill the index as well."""
ASKED: Final = 24
"""Different queries that the readers ask."""
FRESH_KEYS: Final = 1_000_000
"""Where the keys of inserted rows begin; writers count up from there, each in a range of its own."""


class Cast:
    """The application's processes, made before they are started. ``deploy`` gives them what a release of the new model would."""

    def __init__(
        self,
        conninfo: str,
        *,
        documents: Sequence[Document],
        queries: Sequence[str],
        base: Encoder,
        reading: Encoders,
        ledger: Ledger,
        seed: int,
    ) -> None:
        rng = random.Random(seed)  # noqa: S311 - traffic must be repeatable, not secret
        self.queries = rng.sample(list(queries), min(ASKED, len(queries)))
        self._base = base
        self._vectors = {base.space.id: _by_query(base, self.queries)}
        self._writers = [self._writer(n, conninfo, documents, ledger, seed=seed) for n in range(WRITERS)]
        actors = [Paced(writer, WRITES_PER_S) for writer in self._writers]
        for number in range(READERS):
            connection = application(conninfo, name=f"sql {number + 1}")
            by_sql = SqlReader(
                f"sql {number + 1}", connection, view=VIEW, vectors=self._vectors, ledger=ledger, seed=seed + 10 + number
            )
            retriever = Retriever.connect(conninfo, ALIAS, encoders=reading)
            by_text = RetrieverReader(
                f"retriever {number + 1}", retriever, queries=self.queries, ledger=ledger, seed=seed + 20 + number
            )
            actors += [Paced(by_sql, SQL_SEARCHES_PER_S), Paced(by_text, SEARCHES_PER_S)]
        self.traffic = Traffic(actors, ledger=ledger)

    def deploy(self, tuned: Encoder, *, width: int) -> None:
        """From now on the writers leave the vectors to the worker, and the readers by SQL have those of the new Space at hand."""
        self._vectors[tuned.space.id] = _by_query(Fenced(tuned, width), self.queries)
        for writer in self._writers:
            writer.embed = None

    def stranger(self, encoder: Encoder) -> str:
        """A vector of ``encoder``'s Space, as a program that knows nothing of the migration would bring it."""
        return str(encoder.encode([self.queries[0]], Role.QUERY).matrix[0].tolist())

    def stop(self) -> None:
        """End the traffic; once more is no error."""
        self.traffic.stop()

    def _writer(self, number: int, conninfo: str, documents: Sequence[Document], ledger: Ledger, *, seed: int) -> Writer:
        name = f"writer {number + 1}"
        writer = Writer(
            name,
            application(conninfo, name=name),
            table=TABLE,
            keys=range(number + 1, len(documents) + 1, WRITERS),
            fresh=FRESH_KEYS * (number + 1),
            texts=[document.body for document in documents],
            ledger=ledger,
            seed=seed + number,
        )
        writer.embed = self._embedded
        return writer

    def _embedded(self, text: str) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self._base.encode([text], Role.DOCUMENT).matrix[0]
        return row


def _by_query(encoder: Encoder, queries: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    return dict(zip(queries, encoder.encode(queries, Role.QUERY).matrix, strict=True))
