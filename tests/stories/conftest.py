"""What the stories share: an operator at the command line, beside an application's Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helm import Helm
from transvase.cli import wiring
from transvase.core.encoders import load
from transvase.core.ports import Encoder
from worlds import PostgresWorld


@pytest.fixture
def helm(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Helm]:
    """An operator at a fresh database; encoders known by name cost nothing, all others are loaded as always."""
    world = PostgresWorld(database)
    made = Helm(world, lambda: tuple(capsys.readouterr()))  # type: ignore[arg-type, return-value]  # two texts

    def named(enc: str) -> Encoder:
        return made.named[enc] if enc in made.named else load(enc)

    monkeypatch.setattr(wiring, "load", named)
    wiring.encoders.cache_clear()
    yield made
    wiring.encoders.cache_clear()
    world.close()
