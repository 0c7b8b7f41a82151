"""The application's own database before Transvase comes: one table, its vectors, its HNSW index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from pgvector.psycopg import register_vector
from psycopg import sql
from transvase.core.space import Vectors

from .corpus import Document

ALIAS: Final = "documents"
TABLE: Final = sql.Identifier("public", "documents")
VIEW: Final = sql.Identifier("transvase", ALIAS)


def application(conninfo: str, *, name: str) -> psycopg.Connection[Any]:
    """A connection as an application would open it: autocommit, nothing of ours set."""
    return psycopg.connect(conninfo, autocommit=True, application_name=name)


def furnish(connection: psycopg.Connection[Any], documents: Sequence[Document], vectors: Vectors) -> None:
    """Make the table and fill it: row i gets key i + 1, and its vector from ``vectors``, whose Space no column records."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(connection)
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} (id bigint PRIMARY KEY, module text NOT NULL, name text NOT NULL, body text NOT NULL,"
            " edited timestamptz NOT NULL DEFAULT now(), embedding vector({}))"
        ).format(TABLE, sql.Literal(vectors.width))
    )
    into = sql.SQL("COPY {} (id, module, name, body, embedding) FROM STDIN (FORMAT BINARY)").format(TABLE)
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.set_types(["int8", "text", "text", "text", "vector"])
        for place, (document, row) in enumerate(zip(documents, vectors.matrix, strict=True)):
            copy.write_row((place + 1, document.module, document.name, document.body, row))
    connection.execute(sql.SQL("CREATE INDEX ON {} USING hnsw (embedding vector_cosine_ops)").format(TABLE))
    connection.execute(sql.SQL("ANALYZE {}").format(TABLE))
