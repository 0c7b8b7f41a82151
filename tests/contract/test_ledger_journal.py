"""The Journal port once more, kept by the ledger alone: no store is needed for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from transvase.adapters.ledger import connect

_spec = importlib.util.spec_from_file_location("journal_contract", Path(__file__).with_name("test_journal.py"))
assert _spec is not None
assert _spec.loader is not None
_contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_contract)
globals().update({name: test for name, test in vars(_contract).items() if name.startswith("test_")})


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """What the contract asks of a world: a store with a journal, and another one on the same data."""
    where = str(tmp_path / "ledger.sqlite") if request.param == "sqlite" else request.getfixturevalue("database")
    ledgers = [connect(where)]

    def other():
        ledgers.append(connect(where))
        return ledgers[-1]

    yield SimpleNamespace(store=ledgers[0], other=other)
    for ledger in ledgers:
        ledger.close()


def test_the_contract_was_found():
    assert sum(name.startswith("test_") for name in vars(_contract)) > 10
