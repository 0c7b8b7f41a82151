"""Who plays the application: two readers through the Retriever, two by SQL, two writers, and what each of them knows."""

from __future__ import annotations

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
FRESH_KEYS: Final = 1_000_000
"""Where the keys of inserted rows begin; writers count up from there, each in a range of its own."""


class Cast:
    """The application's readers and writers, made before they are started. They share one loaded copy of each model, in turns."""

    def __init__(
        self,
        conninfo: str,
        *,
        documents: Sequence[Document],
        queries: Sequence[str],
        base: str,
        encoders: Encoders,
        ledger: Ledger,
        seed: int,
    ) -> None:
        self.ledger = ledger
        self._queries, self._encoders, self._base = queries, encoders, encoders(base)
        self._vectors = {self._base.space.id: _by_query(self._base, queries)}
        ledger.asked.update(self._vectors)
        self._writers = [self._writer(n, conninfo, documents, seed=seed) for n in range(WRITERS)]
        actors = [Paced(writer, WRITES_PER_S) for writer in self._writers]
        for number in range(READERS):
            actors.append(Paced(self._by_sql(number, conninfo, seed=seed), SQL_SEARCHES_PER_S))
            actors.append(Paced(self._by_text(number, conninfo, seed=seed), SEARCHES_PER_S))
        self.traffic = Traffic(actors, ledger=ledger)

    def deploy(self, enc: str, *, width: int) -> None:
        """From now on the writers leave the vectors to the worker, and the readers by SQL have those of the new Space at hand."""
        tuned = self._encoders(enc)
        self._vectors[tuned.space.id] = _by_query(Fenced(tuned, width), self._queries)
        self.ledger.asked[tuned.space.id] = self._vectors[tuned.space.id]
        for writer in self._writers:
            writer.embed = None

    def _by_sql(self, number: int, conninfo: str, *, seed: int) -> SqlReader:
        name = f"sql {number + 1}"
        connection = application(conninfo, name=name)
        return SqlReader(name, connection, view=VIEW, vectors=self._vectors, ledger=self.ledger, seed=seed + 10 + number)

    def _by_text(self, number: int, conninfo: str, *, seed: int) -> RetrieverReader:
        retriever = Retriever.connect(conninfo, ALIAS, encoders=self._encoders)
        name = f"retriever {number + 1}"
        return RetrieverReader(name, retriever, queries=self._queries, ledger=self.ledger, seed=seed + 20 + number)

    def _writer(self, number: int, conninfo: str, documents: Sequence[Document], *, seed: int) -> Writer:
        name = f"writer {number + 1}"
        writer = Writer(
            name,
            application(conninfo, name=name),
            table=TABLE,
            keys=range(number + 1, len(documents) + 1, WRITERS),
            fresh=FRESH_KEYS * (number + 1),
            texts=[document.body for document in documents],
            ledger=self.ledger,
            seed=seed + number,
        )
        writer.embed = self._embedded
        return writer

    def _embedded(self, text: str) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self._base.encode([text], Role.DOCUMENT).matrix[0]
        return row


def _by_query(encoder: Encoder, queries: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    return dict(zip(queries, encoder.encode(queries, Role.QUERY).matrix, strict=True))
