"""Mirror beside a ledger that takes a note late: the write is done, its end is noted when that can be, nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from transvase.adapters.ledger import connect
from transvase.adapters.weaviate.mirror import Mirror, following
from transvase.core.errors import StoreFailed
from weaviate_mirrors import ENCODERS, Ground, assert_alike, mirrored, pay, reader, still
from weaviate_objects import ALIAS, Plot, uid

pytestmark = pytest.mark.weaviate


class Failing:
    """A ledger of which some calls fail a few times, as on a full disk."""

    def __init__(self, ledger: Any, **times: int) -> None:
        self._ledger, self.times, self.failed = ledger, Counter(times), Counter[str]()

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._ledger, name)
        if not self.times[name]:
            return plain

        def fail(*_: Any, **__: Any) -> Any:
            self.times[name] -= 1
            self.failed[name] += 1
            raise StoreFailed("the disk of the ledger is full", code="SQLITE_FULL")

        return fail


def on(plot: Plot, ledger: Failing) -> Plot:
    return replace(plot, ledger=ledger)


def until(plot: Plot, owed: int, *, payable: bool) -> None:
    """Wait until so much is owed, and may be paid."""
    end = time.monotonic() + 20
    while (plot.outbox.owed(), len(plot.outbox.read(limit=9))) != (owed, owed if payable else 0):
        assert time.monotonic() < end, (plot.outbox.owed(), plot.outbox.read(limit=9))
        time.sleep(0.02)


def test_a_debt_that_could_not_be_left_is_left_later_and_the_write_is_told_nothing(plot: Plot) -> None:
    ledger = Failing(plot.ledger, leave=3)
    with mirrored(on(plot, ledger)) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        still(plot, plot.shadow.site, "READONLY")
        mirror.update(uid(1), {"body": "edited while the disk was full"})
        still(plot, plot.shadow.site, "READY")
        until(plot, 1, payable=True)
        assert ledger.failed == {"leave": 3}
        pay(plot)
    assert_alike(plot, size=1)
    assert reader(plot).objects(plot.shadow.site)[uid(1)]["properties"]["body"] == "edited while the disk was full"


def test_a_write_that_could_not_be_settled_is_settled_later(plot: Plot) -> None:
    ledger = Failing(plot.ledger, settle=2)
    with mirrored(on(plot, ledger)) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        assert plot.outbox.owed() == 1
        until(plot, 0, payable=False)
    assert_alike(plot, size=1)


def test_a_failure_of_the_live_side_is_told_as_it_is_although_it_cannot_be_noted(plot: Plot) -> None:
    ledger = Failing(plot.ledger, leave=1)
    with mirrored(on(plot, ledger)) as mirror:
        still(plot, plot.live.site, "READONLY")
        with pytest.raises(StoreFailed, match="read-only"):
            mirror.insert({"body": "one"}, uuid=uid(1))
        still(plot, plot.live.site, "READY")
        until(plot, 1, payable=True)
        pay(plot)
    assert_alike(plot, size=0)


def test_a_doubt_that_could_not_be_ended_in_time_is_ended_later(plot: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise StoreFailed("no answer", code="timed out")

    ledger = Failing(plot.ledger, leave=2)
    with mirrored(on(plot, ledger), held_s=0.1) as mirror:
        with monkeypatch.context() as patched:
            patched.setattr(following, "echo", silent)
            mirror.insert({"body": "one"}, uuid=uid(1))
        until(plot, 1, payable=True)
        assert ledger.failed == {"leave": 2}
        pay(plot)
    assert_alike(plot, size=1)


def test_whose_overlaps_cannot_be_looked_for_is_left_to_the_worker(plot: Plot) -> None:
    with mirrored(on(plot, Failing(plot.ledger, overlapped=1))) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        assert [debt.key for debt in plot.outbox.read(limit=9)] == [(uid(1),)]
        pay(plot)
    assert_alike(plot, size=1)


def test_a_mirror_that_is_closed_while_the_ledger_takes_no_note_forgets_nothing(plot: Plot) -> None:
    """The entry stays in flight, and is everybody's when the ledger is let go of."""
    ledger = connect(plot.ledger.where)
    with mirrored(on(plot, Failing(ledger, leave=10**6))) as mirror:
        still(plot, plot.shadow.site, "READONLY")
        mirror.insert({"body": "one"}, uuid=uid(1))
        still(plot, plot.shadow.site, "READY")
    assert (plot.outbox.owed(), plot.outbox.read(limit=9)) == (1, [])
    ledger.close()
    until(plot, 1, payable=True)
    pay(plot)
    assert_alike(plot, size=1)


def test_a_text_that_goes_away_takes_its_vector_along_where_no_other_side_is_kept(plot: Plot) -> None:
    """After the old side was retired: the live side is captured by itself."""
    alone = replace(plot.look(), shadow=None)
    plot.ledger.begin_capture(ALIAS, live=plot.live.site, shadow=plot.live.site)
    with Mirror(Ground(plot, seen=alone), ALIAS, encoders=ENCODERS) as mirror:
        mirror.insert({"body": "one", "team": "red"}, uuid=uid(1))
        mirror.update(uid(1), {"team": "blue"})
        assert plot.outbox.owed() == 0
        mirror.update(uid(1), {"body": None})
        assert plot.outbox.owed() == 1
        setting = replace(plot.setting, look=lambda: alone)
        outbox = type(plot.outbox)(setting)
        debts = outbox.read(limit=9)
        assert outbox.pay(debts, [plot.payment(plot.live, [])]) == 1
    assert plot.outbox.owed() == 0
    found = plot.application.web.get(f"/v1/objects/{plot.live.site}/{uid(1)}?include=vector").json()
    assert (found["properties"], found.get("vector")) in [({"team": "blue"}, None), ({"body": None, "team": "blue"}, None)]
