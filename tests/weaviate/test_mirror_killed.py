"""A writer that is killed between any two steps of a write: whatever it had done, the worker makes both sides alike again."""

from __future__ import annotations

from pathlib import Path

import pytest
from weaviate.classes.data import DataObject
from weaviate_mirrors import VERBS, Gallows, assert_alike, mirrored, pay, reader
from weaviate_objects import plotted, uid
from weaviate_server import Node

pytestmark = pytest.mark.weaviate


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_process_that_is_killed_anywhere_in_a_write_leaves_what_the_worker_mends(
    server: Node, tmp_path: Path, verb: str
) -> None:
    """Each step of a write is the last of one process, each on an object of its own."""
    with plotted(server, tmp_path) as plot, mirrored(plot) as mirror, Gallows(plot, server.url) as gallows:
        if verb != "insert":
            mirror.insert_many([DataObject({"body": f"before {number}"}, uuid=uid(number)) for number in range(80)])
        whole = gallows.make(verb, 0)
        assert (whole.signal, whole.said) == (0, "")
        assert whole.steps >= 16
        for step in range(1, whole.steps + 1):
            assert gallows.make(verb, step, die_at=step).signal == 9
        assert plot.outbox.owed() > 0
        pay(plot)
        there = reader(plot).objects(plot.live.site)
        done = {n for n in range(whole.steps + 1) if _done(verb, n, there.get(uid(n), {}).get("properties", {}).get("body"))}
        assert 0 in done
        assert 1 not in done
        assert whole.steps in done
        assert_alike(plot)


def _done(verb: str, number: int, body: str | None) -> bool:
    wanted = {"delete": None, "insert_many": f"one of many {number}"}.get(
        verb, f"{verb}{'' if verb.endswith('e') else 'e'}d {number}"
    )
    return body == wanted
