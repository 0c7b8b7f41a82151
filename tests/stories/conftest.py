"""What the stories share: an operator at the command line, beside an application's Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helm import Helm, database_of_a_file, manned_at, stocked


@pytest.fixture
def helm(database: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Helm]:
    """An operator at a fresh database; encoders known by name cost nothing, all others are loaded as always."""
    with manned_at(database, capsys.readouterr) as made:
        yield made


@pytest.fixture(scope="module")
def shore(server: str, request: pytest.FixtureRequest) -> Iterator[Helm]:
    """A database that a whole file shares: a table ``docs`` with a proven migration, and a table ``bare`` not adopted."""
    with database_of_a_file(server, request.module.__name__.rpartition(".")[2]) as url, manned_at(url) as made:
        stocked(made.world)
        stocked(made.world, table="bare")
        made.reach("proven")
        yield made


@pytest.fixture
def proven(shore: Helm, capsys: pytest.CaptureFixture[str]) -> Helm:
    """An operator at the file's own database, for what is refused and leaves it as it was."""
    shore.take = capsys.readouterr
    return shore
