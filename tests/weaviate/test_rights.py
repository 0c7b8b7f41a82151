"""Rights: who has exactly what `plan` names makes the whole walk; one that is lacking is named before anything changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.collections import rights
from transvase.adapters.weaviate.collections.rights import Permission
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.errors import NotReady, Unfit
from transvase.core.retriever import Retriever
from transvase.migrations.plan import plan
from transvase.migrations.sync import Worker
from weaviate_ground import Guarded
from weaviate_objects import uid
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

ROWS = 40


def told(wanted: Sequence[Permission]) -> list[dict[str, Any]]:
    """Permissions as the server takes them."""
    return [_told(one) for one in wanted]


def _told(one: Permission) -> dict[str, Any]:
    if one.action == rights.CLUSTER:
        return {"action": one.action}
    if one.action == rights.OVERVIEW:
        return {"action": "read_nodes", "nodes": {"verbosity": "minimal"}}
    kind = one.action.partition("_")[2]
    more = {"alias": one.alias} if kind == "aliases" else {"verbosity": "verbose"} if kind == "nodes" else {}
    return {"action": one.action, kind: {"collection": one.collection, **more}}


@pytest.fixture
def guest(guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    """A walk whose operator is a user with what the test grants, over a collection that ``root`` made."""
    monkeypatch.setenv("TRANSVASE_WEAVIATE_KEY", "app-key")
    with walked(guarded.node, tmp_path, rows=ROWS, key="root-key") as made:
        yield made


def wanted_by(walk: Walk) -> tuple[Permission, ...]:
    """Everything for the adoption and the migrations after it."""
    collections = (walk.table, f"{walk.server_alias}_*")
    return rights.needed(aliases=(walk.server_alias,), collections=collections, adopted=walk.table, tenants=False)


def test_who_has_exactly_the_rights_that_are_named_makes_the_whole_walk(guarded: Guarded, guest: Walk) -> None:
    guarded.grant(told(wanted_by(guest)))
    guest.adopted()
    found = plan(guest.store, guest.alias, to="new", encoders=encoder)
    assert found.refusals == ()
    assert any("may not read the roles" in said for said in found.warnings)
    guest.opened()
    guest.filled()
    guest.proven()
    guest.cut_over()
    guest.rolled_back()
    guest.proven()
    guest.cut_over()
    before = guest.named()
    for options in ({"drop": True}, {"take_name": True}):
        with pytest.raises(Unfit, match=f"delete_collections on {guest.table}"):
            guest.retired(**options)
    guarded.grant(told([*wanted_by(guest), Permission("delete_collections", guest.table)]))
    with pytest.raises(Unfit, match=f"create_aliases on {before} through alias {guest.table}"):
        guest.retired(take_name=True)
    assert len(guest.application.all(guest.table)) == ROWS, "nothing was deleted whose name could not be given away"
    names = [Permission(action, f"{guest.server_alias}_*", guest.table) for action in rights.ALIASES]
    guarded.grant(told([*wanted_by(guest), *names, Permission("delete_collections", guest.table)]))
    assert "gave its name" in str(guest.retired(take_name=True).figures["done"])
    guest.opened("third")
    guest.filled()
    guest.proven()
    guest.cut_over()
    assert guest.named() != before


@pytest.mark.parametrize(
    "action",
    [rights.CLUSTER, rights.OVERVIEW, "create_collections", "update_aliases", "delete_data", "read_nodes", "read_tenants"],
)
def test_a_right_that_is_lacking_is_named_by_plan_and_nothing_is_opened(guarded: Guarded, guest: Walk, action: str) -> None:
    guarded.grant(told(wanted_by(guest)))
    guest.adopted()
    before = _schema(guest)
    guarded.grant(told([one for one in wanted_by(guest) if one.action != action or one.collection == guest.table]))
    refused = plan(guest.store, guest.alias, to="new", encoders=encoder).refusals
    assert len(refused) == 1
    assert "lacks rights" in refused[0]
    assert action in refused[0]
    with pytest.raises(NotReady, match="lacks rights"):
        guest.opened()
    assert _schema(guest) == before
    assert guest.store.alias(guest.alias).shadow is None
    assert guest.store.journal.load(guest.alias) is None


def test_adopt_names_everything_at_once_to_whoever_may_only_read(guarded: Guarded, guest: Walk) -> None:
    guarded.grant(told([Permission("read_data", guest.table), Permission("read_collections", guest.table)]))
    with pytest.raises(Unfit) as refused:
        guest.adopted()
    for one in (Permission("create_data", rights.CONTROL), Permission("create_aliases", guest.table, guest.server_alias)):
        assert str(one) in str(refused.value)
    assert rights.CLUSTER in str(refused.value)


@pytest.mark.parametrize("action", [rights.CLUSTER, "update_aliases", "update_data"])
def test_a_right_that_was_lost_since_is_told_before_the_alias_moves(guarded: Guarded, guest: Walk, action: str) -> None:
    guarded.grant(told(wanted_by(guest)))
    guest.ready()
    guarded.grant(told([one for one in wanted_by(guest) if one.action != action or one.collection == rights.CONTROL]))
    with pytest.raises(Unfit, match=action):
        guest.store.point(guest.alias, _shadow(guest), expect=guest.store.alias(guest.alias).generation, allow_owed=0)
    assert guest.named() == guest.table
    assert guest.store.ledger.doubts(guest.alias) == []
    guarded.grant(told(wanted_by(guest)))
    guest.cut_over()
    assert guest.named() != guest.table


def test_an_application_with_what_plan_names_searches_and_writes_through_the_whole_walk(
    guarded: Guarded, guest: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator is root here; the application has a role on the old collection, and is given what plan says it lacks."""
    monkeypatch.setenv("TRANSVASE_WEAVIATE_KEY", "root-key")
    monkeypatch.setattr(guest, "store", connect(guest.url))
    had = [Permission(one, guest.table) for one in (*rights.DATA, "read_collections")]
    had += [Permission("read_aliases", guest.table, guest.server_alias)]
    guarded.grant(told(had))
    guest.adopted()
    said = [one for one in plan(guest.store, guest.alias, to="new", encoders=encoder).warnings if "apprentice" in one]
    assert [one.partition("apprentice")[0] for one in said] == [
        "before the switch grant to the role ",
        "to search through the Retriever or write through Mirror ",
    ]
    named = [
        _parsed(part)
        for one in said
        for part in one.partition("apprentice")[2].removeprefix(" needs also").strip(": ").split("; ")
    ]
    guarded.grant(told([*had, *named]))
    monkeypatch.setenv("TRANSVASE_WEAVIATE_KEY", "app-key")
    with (
        Retriever.connect(guest.url, guest.alias, encoders=ENCODERS) as retriever,
        Mirror.connect(guest.url, guest.alias, encoders=ENCODERS) as mirror,
    ):
        monkeypatch.setenv("TRANSVASE_WEAVIATE_KEY", "root-key")
        for step, move in enumerate((guest.opened, guest.filled, guest.proven, guest.cut_over, guest.rolled_back)):
            move()
            mirror.insert({"body": f"inserted {step}", "team": "red"}, uuid=uid(100 + step))
            mirror.update(uid(1), {"body": f"updated {step}"})
            mirror.delete(uid(10 + step))
            assert retriever.search(text_of(30), 1)[0].key == (uid(30),)
            assert retriever.search(f"inserted {step}", 1)[0].key == (uid(100 + step),)
        mirror.insert({"body": "with a property that nobody knew", "shelf": "upper"}, uuid=uid(200))
        Worker(guest.store, guest.alias, encoder).pay_up(deadline_s=20)
        census = guest.store.index(guest.alias, _shadow(guest)).census()
        assert (census.missing, census.orphaned, census.stale, census.owed) == (0, 0, 0, 0)
    guest.store.close()


def _schema(walk: Walk) -> dict[str, Any]:
    return {one["class"]: one for one in walk.application.web.get("/v1/schema").json()["classes"]}


def _shadow(walk: Walk) -> str:
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    return shadow.name


def _parsed(said: str) -> Permission:
    action, _, rest = said.partition(" on ")
    collection, _, alias = rest.partition(" through alias ")
    return Permission(action, collection, alias)
