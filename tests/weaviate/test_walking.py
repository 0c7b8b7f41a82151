"""Two sides compared in key order: whatever was planted is found, counted and named, and paying it mends everything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.comparing import census as census_
from transvase.adapters.weaviate.comparing.sweep import Sleepers, changed_since, swept
from transvase.adapters.weaviate.comparing.walking import Fault, Sides, Tally, faults, merged
from transvase.adapters.weaviate.objects.reading import Seen
from transvase.core.errors import NotReady, Unfit
from transvase.core.record import Key
from weaviate_objects import ALIAS, WIDTH, Plot, collection, plotted, uid, vector
from weaviate_server import Node

pytestmark = pytest.mark.weaviate

SCHEMA = {"invertedIndexConfig": {"indexTimestamps": True}}


def sides(plot: Plot, *, deep: bool = True) -> Sides:
    return Sides(setting=plot.setting, site=plot.shadow.site, live=plot.live.site, width=WIDTH + 1, text="body", deep=deep)


def planted(plot: Plot) -> dict[Key, Fault]:
    """Twelve objects filled, and one fault of each kind planted by hand."""
    for number in range(12):
        plot.write(number, f"text {number}")
    plot.write(50, None)
    plot.fill(plot.index(plot.shadow))
    site, app = plot.shadow.site, plot.application
    app.delete(site, uid(0))
    plot.mend(1, "another text")
    plot.mend(2, "text 2", vector=[0.0] * (WIDTH + 1))
    app.put(site, {"id": str(uid(3)), "properties": {"body": "text 3", "team": "red"}})
    plot.mend(99, "nobody's")
    app.put(site, {"id": str(uid(50)), "properties": {"team": "red"}, "vector": vector(5, WIDTH + 1)})
    plot.mend(4, "text 4", properties={"body": "text 4", "team": "blue"})
    kinds = {
        0: Fault.MISSING,
        1: Fault.STALE,
        2: Fault.ZERO,
        3: Fault.MISSING,
        99: Fault.ORPHANED,
        50: Fault.ORPHANED,
        4: Fault.STALE,
    }
    return {(uid(number),): kind for number, kind in kinds.items()}


def test_streams_are_merged_key_by_key() -> None:
    from transvase.adapters.weaviate.objects.cargo import Cargo

    def stream(*numbers: int) -> list[Seen]:
        return [Seen((number,), Cargo({})) for number in numbers]

    found = [(key[0], a is not None, b is not None) for key, a, b in merged(stream(1, 2, 5), stream(2, 3, 5, 6))]
    assert found == [(1, True, False), (2, True, True), (3, False, True), (5, True, True), (6, False, True)]
    assert list(merged(stream(), stream())) == []


def test_every_planted_fault_is_found_and_nothing_else(plot: Plot) -> None:
    wanted = planted(plot)
    tally = Tally()
    assert dict(faults(sides(plot), tally)) == wanted
    assert (tally.records, tally.passed) == (12, 13)


def test_a_census_counts_them(plot: Plot) -> None:
    wanted = planted(plot)
    census = plot.index(plot.shadow).census()
    assert (census.missing, census.orphaned, census.stale, census.zero, census.broken, census.owed) == (2, 2, 2, 1, 0, 0)
    assert (census.records, census.held) == (12, 12)
    assert set(census.examples) <= set(wanted)
    assert len(census.examples) == 5


def test_a_shallow_census_sees_what_is_carried_and_no_vector(plot: Plot) -> None:
    planted(plot)
    census = plot.index(plot.shadow).census(deep=False)
    assert (census.missing, census.orphaned, census.stale, census.zero) == (1, 1, 2, 0)


def test_what_is_owed_counts_as_nothing_else(plot: Plot) -> None:
    wanted = planted(plot)
    plot.ledger.owe(ALIAS, list(wanted))
    census = plot.index(plot.shadow).census()
    assert (census.missing, census.orphaned, census.stale, census.zero, census.owed) == (0, 0, 0, 0, len(wanted))


def test_what_was_only_on_its_way_is_not_counted_either(plot: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object arrives on the other side between the two looks of a census, and one is deleted there."""
    plot.write(1, "on its way")
    plot.write(2, "there")
    plot.mend(2, "there")
    plot.mend(3, "gone in a moment")
    looked = census_.again

    def again(*args: Any) -> Any:
        plot.mend(1, "on its way")
        plot.application.delete(plot.shadow.site, uid(3))
        return looked(*args)

    for deep in (True, False):
        with monkeypatch.context() as patch:
            patch.setattr(census_, "again", again)
            census = plot.index(plot.shadow).census(deep=deep)
        assert (census.records, census.held, census.missing, census.orphaned) == (2, 2, 0, 0)
        plot.application.delete(plot.shadow.site, uid(1))
        plot.mend(3, "gone in a moment")


