"""Payments while the application writes: whatever the order in which the two reach a side, both end alike."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from weaviate_objects import ALIAS, NEW, OLD, Plot, encoded, plotted, uid
from weaviate_server import Node

pytestmark = pytest.mark.weaviate

STEPS, KEYS = 25, 6


def write(plot: Plot, seed: int) -> None:
    """Notes every intent, writes or deletes on both sides, loses some second writes, settles what was nobody else's."""
    drawn = np.random.default_rng(seed)
    for step in range(STEPS):
        number, body = int(drawn.integers(KEYS)), f"of {seed}, step {step}"
        entries = plot.ledger.intend(ALIAS, [(uid(number),)], first=plot.live.site)
        second, settles = drawn.random(2) < 0.7
        if drawn.random() < 0.25:
            plot.application.delete(plot.live.site, uid(number))
            if second:
                plot.application.delete(plot.shadow.site, uid(number))
        else:
            plot.write(number, body)
            if second:
                plot.mend(number, body)
        alone = second and settles and not plot.ledger.overlapped(ALIAS, entries)
        (plot.ledger.settle if alone else plot.ledger.leave)(ALIAS, entries)


def serve(plot: Plot, done: Event) -> None:
    while not done.is_set():
        plot.pay()


@pytest.mark.parametrize("seed", [1, 2])
def test_writers_and_two_payers_at_once_leave_both_sides_alike(server: Node, tmp_path: Path, seed: int) -> None:
    with plotted(server, tmp_path) as plot, ThreadPoolExecutor(5) as threads:
        done = Event()
        payers = [threads.submit(serve, plot, done) for _ in range(2)]
        try:
            for writer in [threads.submit(write, plot, 10 * seed + number) for number in range(3)]:
                writer.result()
        finally:
            done.set()
        for payer in payers:
            payer.result()
        for _ in range(20):
            if plot.outbox.owed():
                plot.pay()
        assert plot.outbox.owed() == 0
        assert plot.alike()
        for side, encoder in ((plot.live, OLD), (plot.shadow, NEW)):
            for one in plot.application.all(side.site):
                wanted = encoded(encoder, [one["properties"]["body"]], side.width).matrix[0]
                assert np.allclose(one["vector"], wanted, atol=1e-6)


def test_a_reference_within_a_tenant_to_what_was_deleted_is_paid_and_nothing_stays_in_its_place(
    server: Node, tmp_path: Path
) -> None:
    """The server takes none to what is not there, and keeps those of which the target went."""
    with plotted(server, tmp_path, multiTenancyConfig={"enabled": True}) as plot:
        app, live, shadow = plot.application, plot.live.site, plot.shadow.site
        for site in (live, shadow):
            app.tenants(site, ada="ACTIVE")
            body = {"name": "next", "dataType": [site]}
            assert app.web.post(f"/v1/schema/{site}/properties", json=body).is_success
        keys = [plot.write(number, f"text {number}", tenant="ada") for number in (1, 2)]
        leads = {"beacon": f"weaviate://localhost/{live}/{uid(2)}"}
        assert app.web.post(f"/v1/objects/{live}/{uid(1)}/references/next?tenant=ada", json=leads).is_success
        assert app.web.delete(f"/v1/objects/{live}/{uid(2)}?tenant=ada").is_success
        plot.ledger.owe(ALIAS, keys[:1])
        plot.pay()
        assert [debt.key for debt in plot.outbox.read(limit=10)] == keys[1:], "what stands there is owed at once"
        plot.pay()
        assert plot.outbox.owed() == 0
        (there,) = app.all(shadow, tenant="ada")
        assert (there["id"], there["properties"]["next"][0]["beacon"].split("/")[3:]) == (str(uid(1)), [shadow, str(uid(2))])
