"""A writer that is killed between any two steps of a write: whatever it had done, the worker makes both sides alike again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from transvase.adapters.weaviate.mirror import Mirror
from weaviate.classes.data import DataObject
from weaviate_mirrors import BESIDE, Gallows, assert_alike, mirrored, pay, reader, tenant_of
from weaviate_objects import Plot, plotted, uid
from weaviate_server import Node

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

MOST = 80
"""Steps of a write, at the most."""
PLAIN = ("batch", "delete", "delete_many", "insert", "insert_many", "replace", "update")
WITHIN = ("batch", "delete", "insert", "update")
NEW = ("insert", "insert_many", "batch")
"""These begin with nothing; the others with an object of each number, and one more of each for ``delete_many``."""


@contextmanager
def laid(server: Node, folder: Path, verb: str, tenant: str) -> Iterator[tuple[Plot, Gallows]]:
    """A plot with tenants where one is named, that holds what the verb needs."""
    tenants = {"multiTenancyConfig": {"enabled": True}} if tenant else {}
    with plotted(server, folder, **tenants) as plot, mirrored(plot) as mirror, Gallows(plot, server.url) as gallows:
        if tenant:
            for side in (plot.live, plot.shadow):
                plot.application.tenants(side.site, **{tenant: "ACTIVE"})
        if verb not in NEW:
            brought(mirror.with_tenant(tenant) if tenant else mirror, range(MOST))
        if verb == "delete_many":
            brought(mirror, range(BESIDE, BESIDE + MOST))
        yield plot, gallows


def brought(mirror: Mirror, numbers: range) -> None:
    mirror.insert_many([DataObject({"body": f"before {number}"}, uuid=uid(number)) for number in numbers])


@pytest.mark.parametrize(("verb", "tenant"), [*((verb, "") for verb in PLAIN), *((verb, "ada") for verb in WITHIN)])
def test_a_process_that_is_killed_anywhere_in_a_write_leaves_what_the_worker_mends(
    server: Node, tmp_path: Path, verb: str, tenant: str
) -> None:
    """Each step of a write is the last of one process, each on an object of its own."""
    with laid(server, tmp_path, verb, tenant) as (plot, gallows):
        whole = gallows.make(verb, 0, tenant=tenant)
        assert (whole.signal, whole.said) == (0, "")
        assert 16 <= whole.steps < MOST
        for step in range(1, whole.steps + 1):
            assert gallows.make(verb, step, die_at=step, tenant=tenant).signal == 9
        assert plot.outbox.owed() > 0
        pay(plot)
        there = reader(plot).objects(plot.live.site, tenant=tenant)
        bodies = {uuid: one["properties"]["body"] for uuid, one in there.items()}
        done = {n for n in range(whole.steps + 1) if bodies.get(uid(n)) == _wanted(verb, n)}
        assert 0 in done
        assert 1 not in done
        assert whole.steps in done
        if verb == "batch":
            later = [uid(n + 2 * BESIDE) in bodies for n in sorted(done - {0})]
            assert later == sorted(later), "its second request comes after the first"
            assert set(later) == {False, True}
        if verb == "delete_many":
            assert done == {n for n in range(whole.steps + 1) if uid(n + BESIDE) not in bodies}
        assert_alike(plot)


def test_a_process_that_is_killed_anywhere_in_the_removal_of_a_tenant_leaves_nothing_of_it_on_one_side(
    server: Node, tmp_path: Path
) -> None:
    """Either both sides hold what it held, or neither does; each step is the last of a process, each with a tenant of its own."""
    verb, held = "remove tenant", range(3)
    with laid(server, tmp_path, "insert", tenant_of(0)) as (plot, gallows), mirrored(plot) as mirror:
        mirror.tenants.create([tenant_of(number) for number in range(MOST)])
        for number in range(MOST):
            brought(mirror.with_tenant(tenant_of(number)), held)
        whole = gallows.make(verb, 0)
        assert (whole.signal, whole.said) == (0, "")
        assert 16 <= whole.steps < MOST
        for step in range(1, whole.steps + 1):
            assert gallows.make(verb, step, die_at=step).signal == 9
        assert plot.outbox.owed() > 0
        pay(plot)
        left = reader(plot).tenants(plot.live.site)
        assert tenant_of(0) not in left
        assert tenant_of(1) in left
        assert tenant_of(whole.steps) not in left
        assert len(reader(plot).everything(plot.live.site)) == len(held) * len(left)
        assert_alike(plot)


def _wanted(verb: str, number: int) -> str | None:
    """The text of the object when the write was made."""
    if verb in ("delete", "delete_many"):
        return None
    return f"{ {'insert': 'inserted', 'insert_many': 'one of many', 'batch': 'batched'}.get(verb, verb + 'd') } {number}"