def test_a_walk_owes_what_differs_and_paying_it_mends_everything(plot: Plot) -> None:
    wanted = planted(plot)
    index = plot.index(plot.shadow)
    assert index.owe().added == len(wanted)
    assert index.owe().added == 0, "what is owed already stays as it is"
    debts = {debt.key: debt.only for debt in plot.outbox.read(limit=100)}
    assert debts.keys() == wanted.keys()
    assert {key: debts[key] for key in debts} == {
        key: None if kind is Fault.STALE else plot.shadow.site for key, kind in wanted.items()
    }
    assert plot.pay() == len(wanted)
    assert (index.owe().added, plot.outbox.owed()) == (0, 0)
    assert plot.alike()
    census = index.census()
    assert (census.held, census.records) == (12, 12)
    assert (census.missing, census.orphaned, census.stale, census.zero) == (0, 0, 0, 0)


def test_what_is_owed_to_the_other_side_alone_is_owed_by_a_walk_all_the_same(plot: Plot) -> None:
    plot.write(1, "a text that nobody has copied")
    plot.ledger.owe(ALIAS, [(uid(1),)], only=plot.live.site)
    index = plot.index(plot.shadow)
    assert index.census().missing == 1
    assert index.owe().added == 1
    assert index.owe().added == 0
    assert plot.pay() == 1
    assert plot.alike()


def test_a_reference_that_did_not_follow_its_object_is_found_and_paid(plot: Plot) -> None:
    """Objects and references are two requests: whoever dies between them leaves a difference."""
    plot.application.make(collection("Author"))
    for side in (plot.live, plot.shadow):
        kinds = {"name": "to", "dataType": ["Author", side.site]}
        plot.application.web.post(f"/v1/schema/{side.site}/properties", json=kinds).raise_for_status()
    plot.write(1, "a")
    plot.write(2, "b")
    index = plot.index(plot.shadow)
    assert plot.fill(index) == 2
    beacons = [f"weaviate://localhost/{plot.live.site}/{uid(2)}", f"weaviate://localhost/Author/{uid(8)}"]
    plot.application.refer(plot.live.site, uid(1), to=beacons)
    assert index.census().stale == 1
    assert index.owe().added == 1
    assert plot.pay() == 1
    assert plot.alike()
    found = plot.application.one(plot.shadow.site, uid(1))
    assert found is not None
    assert [one["beacon"] for one in found["properties"]["to"]] == [
        beacons[0].replace(plot.live.site, plot.shadow.site),
        beacons[1],
    ]
    assert index.owe().added == 0
    for name in (plot.live.site, plot.shadow.site, "Author"):
        plot.application.web.delete(f"/v1/schema/{name}")


def test_nothing_is_owed_while_nothing_is_captured(plot: Plot) -> None:
    plot.ledger.end_capture(ALIAS)
    with pytest.raises(NotReady):
        plot.index(plot.shadow).owe()


def test_the_live_side_is_compared_with_itself(plot: Plot) -> None:
    plot.write(1, "a")
    plot.write(2, None)
    plot.application.put(plot.live.site, {"id": str(uid(3)), "properties": {"body": "without"}})
    census = plot.index(plot.live).census()
    assert (census.records, census.held, census.missing, census.stale) == (2, 1, 1, 0)
    assert plot.index(plot.live).owe().added == 1
    assert plot.pay(plot.live) == 1
    assert plot.index(plot.live).census().missing == 0


