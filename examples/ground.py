"""The ground of all examples: an application's table with its vectors in an embedded Postgres, and two models to move between.

Both models are MiniLM as ONNX, 384 dimensions each; the new one puts ``note: `` before every document. Their vectors look
alike to a database and to a framework, and may not be compared: that is the accident which Transvase is about. (A model that
``transvase train`` has written moves in the same way; training one takes minutes, and this takes none.)

Everything lies under ``.transvase/`` in the working directory, and each run of this file starts afresh there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import sql
from transvase.adapters.postgres.embedded import start
from transvase.core.encoders import load, space_of, write_space
from transvase.core.export import export
from transvase.core.space import Role
from transvase.migrations.runner import silent

PLACE = Path(".transvase").resolve()
OLD, NEW = str(PLACE / "old"), str(PLACE / "new")
STORE = f"embedded:{PLACE / 'store'}"

TEAMS = ("billing", "search", "mail", "login", "reports", "storage")
NOTES = (
    "Only the engineer on call may restart the {0} service; announce it in the channel first.",
    "Passwords of the {0} service live in the vault and are changed every ninety days.",
    "The {0} database is dumped at three in the morning and the dumps are kept for a month.",
    "When the {0} service answers slowly, look at its queue before you add machines.",
    "New colleagues get read access to {0} on their first day and write access after a month.",
    "Costs of {0} are reviewed on the first Monday of every quarter.",
    "A release of {0} needs two reviews and a green run of the long tests.",
    "The {0} service logs no personal data; a sample of its log is checked each week.",
    "Certificates of {0} are renewed by a job that mails the team when it fails.",
    "If {0} is down for more than ten minutes, write an incident report within two days.",
)


def application() -> psycopg.Connection:
    """A connection of the application's own: Transvase is not asked."""
    connection = psycopg.connect(start(STORE), autocommit=True)
    register_vector(connection)
    return connection


def models() -> None:
    """Write both models, if they are not there yet: the export takes half a minute, and encoding needs no torch afterwards."""
    if not Path(OLD).exists():
        PLACE.mkdir(exist_ok=True)
        export("builtin:minilm", Path(OLD), progress=silent)
    if not Path(NEW).exists():
        shutil.copytree(OLD, NEW)
        space = replace(space_of(OLD), document_prompt="note: ")
        write_space(Path(NEW), space, files=["model.onnx", "tokenizer.json"])


def table() -> None:
    """The application's table with its vectors, as somebody filled it long ago; what earlier runs left behind is removed."""
    fresh("notes", [(team, note.format(team)) for team in TEAMS for note in NOTES])


def fresh(name: str, texts: Sequence[tuple[str, str]]) -> None:
    """A table of (team, body) with vectors of the old model; whatever Transvase knew in this database goes."""
    vectors = load(OLD).encode([text for _, text in texts], Role.DOCUMENT).matrix
    table = sql.Identifier(name)
    with application() as db:
        db.execute("DROP SCHEMA IF EXISTS transvase, transvase_control CASCADE")
        db.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
        columns = (
            "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, team text NOT NULL, body text NOT NULL, embedding vector(384)"
        )
        db.execute(sql.SQL("CREATE TABLE {} (" + columns + ")").format(table))
        with db.cursor() as cursor:
            cursor.executemany(
                sql.SQL("INSERT INTO {} (team, body, embedding) VALUES (%s, %s, %s)").format(table),
                [(team, text, Vector(vector)) for (team, text), vector in zip(texts, vectors, strict=True)],
            )
        db.execute(sql.SQL("CREATE INDEX ON {} USING hnsw (embedding vector_cosine_ops)").format(table))


if __name__ == "__main__":
    models()
    table()
    print(f"{len(TEAMS) * len(NOTES)} notes in {STORE}, models {OLD} and {NEW}")
