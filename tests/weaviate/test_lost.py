"""What strangers write all the time is no reason to refuse a move; what is lost is one, however it hides behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from transvase.core.errors import NotReady
from transvase.core.migration import Phase
from transvase.core.ports import Index
from transvase.migrations import cutover, prove, reconcile
from transvase.migrations.prove import scene
from transvase.migrations.sync import Worker
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

Deed = Callable[[Walk], None]


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=40) as made:
        made.adopted()
        made.opened()
        yield made


def target(walk: Walk) -> Index:
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    return walk.store.index(walk.alias, shadow.name)


def missing(walk: Walk) -> None:
    """An object goes from the target alone."""
    walk.application.delete(target(walk).declaration.site, uid(7))


def orphaned(walk: Walk) -> None:
    """The target gets one that the live side has not."""
    walk.write(900, "of nobody", to=target(walk).declaration.name)


def strange(walk: Walk) -> None:
    """What strangers do: an edit, an insert and a deletion on the live side."""
    walk.write(3, "edited")
    walk.write(901, "inserted")
    walk.application.delete(walk.table, uid(8))


def after_each_payment(patch: pytest.MonkeyPatch, deed: Callable[[], None]) -> None:
    paid = Worker.pay_up

    def pay_up(worker: Worker, *, deadline_s: float) -> int:
        left = paid(worker, deadline_s=deadline_s)
        deed()
        return left

    patch.setattr(Worker, "pay_up", pay_up)


def after_the_walks(patch: pytest.MonkeyPatch, deed: Callable[[], None]) -> None:
    """Between the last comparison of both sides and the look that a verdict rests on."""
    compared = reconcile.reconciled

    def then(*args: object, **options: object) -> object:
        figures = compared(*args, **options)  # type: ignore[arg-type]
        deed()
        return figures

    patch.setattr(scene, "reconciled", then)
    patch.setattr(cutover, "reconciled", then)


@pytest.mark.parametrize("deed", [missing, orphaned])
def test_what_is_lost_again_after_each_payment_lets_no_fill_end(walk: Walk, deed: Deed, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        after_each_payment(patch, lambda: deed(walk))
        with pytest.raises(NotReady, match=r"did not come to an end: the last one found 1 rows"):
            walk.filled()
    assert walk.filled().migration.phase is Phase.FILLED


@pytest.mark.parametrize("deed", [missing, orphaned])
def test_what_is_lost_after_the_walks_and_stays_so_is_counted(walk: Walk, deed: Deed, monkeypatch: pytest.MonkeyPatch) -> None:
    walk.filled()
    with monkeypatch.context() as patch:
        after_the_walks(patch, lambda: deed(walk))
        after_each_payment(patch, lambda: deed(walk))
        verdict = prove.prove(walk.store, walk.alias, encoders=encoder)
    assert "gaps" in {finding.check for finding in verdict.failures}
    walk.proven()
    with monkeypatch.context() as patch:
        after_the_walks(patch, lambda: deed(walk))
        after_each_payment(patch, lambda: deed(walk))
        with pytest.raises(NotReady, match=r"rows were lost since the proof: (1 missing|0 missing, 1 orphaned)"):
            walk.cut_over()
    walk.proven()
    walk.cut_over()


def test_what_strangers_write_after_the_walks_is_paid_and_not_counted(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    walk.filled()
    with monkeypatch.context() as patch:
        after_the_walks(patch, lambda: strange(walk))
        walk.proven()
    held = target(walk).census()
    assert (held.records, held.missing, held.orphaned, held.stale, held.owed) == (40, 0, 0, 0, 0)
    walk.write(902, "one more")
    with monkeypatch.context() as patch:
        after_the_walks(patch, lambda: walk.application.delete(walk.table, uid(9)))
        assert walk.cut_over().figures["owed"] == 0
    assert walk.application.one(walk.named(), uid(9)) is None
    assert walk.application.one(walk.named(), uid(902)) is not None


def test_a_walk_tells_what_is_new_from_what_lasts(walk: Walk) -> None:
    walk.filled()
    index, worker = target(walk), Worker(walk.store, walk.alias, encoder)
    missing(walk)
    walk.application.delete(walk.table, uid(8))
    first = index.owe()
    assert (first.added, first.lasting) == (2, 2), "nothing is known of before"
    worker.pay_up(deadline_s=30)
    strange(walk)
    second = index.owe(first)
    assert (second.added, second.lasting) == (2, 0), "an edit and an insert"
    worker.pay_up(deadline_s=30)
    missing(walk)
    walk.application.delete(walk.table, uid(901))
    third = index.owe(first)
    assert (third.added, third.lasting, third.examples) == (2, 1, ((uid(7),),)), "it was wrong then, was paid, and is as it was"
