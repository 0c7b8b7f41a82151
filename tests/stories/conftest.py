"""What the stories share: an operator at the command line, beside an application's Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from helm import Helm, database_of_a_file, stocked
from transvase.cli import wiring
from transvase.core.encoders import load
from transvase.core.ports import Encoder
from worlds import PostgresWorld


@pytest.fixture
def helm(database: str, capsys: pytest.CaptureFixture[str]) -> Iterator[Helm]:
    """An operator at a fresh database; encoders known by name cost nothing, all others are loaded as always."""
    with manned(database) as made:
        made.take = lambda: tuple(capsys.readouterr())  # type: ignore[assignment, return-value]  # two texts
        yield made


@pytest.fixture(scope="module")
def shore(server: str, request: pytest.FixtureRequest) -> Iterator[Helm]:
    """A database that a whole file shares: a table ``docs`` with a proven migration, and a table ``bare`` not adopted."""
    with database_of_a_file(server, request.module.__name__.rpartition(".")[2]) as url, manned(url) as made:
        stocked(made.world)
        stocked(made.world, table="bare")
        made.reach("proven")
        yield made


@pytest.fixture
def proven(shore: Helm, capsys: pytest.CaptureFixture[str]) -> Helm:
    """An operator at the file's own database, for what is refused and leaves it as it was."""
    shore.take = lambda: tuple(capsys.readouterr())  # type: ignore[assignment, return-value]  # two texts
    return shore


@contextmanager
def manned(url: str) -> Iterator[Helm]:
    """The operator, with the encoders that they know by name in the place of models."""
    world = PostgresWorld(url)
    made = Helm(world, lambda: ("", ""))

    def named(enc: str) -> Encoder:
        return made.named[enc] if enc in made.named else load(enc)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "load", named)
        wiring.encoders.cache_clear()
        yield made
    wiring.encoders.cache_clear()
    world.close()