def test_after_the_switch_the_old_side_is_measured_by_the_new(plot: Plot) -> None:
    plot.write(1, "a")
    plot.fill(plot.index(plot.shadow))
    plot.swapped = True
    plot.mend(2, "written to the new side")
    assert plot.index(plot.live).census().missing == 1
    assert plot.index(plot.live).owe().added == 1
    assert plot.pay() == 1
    assert len(plot.application.all(plot.live.site)) == 2


def test_tenants_are_compared_one_by_one(server: Node, tmp_path: Path) -> None:
    with plotted(server, tmp_path, multiTenancyConfig={"enabled": True}) as plot:
        plot.application.tenants(plot.live.site, a="ACTIVE", b="ACTIVE")
        plot.application.tenants(plot.shadow.site, b="ACTIVE", c="ACTIVE")
        plot.write(1, "a1", tenant="a")
        plot.write(1, "b1", tenant="b")
        plot.mend(5, "c5", tenant="c")
        found = dict(faults(sides(plot), Tally()))
        assert found == {("a", uid(1)): Fault.MISSING, ("b", uid(1)): Fault.MISSING, ("c", uid(5)): Fault.ORPHANED}


# ---------------------------------------------------------------- filling


def test_a_sweep_finds_edits_and_inserts_and_never_a_deletion(plot: Plot) -> None:
    for number in range(4):
        plot.write(number, f"text {number}")
    plot.fill(plot.index(plot.shadow))
    assert swept(sides(plot)) == 0
    reached = plot.ledger.marked(ALIAS, plot.shadow.site).swept_to
    assert reached
    plot.application.patch(plot.live.site, uid(1), {"body": "patched"})
    plot.write(9, "new")
    plot.application.delete(plot.live.site, uid(2))
    assert swept(sides(plot)) == 2
    assert {(debt.key, debt.only) for debt in plot.outbox.read(limit=9)} == {((uid(1),), None), ((uid(9),), plot.shadow.site)}
    assert plot.pay() == 2
    assert swept(sides(plot)) == 0
    assert (plot.ledger.marked(ALIAS, plot.shadow.site).swept_to or 0) >= reached
    assert plot.index(plot.shadow).owe().added == 1, "the deletion is found by walking"


def test_a_tenant_that_sleeps_is_swept_once_by_the_tries_of_a_command_and_again_when_it_is_awake(
    server: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plotted(server, tmp_path, multiTenancyConfig={"enabled": True}, invertedIndexConfig={"indexTimestamps": True}) as plot:
        for site in (plot.live.site, plot.shadow.site):
            plot.application.tenants(site, a="ACTIVE", b="ACTIVE")
        for tenant in ("a", "b"):
            plot.write(1, f"in {tenant}", tenant=tenant)
        live = Tenants(plot.connection, plot.live.site)
        live.bring({"b": Activity.INACTIVE})
        woken: list[str] = []
        bring = Tenants.bring

        def counted(self: Tenants, states: Mapping[str, Activity]) -> None:
            woken.extend(name for name, state in states.items() if state is Activity.ACTIVE)
            bring(self, states)

        monkeypatch.setattr(Tenants, "bring", counted)
        sleepers = Sleepers()
        assert swept(sides(plot), sleepers=sleepers) == 2
        assert "b" in woken
        woken.clear()
        plot.write(2, "in a", tenant="a")
        assert swept(sides(plot), sleepers=sleepers) == 1
        assert woken == []
        assert (sleepers.of(plot.live.site).keys(), live.statuses()["b"]) == ({"b"}, Activity.INACTIVE)
        live.bring({"b": Activity.ACTIVE})
        plot.write(2, "in b", tenant="b")
        assert swept(sides(plot), sleepers=sleepers) == 1
        assert not sleepers.swept


def test_changes_are_those_since_a_moment(plot: Plot) -> None:
    plot.write(1, "a")
    first = changed_since(plot.setting, plot.live.site, 0)
    assert first.keys == ((uid(1),),)
    later = changed_since(plot.setting, plot.live.site, first.to + 60_000)
    assert (later.keys, later.to) == ((), first.to + 60_000)


def test_a_sweep_needs_indexed_timestamps(server: Node, tmp_path: Path) -> None:
    with plotted(server, tmp_path) as plot:
        plot.write(1, "a")
        with pytest.raises(Unfit, match="imestamps"):
            changed_since(plot.setting, plot.live.site, 0)
