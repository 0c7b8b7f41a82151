"""What tests of the ledger stand on: one that lies ``where`` the module says, opened as often as a test likes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ledger_child import Children
from transvase.adapters.ledger import Book, connect


@pytest.fixture
def another(where: str) -> Iterator[Callable[[], Book]]:
    """Opens the ledger as another process would."""
    opened: list[Book] = []

    def open_it() -> Book:
        opened.append(connect(where))
        return opened[-1]

    yield open_it
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(another: Callable[[], Book]) -> Book:
    return another()


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    with Children() as server:
        yield server
